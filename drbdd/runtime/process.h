// What turns a program into a daemon that other programs' data hangs on. Block front ends
// specification, 3.7.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drbdd/runtime/backing_device.h"

#include <string>

namespace runtime {

// Makes `folder` (0755) if it is missing, and claims it: one daemon per run directory, which must
// be root's (or our own user's) and writable by nobody else. The claim lasts as long as the
// descriptor, and ends with the process, however it ends. Busy: names the process that has it.
base::Result<FileDescriptor> claim_run_directory(const std::string& folder);

// The process that started us waits in the first of two until the second has called report(), and
// exits with what was reported; or with 1 if the second died without a word.
class Daemonizer {
public:
    // Returns in the child only.
    static base::Result<Daemonizer> detach();

    // `text` is for the standard error of the one who waits; empty: all is well.
    void report(const std::string& text);

private:
    explicit Daemonizer(FileDescriptor pipe) : pipe_(std::move(pipe)) {}

    FileDescriptor pipe_;
};

// Before the first thread is made: files, locked memory, threads and sizes as far as the system
// lets us, for all that is started later. Where it does not, the log says how far we may go.
void raise_limits(base::LogSink& log);

// Before the first thread is made: memory for I/O must not wait for I/O on our own device, and the
// kernel must not pick this process when memory is short. What is not permitted is logged.
void protect_from_memory_pressure(bool lock_memory, base::LogSink& log);

}  // namespace runtime
