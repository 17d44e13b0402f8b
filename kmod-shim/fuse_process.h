// The drbdd-fuse process of one minor and its mount, from outside. Blocking calls.
#pragma once

#include "base/result.h"
#include "kmod-shim/names.h"
#include "kmod-shim/server_process.h"
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

ServerProcess fuse_server(const RunFiles& files);

// The living process; 0 if it lives where its number means nothing to us (another pid namespace).
std::optional<pid_t> living_fuse(const RunFiles& files);

// Returns once the volume can be opened.
base::Result<void> start_fuse(const FuseStart& start, const RunFiles& files, Deadline deadline);

bool is_mounted(const RunFiles& files);
base::Result<void> unmount_fuse(const RunFiles& files);

}  // namespace shim
