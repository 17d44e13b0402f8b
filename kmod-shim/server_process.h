// A program of ours that carries a device and outlives the daemon that started it, from outside:
// its lock on the pid file tells whether it lives and who it is. Blocking calls.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace shim {

struct ServerProcess {
    std::string program;  // "drbdd-fuse", for people
    std::string what;     // "/run/drbdd/drbd0.fuse", for people
    std::string pid_file;
};

// `program` in the folder of the running program.
std::string program_beside_us(const std::string& program);

// The living process; 0 if it lives where its number means nothing to us (another pid namespace).
std::optional<pid_t> living_process(const std::string& pid_file);

// Readable when the process ends; empty if there is none to watch.
Fd watch_process(const std::string& pid_file);

// The program gives up a little before we do, so that its own reason is heard.
std::string start_limit_argument(Deadline deadline);

// Returns once its device can be used: the command ends when its background process is ready.
base::Result<void> start_server(const ServerProcess& server,
                                const std::vector<std::string>& argv,
                                Deadline deadline);

base::Result<void> signal_server(const ServerProcess& server, int signal);

// SIGTERM if it does not end by itself in a moment, and SIGKILL shortly before the deadline; its
// device must have no user any more.
base::Result<void> end_server(const ServerProcess& server, Deadline deadline);

}  // namespace shim
