#include "kmod-shim/fuse_process.h"

#include <algorithm>
#include <cerrno>
#include <sys/mount.h>

namespace shim {

using base::Result;

namespace {

constexpr const char* kFsType = "fuse.drbdd-fuse";
constexpr int kMountsMax = 16;  // of one directory, one on top of the other

}  // namespace

ServerProcess fuse_server(const RunFiles& files) {
    return {"drbdd-fuse", files.mount_dir, files.pid_file};
}

std::optional<pid_t> living_fuse(const RunFiles& files) {
    return living_process(files.pid_file);
}

Result<void> start_fuse(const FuseStart& start, const RunFiles& files, Deadline deadline) {
    return start_server(fuse_server(files),
                        {start.program,
                         "--socket=" + start.socket,
                         "--export=" + start.export_name,
                         "--mount=" + files.mount_dir,
                         "--pid-file=" + files.pid_file,
                         start_limit_argument(deadline)},
                        deadline);
}

bool is_mounted(const RunFiles& files) {
    const auto mounts = parse_mountinfo(read_file("/proc/self/mountinfo").value_or(""));
    return std::any_of(mounts.begin(), mounts.end(), [&files](const Mount& mount) {
        return mount.mount_point == files.mount_dir && mount.fs_type == kFsType;
    });
}

Result<void> unmount_fuse(const RunFiles& files) {
    for (int i = 0; i < kMountsMax && is_mounted(files); ++i) {
        if (::umount2(files.mount_dir.c_str(), UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
            return system_error("cannot unmount " + files.mount_dir);
        }
    }
    return {};
}

}  // namespace shim
