// The device that holds the metadata, opened for one command: exclusively where the kernel can say
// so, and under a lock that a running drbdd holds too. All I/O is in aligned 4 KiB blocks, direct
// where the filesystem below offers it.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace drbdmeta {

enum class Access { Read, Write };

class MetaDevice {
public:
    struct Options {
        std::string path;
        Access access = Access::Read;
        bool allow_plain_file = false;
        bool verbose = false;
        // Of a device that several volumes have their metadata on: only this slot is claimed.
        std::optional<std::uint32_t> slot;
        // Asked when the kernel says that the device is in use (mounted, part of another device).
        std::function<bool()> open_anyway;
    };

    // Permission: not a block device. Busy: in use. NotFound, Io: the system said so.
    static base::Result<MetaDevice> open(const Options& options);

    MetaDevice(MetaDevice&& other) noexcept;
    MetaDevice& operator=(MetaDevice&&) = delete;
    MetaDevice(const MetaDevice&) = delete;
    MetaDevice& operator=(const MetaDevice&) = delete;
    ~MetaDevice();

    const std::string& path() const { return path_; }

    std::uint64_t size_bytes() const { return size_bytes_; }

    // Offset and length are multiples of 4096, and inside the device.
    base::Result<std::vector<std::uint8_t>> read(std::uint64_t offset, std::uint64_t length) const;
    base::Result<void> write(std::uint64_t offset, base::ConstBytes data);
    // Everything written before is stable afterwards.
    base::Result<void> flush();

private:
    MetaDevice(int fd, std::string path, std::uint64_t size_bytes, bool verbose);

    int fd_ = -1;
    std::string path_;
    std::uint64_t size_bytes_ = 0;
    bool verbose_ = false;
};

}  // namespace drbdmeta
