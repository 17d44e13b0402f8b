// Loop devices: the block device that stands on drbdd-fuse's file. Blocking calls.
// Block front ends specification, section 4.
#pragma once

#include "base/result.h"
#include "kmod-shim/block_device.h"
#include "kmod-shim/system.h"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace shim {

// A loop device that has a backing file.
struct LoopDevice : BlockDevice {
    std::string backing_path;  // as the kernel prints it
};

// All loop devices in use.
std::vector<LoopDevice> bound_loops();
// The one with this device number, if it is a loop device in use.
std::optional<LoopDevice> find_loop(dev_t number);
bool is_loop_number(dev_t number);

// st_dev of the file system that holds the backing file. Answered from the kernel's memory.
base::Result<std::uint64_t> backing_file_system(const LoopDevice& loop);

// Puts a free loop device on `file`, with direct I/O; refuses a device that would go through the
// page cache or does not announce a volatile cache (file systems would then not flush).
base::Result<LoopDevice> configure_loop(const std::string& file,
                                        std::uint32_t block_bytes,
                                        Deadline deadline);

// Lets go of the backing file; `opened` must be the last opener. Waits until it is gone.
base::Result<void> release_loop(const LoopDevice& loop, Fd opened, Deadline deadline);

// Takes over the present size of the backing file and returns it.
base::Result<std::uint64_t> update_capacity(const BlockDevice& loop);

}  // namespace shim
