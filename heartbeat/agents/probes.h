// Looks whether a service works: the agent's own status, a TCP connection, a query, a write to the
// mounted file system. Every probe answers at its deadline at the latest, whatever hangs: what may
// block runs in a child, and one that cannot be ended is not started a second time.
#pragma once

#include "config/ha/ha_policy.h"
#include "heartbeat/agents/agent_runner.h"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hb {

struct ProbeResult {
    bool ok = false;
    std::string text;  // for a person: what answered, or what did not
    std::chrono::milliseconds took{0};
    bool refused = false;  // ok, but the server would not talk to the probe's user: fix the policy
};

class ProbeRunner {
public:
    using Callback = std::function<void(const ProbeResult&)>;

    // All must outlive this object. `variables` is the environment of the children.
    ProbeRunner(boost::asio::io_context& io,
                AgentRunner& agents,
                std::vector<std::string> variables);

    // Calls no callback any more.
    ~ProbeRunner();

    ProbeRunner(const ProbeRunner&) = delete;
    ProbeRunner& operator=(const ProbeRunner&) = delete;

    // One round. `monitor` names the probe: only one of each runs at a time, and one whose child is
    // still stuck from an earlier round fails at once. Exactly one call of `done` follows, within
    // `timeout` (above zero), never from inside run(). `words` are the resources that the monitor
    // means, which only the agent probe looks at: all of them must be running.
    void run(std::size_t monitor,
             const config::HaProbe& probe,
             const std::vector<config::ResourceWord>& words,
             std::chrono::milliseconds timeout,
             Callback done);

    // Its callback will not be called.
    void cancel(std::size_t monitor);

private:
    struct State;
    std::shared_ptr<State> state_;
};

// The client's words for one query that asks nothing of any table. Pure.
std::vector<std::string> sql_ping_command(const config::SqlProbe& probe,
                                          std::chrono::milliseconds timeout);

// A program of ours, for it must be one process: while that is stuck in a write, no other is begun.
std::vector<std::string> write_probe_command(const config::WriteProbe& probe);

}  // namespace hb
