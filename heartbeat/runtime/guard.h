// A process beside the daemon that learns of its death, however it dies: by a pipe whose other end
// only the daemon has. A daemon that was killed leaves its resources running and nobody who watches
// them; when the partner's patience ends, both nodes have them. So the guard
//   - asks the partner at once to wait longer;
//   - waits for a new daemon, which takes the resources over as they are (life_file.h);
//   - if none comes, stops them, and says goodbye in the daemon's name.
// What cannot be stopped is ended by a reset of the machine, as in the daemon.
#pragma once

#include "heartbeat/runtime/configuration.h"
#include "heartbeat/runtime/daemon.h"
#include "heartbeat/runtime/file_descriptor.h"
#include "heartbeat/runtime/log_writer.h"
#include "heartbeat/runtime/reboot.h"

#include <chrono>
#include <string>

namespace hb {

struct GuardSetup {
    DaemonOptions options;
    LogTargets targets;
    Configuration configuration;  // used if the files cannot be read at that time
    ResetMeans reset;
    std::chrono::milliseconds patience{5000};  // for a new daemon
    unsigned stop_retries = 10;
};

class Guard {
public:
    Guard() = default;

    // Forks, so it must come before the first thread. Not in the guard: there it never returns.
    static Guard start(GuardSetup setup);
    // That of the process that we were before exec().
    static Guard inherited(int descriptor);

    // This daemon ends in order: there is nothing to watch any more.
    void dismiss();
    // It goes on watching over an exec(). -1: there is none.
    int keep_over_exec();

private:
    explicit Guard(FileDescriptor pipe) : pipe_(std::move(pipe)) {}

    FileDescriptor pipe_;
};

// What the guard does when the daemon has died. Returns when a new one has come, or nothing runs
// any more.
void take_care(const GuardSetup& setup);

}  // namespace hb
