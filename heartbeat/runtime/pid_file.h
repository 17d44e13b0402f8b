// RUNDIR/heartbeat.pid: one daemon per run directory. The claim is a lock that ends with the
// process, however it ends, so that a pid file of a dead daemon harms nobody.
#pragma once

#include "base/result.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace hb {

inline constexpr const char* kPidFileName = "heartbeat.pid";

// Makes the directory if need be. Busy: names the process that has it.
base::Result<FileDescriptor> claim_run_directory(const std::string& run_dir);

// The daemon that runs on this directory.
std::optional<pid_t> running_daemon(const std::string& run_dir);

}  // namespace hb
