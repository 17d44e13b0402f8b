#include "heartbeat/engine/isolation.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

int Isolation::answers_since(Time when) const {
    const auto& nodes = core_.members.nodes();
    return static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [&](const Node& node) {
        return node.ping && node.state == NodeState::ping && node.answered_sent >= when;
    }));
}

Time Isolation::window() const {
    return core_.settings.ha_cf.keepalive * 5 / 2;
}

bool Isolation::quorate() const {
    return answers_since(core_.now - window()) >=
           static_cast<int>(core_.settings.policy.quorum_ping);
}

// Measured by our own deadtime: a partner that announced a longer one, because it restarts, does
// not wait any longer itself before it takes over from us.
bool Isolation::watched() const {
    const Node* partner = core_.members.partner();
    return core_.settings.policy.quorum_ping > 0 && partner != nullptr &&
           core_.now - partner->last_status >= core_.settings.ha_cf.deadtime &&
           !core_.shutdown.running();
}

void Isolation::on_node_dead() {
    if (watched()) {
        check();
    }
}

void Isolation::on_ping_answer() {
    core_.takeover.on_quorum();
}

void Isolation::check() {
    const bool holding = core_.holdings.hold() != Hold::none || core_.groups.anything_up();
    if (isolated_ || !holding || quorate()) {
        return;
    }
    isolated_ = true;
    core_.journal.decide("Isolated: the resources are stopped here",
                         fact("answers", answers_since(core_.now - window())) +
                             fact("needed", core_.settings.policy.quorum_ping) +
                             fact("hold", word_of(core_.holdings.hold())));
    core_.journal.alarm(AlarmKind::partition,
                        "Neither the partner nor enough ping nodes can be reached: resources are "
                        "stopped here, the partner may start them");
    const Time grace = core_.takeover.quorum_grace() - 2 * core_.settings.ha_cf.keepalive;
    limit_.set(core_.now + std::max(grace, Time{0}));
    core_.holdings.give_everything_up();
    core_.holdings.report();
    core_.groups.abandon();
    core_.groups.kill_agent();
    core_.groups.give(Purpose::isolation, core_.groups.indexes(Hold::all));
    if (!core_.takeover.pending() && core_.members.partner()->state == NodeState::dead) {
        core_.takeover.on_partner_dead(*core_.members.partner());
    }
}

void Isolation::on_released() {
    limit_.clear();
}

void Isolation::ended() {
    isolated_ = false;  // what is being stopped has its limit all the same
}

void Isolation::on_time() {
    if (core_.settings.policy.quorum_ping > 0 && (!check_.is_set() || check_.take(core_.now))) {
        check_.set(core_.now + core_.settings.ha_cf.keepalive);
        if (watched()) {
            check();
        } else if (isolated_ && core_.members.partner_alive()) {
            isolated_ = false;  // heard again before it was declared dead
            core_.holdings.report();
        }
    }
    if (limit_.take(core_.now)) {
        core_.journal.critical("Isolated, and the resources cannot be stopped in time");
        core_.reboot(
            "isolated node could not stop its resources before the partner may start them");
    }
}

Time Isolation::next() const {
    return std::min(check_.at(), limit_.at());
}

}  // namespace hb
