// Runs the handlers of drbd.conf: shell commands, each a process of its own with a time limit,
// started and watched by one thread that is not in the path of any I/O. Configuration
// specification, 13.1.
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace runtime {

struct HandlerCall {
    std::string name;                                // "split-brain"
    std::string command;                             // for /bin/sh -c
    std::map<std::string, std::string> environment;  // nothing else is given to it, PATH apart
    std::chrono::nanoseconds time_limit = std::chrono::minutes(10);
    // Calls with the same name here run one after the other; empty: at once.
    std::string queue;
    // Wait status (exit code * 256), -1 if it could not be started; on the runner's thread.
    std::function<void(int status)> ended;
};

class HandlerRunner {
public:
    // `log` outlives the runner.
    explicit HandlerRunner(base::LogSink& log);
    // Handlers still running are left to themselves: a takeover script may be what ends us.
    ~HandlerRunner();
    HandlerRunner(const HandlerRunner&) = delete;
    HandlerRunner& operator=(const HandlerRunner&) = delete;

    // From any thread; returns at once.
    void run(HandlerCall call);

private:
    class Loop;
    std::unique_ptr<Loop> loop_;
};

}  // namespace runtime
