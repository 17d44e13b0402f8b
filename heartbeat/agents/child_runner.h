// Runs programs beside the event loop and never waits for one: agents, rc.d scripts, fencing
// devices, alarms. Each child leads a process group of its own, reads nothing, inherits no
// descriptor, and is waited for by its own descriptor (pidfd), so that children of others in this
// process are left alone. At its time limit the whole group gets SIGTERM, and SIGKILL five seconds
// later. Heartbeat specification, 4.4.
#pragma once

#include "base/log.h"
#include "heartbeat/agents/process_id.h"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hb {

using JobId = std::uint64_t;  // chosen by the caller, unique among the running jobs

struct ChildCommand {
    std::string label;                        // begins each of its log lines
    std::vector<std::string> argv;            // argv[0] is the path, or a name looked up in PATH
    std::vector<std::string> variables;       // NAME=value; the child has no others
    std::chrono::milliseconds time_limit{0};  // 0: none
    // It ends its work whatever becomes of us: half a reset leaves a node off. What it prints is
    // logged when it has ended.
    bool outlives_us = false;
    // Called with its pid before it runs its first instruction.
    std::function<void(pid_t)> born;
    // Not even SIGKILL ends it. It is waited for all the same, if this is set; else it is reported
    // as timed out, and left to the kernel.
    std::function<void()> stuck;
};

// A program that an earlier process of ours has started.
struct EarlierChild {
    std::string label;
    ProcessId process;
    std::chrono::milliseconds time_limit{0};  // from now; 0: none
    std::function<void()> stuck;
};

struct ChildResult {
    int exit = -1;           // the exit code; -1 when it did not exit
    int signal = 0;          // what ended it, if a signal did
    bool timed_out = false;  // the limit passed, however it ended after that
    bool killed = false;     // kill() was called
    bool missing = false;    // it could not be started: `text` says why
    std::string output;      // standard output, its first 64 KiB
    std::string text;        // for a person: how it ended, and the last line it complained with
    std::chrono::milliseconds took{0};
};

class ChildRunner {
public:
    static constexpr std::size_t kOutputLimit = 64 * 1024;
    static constexpr std::chrono::seconds kTermToKill{5};

    using Callback = std::function<void(const ChildResult&)>;

    // Both must outlive this object. `patience`: between SIGTERM and SIGKILL, and from there until
    // a child is stuck.
    ChildRunner(boost::asio::io_context& io,
                base::LogSink& log,
                std::chrono::milliseconds patience = kTermToKill);

    // Children that still run are killed, with their groups, but for those that outlive us; their
    // callbacks are not called. What they left in the background lives on, and meets a closed pipe
    // if it still writes to ours.
    ~ChildRunner();

    ChildRunner(const ChildRunner&) = delete;
    ChildRunner& operator=(const ChildRunner&) = delete;

    // Exactly one call of `done` follows, never from inside run(), when it has ended. A child in
    // the D state cannot be killed: five seconds after the SIGKILL it is stuck, see ChildCommand.
    void run(JobId job, const ChildCommand& command, Callback done);

    // From now on it is like a job of ours, but that nobody can say how it ends. False: it has
    // ended already, and `done` is not called.
    bool adopt(JobId job, const EarlierChild& child, Callback done);

    // As if the limit had passed now. Unknown jobs (it may just have ended) are ignored.
    void kill(JobId job);

    // Looks whether the job has ended. Never needed; whoever wakes us for nothing does no harm.
    void wake(JobId job);

    std::size_t running() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace hb
