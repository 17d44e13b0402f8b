// One daemon per run directory. The claim is a lock on RUNDIR/heartbeat.lock, which only its owner
// can open: whoever can open a file can lock it, and would keep the daemon from starting. It ends
// with the process, however that ends, and the kernel tells who has it: a signal goes to that
// process or to nobody. RUNDIR/heartbeat.pid is for people and scripts alone.
#pragma once

#include "base/result.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace hb {

inline constexpr const char* kPidFileName = "heartbeat.pid";
inline constexpr const char* kLockFileName = "heartbeat.lock";

// Makes the directory if need be; it must be ours, and nobody else's to write in. Busy: names the
// process that has the claim.
base::Result<FileDescriptor> claim_run_directory(const std::string& run_dir);

// The daemon that runs on this directory.
std::optional<pid_t> running_daemon(const std::string& run_dir);

// A process that can be neither replaced by another of the same number nor missed.
class DaemonProcess {
public:
    // The daemon that runs on this directory; NotFound: none.
    static base::Result<DaemonProcess> find(const std::string& run_dir);

    pid_t pid() const { return pid_; }

    base::Result<void> signal(int number) const;
    void wait_for_end() const;

private:
    DaemonProcess(pid_t pid, FileDescriptor process) : pid_(pid), process_(std::move(process)) {}

    pid_t pid_;
    FileDescriptor process_;
};

}  // namespace hb
