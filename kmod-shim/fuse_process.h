// The drbdd-fuse process of one minor and its mount, from outside. It outlives the daemon that
// started it; its lock on the pid file tells whether it lives and who it is. Blocking calls.
#pragma once

#include "base/result.h"
#include "kmod-shim/names.h"
#include "kmod-shim/system.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace shim {

struct FuseStart {
    std::string program;  // path of drbdd-fuse
    std::string socket;
    std::string export_name;
};

// "drbdd-fuse" in the folder of the running program.
std::string fuse_program_beside_us();

// The living process; 0 if it lives where its number means nothing to us (another pid namespace).
std::optional<pid_t> living_fuse(const RunFiles& files);

// Returns once the volume can be opened.
base::Result<void> start_fuse(const FuseStart& start, const RunFiles& files, Deadline deadline);

base::Result<void> signal_fuse(const RunFiles& files, int signal);

bool is_mounted(const RunFiles& files);
base::Result<void> unmount_fuse(const RunFiles& files);

// SIGTERM, and SIGKILL shortly before the deadline; the volume must have no user any more.
base::Result<void> stop_fuse(const RunFiles& files, Deadline deadline);

}  // namespace shim
