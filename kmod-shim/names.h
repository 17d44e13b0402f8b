// Names and texts around a device node. Pure.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace shim {

// "drbd0"
std::string node_name(unsigned minor);

// The N of "drbdN"; nothing else (no sign, no leading zero, no more than 2^20).
std::optional<unsigned> minor_of_node(std::string_view name);

// Paths of the symbolic links below the device directory, as DRBD's udev rule makes them.
// Resource and disk come from a configuration: what would leave the directory is refused.
base::Result<std::string> by_res_link(const std::string& resource, unsigned volume, bool implicit);
base::Result<std::string> by_disk_link(const std::string& disk);

// What a link at `link` (relative to the device directory) contains to reach `node` there.
std::string link_content(const std::string& link, const std::string& node);

// Files of one minor in the run directory.
struct RunFiles {
    std::string mount_dir;   // where drbdd-fuse mounts
    std::string volume;      // its one file
    std::string pid_file;    // locked while it lives
    std::string state_file;  // device number of its file system: proof that a loop device is ours
    std::string nbd_state;   // the identifier of our nbd device
    std::string ublk_pid_file;  // locked while drbdd-ublk lives
    std::string ublk_state;     // the token of our ublk device
    std::string placeholder;    // there is one: the placeholder at the node's name is ours
};

RunFiles run_files(const std::string& run_dir, unsigned minor);

// Undoes run_files().volume: whose volume is behind a loop device?
struct VolumePath {
    std::string run_dir;
    unsigned minor = 0;
};

std::optional<VolumePath> parse_volume_path(std::string_view path);

// One line of /proc/PID/mountinfo.
struct Mount {
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::string mount_point;
    std::string fs_type;
    std::string source;
};

// Lines that are not understood are left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

// What the kernel calls our nbd device: "drbdd:TOKEN:RUNDIR/drbdN". The token is another one each
// time, since the path alone does not tell two containers apart, or two boots.
struct BackendIdentifier {
    std::string token;
    VolumePath volume;
};

std::string backend_identifier(const BackendIdentifier& identifier);
std::optional<BackendIdentifier> parse_backend_identifier(std::string_view text);

// "7:3", as in /sys/block/NAME/dev.
std::optional<dev_t> parse_device_number(std::string_view text);

// A decimal number that is the whole text, a final newline apart.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace shim
