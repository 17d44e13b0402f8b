// The processes that keep a mount busy, found without touching the file system itself: through the
// mount ids that /proc shows, which differ between mount namespaces, so that nobody else is hit.
#pragma once

#include "heartbeat/agents/filesystem/mount_table.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace hb {

struct MountUser {
    pid_t pid = 0;
    std::string name;
    std::string how;  // "working directory", "open file"...
};

// Never this process nor process 1.
std::vector<MountUser> users_of(const Mount& mount);

std::string to_text(const std::vector<MountUser>& users);  // at most the first eight

}  // namespace hb
