// Runs resource agents for the daemon: finds the agent of a haresources word, runs one operation of
// it beside the event loop, and says how it ended. Which operations run, in which order and how
// often, is decided by the engine.
#pragma once

#include "heartbeat/agents/agent_lookup.h"
#include "heartbeat/agents/child_runner.h"
#include "heartbeat/agents/verdict.h"

#include <functional>
#include <string>
#include <vector>

namespace hb {

// All of ChildResult: exit, signal, timed_out, killed, missing (no such agent, or not executable),
// output (standard output, at most 64 KiB), text (for a person).
struct AgentResult : ChildResult {
    AgentKind kind = AgentKind::Legacy;
    Verdict verdict = Verdict::Unknown;  // of Operation::Status only

    bool ok() const { return exit == 0 && !timed_out && !killed && !missing; }
};

// What else its caller wants to hear of an agent; see ChildCommand.
struct AgentWatch {
    std::function<void(pid_t)> born;
    std::function<void()> stuck;
};

class AgentRunner {
public:
    using Callback = std::function<void(const AgentResult&)>;

    // `variables` (NAME=value) is the whole environment of every agent; see agent_environment().
    AgentRunner(boost::asio::io_context& io,
                AgentPaths paths,
                std::vector<std::string> variables,
                base::LogSink& log);

    // Exactly one call of `done` follows, never from inside run(). `time_limit` 0: none, as the
    // original has none.
    void run(JobId job,
             const config::ResourceWord& word,
             Operation operation,
             std::chrono::milliseconds time_limit,
             Callback done,
             AgentWatch watch = {});

    // SIGTERM to the agent's process group now, SIGKILL after five seconds; `done` still follows.
    void kill(JobId job);

    // HA_OSTATUS and the like change while we run; agents that run already keep the old ones.
    void set_variables(std::vector<std::string> variables);

    // For the other programs of the daemon: rc.d scripts, fencing devices, alarms.
    ChildRunner& children() { return children_; }

private:
    boost::asio::io_context& io_;
    AgentPaths paths_;
    std::vector<std::string> variables_;
    base::LogSink& log_;
    ChildRunner children_;
};

}  // namespace hb
