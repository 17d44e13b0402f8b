// Service monitoring: a failed probe restarts the resource, too many failures hand the group over,
// too many hand-overs end that, too. Off unless configured in ha_policy.cf.
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/status.h"

#include <deque>
#include <string>
#include <vector>

namespace hb {

struct Core;

class Monitors {
public:
    explicit Monitors(Core& core) : core_(core) {}

    void start();

    // A group has started or stopped running: its probes with it.
    void on_group_changed();
    void on_probe_done(const ProbeDone& done);
    void stop_all();
    void replace();  // the policy was read anew

    std::vector<MonitorStatus> status() const;

private:
    struct Monitor {
        std::string name;
        std::vector<std::pair<std::size_t, std::size_t>> words;  // group, resource
        bool running = false;
        bool ok = true;
        std::string text;
        std::deque<Time> failures;  // within the window
    };

    bool should_run(const Monitor& monitor) const;
    void on_failure(std::size_t index);
    void restart(Monitor& monitor);
    void hand_over(Monitor& monitor);
    bool may_hand_over();

    Core& core_;
    std::vector<Monitor> monitors_;
    std::deque<Time> handovers_;
};

}  // namespace hb
