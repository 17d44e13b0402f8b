// The device that external metadata is on: all of it for one volume, or one of its slots beside
// those of other volumes. It is open once in this process then, claimed against everybody else; who
// only looks at another slot, as drbdmeta does, is let in.
#pragma once

#include "base/result.h"
#include "drbdd/io/disk.h"
#include "drbdd/runtime/backing_device.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace runtime {

class MetaDevice {
public:
    class Shared;

    MetaDevice(std::shared_ptr<Shared> shared, std::optional<std::uint32_t> slot);
    // Gives the slot back, and with the last one the device; may block.
    ~MetaDevice();
    MetaDevice(const MetaDevice&) = delete;
    MetaDevice& operator=(const MetaDevice&) = delete;

    int fd() const { return fd_; }

    const io::MetaGeometry& geometry() const { return geometry_; }

private:
    std::shared_ptr<Shared> shared_;
    int fd_ = -1;
    io::MetaGeometry geometry_;
};

// Errors as those of open_device. Busy: also a slot that another volume has.
base::Result<std::shared_ptr<MetaDevice>> open_meta_device(const std::string& path,
                                                           std::optional<std::uint32_t> slot);

}  // namespace runtime
