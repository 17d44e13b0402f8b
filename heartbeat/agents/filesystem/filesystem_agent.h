// The agent Filesystem. Heartbeat specification, 5.
//
//   Filesystem device directory [type [options]] start|stop|status|monitor
//
// `device` is a path, -Llabel, -Uuuid or host:/directory. start: mounted already is success; what
// is mounted below the directory, or another device on it, is refused. A device that is
// write-protected is not mounted read-only instead. stop: what is mounted below goes first;
// processes that keep the file system busy get SIGTERM and after three seconds SIGKILL; never a
// lazy unmount, for the device must be free when the partner takes it.
#pragma once

#include "heartbeat/agents/filesystem/mount_table.h"

#include <string>
#include <vector>

namespace hb {

struct FilesystemCommand {
    std::string device;  // -L and -U have become LABEL= and UUID=
    std::string directory;
    std::string type;  // empty: mount finds out
    std::string options;
    std::string operation;
};

base::Result<FilesystemCommand> parse_filesystem_command(const std::vector<std::string>& words);

// The words behind `mount`. Pure.
std::vector<std::string> mount_arguments(const FilesystemCommand& command);

// The exit code: 0 done, 1 failed, 2 wrong arguments, 3 status: not mounted. Prints one line.
int run_filesystem_agent(const std::vector<std::string>& words);

}  // namespace hb
