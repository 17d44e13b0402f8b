// What ublk, nbd and loop devices have in common: a name below /sys/block, and a number that a
// node /dev/drbdN gets as well. Blocking calls.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace shim {

struct BlockDevice {
    std::string name;  // "loop3", "nbd0", "ublkb0"
    dev_t number = 0;
};

// The text of /sys/block/NAME/ATTRIBUTE without the final newline; nothing if there is none.
std::optional<std::string> sys_text(const std::string& name, const std::string& attribute);

// The device with this name, if the kernel has it.
std::optional<BlockDevice> block_device(const std::string& name);

// A private /dev may lack the node of a device that the kernel has just made: it is made then.
base::Result<Fd> open_block(const std::string& name, int flags);

}  // namespace shim
