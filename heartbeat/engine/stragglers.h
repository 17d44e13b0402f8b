// Agents that live although nobody has asked for them in this life, or waits for them any more:
// those of a daemon that was killed while they were at work, and those that not even SIGKILL ends.
// Until the kernel says that one has ended, it works on its resource, and nobody else does.
#pragma once

#include "heartbeat/engine/effects.h"
#include "heartbeat/engine/group.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

struct Core;

class Stragglers {
public:
    explicit Stragglers(Core& core) : core_(core) {}

    void start();
    // This one has been killed, and goes on. True: it is news.
    bool add_stuck(const EarlierAgent& agent);
    // The job, if it was one of them.
    std::optional<EarlierAgent> on_done(JobId job);
    bool known(JobId job) const;
    // Stops go on: they are what is wanted.
    void kill();

    // An agent with this operation must wait.
    bool hinder(const std::string& resource, AgentOperation operation) const;
    // ... and it is no use to wait.
    bool stuck(const std::string& resource) const;
    // Something of the group may start or stop at any moment.
    bool at_work_on(const Group& group) const;

    bool any() const { return !agents_.empty(); }

private:
    struct Agent {
        EarlierAgent agent;
        bool stuck = false;
    };

    Core& core_;
    std::vector<Agent> agents_;
};

}  // namespace hb
