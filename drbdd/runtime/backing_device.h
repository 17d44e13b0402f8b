// Opening and probing of a backing disk, and of the device of external metadata: a block device or
// a plain file each. Blocks for as long as the device likes: never on a resource's thread. Block
// front ends specification, 6.1.
#pragma once

#include "base/result.h"
#include "drbdd/io/block_device.h"
#include "drbdd/io/disk.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runtime {

// A file descriptor with an owner.
class FileDescriptor {
public:
    FileDescriptor() = default;

    explicit FileDescriptor(int fd) : fd_(fd) {}

    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~FileDescriptor();

    int get() const { return fd_; }

private:
    int fd_ = -1;
};

class MetaDevice;
struct NbdExport;

// Open for reading and writing: an NBD export (`remote`), else past the page cache where the file
// system can, and claimed: a second opening, by us or by drbdmeta or mount, is refused until this
// one is closed.
struct BackingDevice {
    FileDescriptor fd;
    std::string path;
    bool is_block_device = false;
    io::DiskGeometry geometry;
    std::shared_ptr<MetaDevice> meta;  // null: the metadata are at the end of this one
    std::shared_ptr<NbdExport> remote;
};

// Smaller backing devices cannot hold the metadata and one extent of data.
inline constexpr std::uint64_t kMinBackingBytes = 128u << 10;

// What a device is opened for.
struct DeviceRole {
    const char* name = "backing device";  // in messages
    std::uint64_t least_bytes = kMinBackingBytes;
    // Claimed against others only: who has it open here claims the parts that he uses.
    bool in_parts = false;
};

// Errors: NotFound, Busy (mounted, claimed, or locked by another process), Permission (also: read
// only), TooSmall, Unsupported (neither block device nor file), Io.
base::Result<BackingDevice> open_device(const std::string& path, const DeviceRole& role);

inline base::Result<BackingDevice> open_backing_device(const std::string& path) {
    return open_device(path, {});
}

// Looks at the size, and all else of the geometry, once more.
base::Result<void> measure(BackingDevice& device, const DeviceRole& role);

// The size of an open device by now, in bytes; 0: it could not be told.
std::uint64_t bytes_of(const FileDescriptor& fd);
// Where a file has data and where holes, as io::BlockDevice::map_allocation() has it.
std::vector<io::AllocationRun> allocation_of(const FileDescriptor& file,
                                             std::uint64_t offset,
                                             std::uint64_t length,
                                             std::size_t most);
// Another descriptor of the same opening; errno is its error.
FileDescriptor duplicate(int fd);

// The lock that drbdmeta asks for, too, on these bytes (length 0: up to the end). 0 or errno.
int claim_bytes(const BackingDevice& device, std::uint64_t start, std::uint64_t length);
void release_bytes(const BackingDevice& device, std::uint64_t start, std::uint64_t length);

// By whatever name.
bool is_same_device(const std::string& a, const std::string& b);

// The disks of a volume.
struct DiskPaths {
    std::string data;
    std::string meta;  // empty: the metadata are internal
    std::optional<std::uint32_t> slot;
};

struct OpenedDisks {
    base::Result<BackingDevice> device;
    bool of_metadata = false;  // the error is about the metadata's device
};

// Both, or none. Invalid: they are the same device. The data may be an NBD export; its metadata are
// on a device of this machine then.
OpenedDisks open_disks(const DiskPaths& paths);

}  // namespace runtime
