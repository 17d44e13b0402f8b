// Any text as /proc/self/mountinfo, in which users name directories and file systems: for the
// device's users (kmod-shim) and for the Filesystem agent (heartbeat).
#include "base/require.h"
#include "heartbeat/agents/filesystem/mount_table.h"
#include "kmod-shim/names.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const shim::Mount& mount : shim::parse_mountinfo(text)) {
        REQUIRE(mount.mount_point.size() <= size);
    }
    const std::vector<hb::Mount> mounts = hb::parse_mount_table(text);
    for (const hb::Mount& mount : mounts) {
        REQUIRE(mount.directory.size() <= size);
    }
    if (!mounts.empty()) {
        REQUIRE(hb::mounted_on(mounts, mounts.back().directory) != nullptr);
        REQUIRE(hb::mounted_below(mounts, mounts.front().directory).size() <= mounts.size());
    }
    return 0;
}
