// A process, told apart from a later one that the kernel has given the same number.
#pragma once

#include <chrono>
#include <cstdint>
#include <sys/types.h>

namespace hb {

struct ProcessId {
    pid_t pid = 0;
    std::uint64_t started = 0;  // ticks since the machine was booted: field 22 of /proc/PID/stat
};

// `started` is 0 when there is no such process.
ProcessId process_id(pid_t pid);

std::chrono::milliseconds age_of(const ProcessId& process);

// A pidfd, which can be read from when the process has ended; -1: it has ended already. It need not
// be a child of ours.
int open_process(const ProcessId& process);

bool has_ended(int pidfd);

// Waits for it so long. True: it has ended.
bool await_end(int pidfd, std::chrono::milliseconds limit);

// To a process that leads a group, and to that group.
void signal_group(int pidfd, pid_t pid, int signal);

}  // namespace hb
