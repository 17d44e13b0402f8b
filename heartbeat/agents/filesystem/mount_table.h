// What is mounted where, from /proc/self/mountinfo.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

struct Mount {
    std::uint64_t id = 0;
    std::string device_number;  // "147:0"
    std::string source;
    std::string directory;
    std::string type;
    bool writable = false;
};

// In the order in which they were mounted. Lines that cannot be understood are left out. Pure.
std::vector<Mount> parse_mount_table(std::string_view text);

base::Result<std::vector<Mount>> read_mount_table();

// The uppermost mount on exactly this directory.
const Mount* mounted_on(const std::vector<Mount>& mounts, const std::string& directory);

// The mounts below a directory, without itself, in the order in which they can be unmounted.
std::vector<Mount> mounted_below(const std::vector<Mount>& mounts, const std::string& directory);

}  // namespace hb
