// What the programs that carry a device have in common: they go into the background once the device
// can be used, tell their starter why if they cannot, and hold a lock for as long as they live.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "kmod-shim/link/nbd_link.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace export_link {

class Syslog : public base::LogSink {
public:
    Syslog(std::string name, bool also_stderr);
    void write(base::LogLevel level, std::string_view line) override;

private:
    std::string name_;  // openlog() keeps the pointer
};

// For poll(): whole milliseconds until `when`, a minute at most; for ever if there is no such time.
int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> when);

// SIGTERM, SIGINT and SIGHUP, as a descriptor to read from; SIGPIPE is ignored.
base::Result<int> open_signals();

// Until the export can be used. The server may still be starting: absence is waited for, for
// `limit`; a refusal is final. `on_signals` is given what poll() says of `signals`, and ends the
// waiting by true.
base::Result<void> await_export(NbdLink& link,
                                std::chrono::seconds limit,
                                int signals,
                                const std::function<bool(short revents)>& on_signals);

// Held until the process ends: that lock, not the number in the file, tells that it lives.
base::Result<void> lock_pid_file(const std::string& path, const std::string& program);

// Calls `serve` in a new process and returns its exit code-to-be: 0 once it has called
// report_start() without a problem; else 1, and the problem is on standard error.
int start_in_background(const std::string& program, const std::function<int(int report)>& serve);

// False if nobody is there to read it any more; then the device has no user either.
bool report_start(int report, const std::string& problem);

void detach_from_terminal();

}  // namespace export_link
