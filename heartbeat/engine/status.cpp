#include "heartbeat/engine/status.h"

#include "heartbeat/engine/core.h"

namespace hb {

namespace {

NodeStatus own_status(const Core& core) {
    NodeStatus status;
    status.name = core.settings.node;
    status.status = name_of(core.heartbeat.state());
    status.hold = word_of(core.holdings.hold());
    status.stable = core.holdings.phase() == Phase::stable;
    status.deadtime = core.settings.ha_cf.deadtime;
    status.generation = core.start.generation;
    return status;
}

NodeStatus status_of(const Core& core, const Node& node) {
    NodeStatus status;
    status.name = node.name;
    status.ping = node.ping;
    status.status = name_of(node.state);
    if (&node == core.members.partner()) {
        status.hold = word_of(core.holdings.other());
        status.stable = core.holdings.other_stable();
    }
    status.silence = core.now - node.last_status;
    status.deadtime = node.deadtime;
    status.generation = node.generation;
    for (const Link& link : node.links) {
        status.links.push_back(LinkStatus{link.name, link.up});
    }
    return status;
}

GroupStatus status_of(const Group& group) {
    GroupStatus status;
    status.key = group.key();
    status.home = group.config.node;
    status.state = name_of(group.state);
    status.reason = group.reason;
    for (std::size_t i = 0; i < group.resources.size(); ++i) {
        status.resources.push_back(
            ResourceStatus{group.config.words[i].text, std::string(name_of(group.resources[i]))});
    }
    return status;
}

std::string name_of(StandbyPhase phase) {
    switch (phase) {
        case StandbyPhase::idle:
            return "not";
        case StandbyPhase::me:
        case StandbyPhase::giving:
            return "me";
        case StandbyPhase::done:
            return "done";
        case StandbyPhase::other:
        case StandbyPhase::taking:
            return "other";
    }
    return "not";
}

}  // namespace

Snapshot snapshot_of(const Core& core) {
    Snapshot snapshot;
    snapshot.node = core.settings.node;
    snapshot.status = name_of(core.heartbeat.state());
    snapshot.resources =
        core.holdings.in_transition() ? "transition" : word_of(core.holdings.hold());
    snapshot.phase = name_of(core.holdings.phase());
    snapshot.standby = name_of(core.standby.phase());
    snapshot.partner = !core.members.partner_alive() ? "dead"
                       : core.holdings.other_left()  ? "left"
                                                     : "alive";
    snapshot.pending = core.takeover.waiting_for();
    snapshot.promised = core.groups.promised();
    if (snapshot.pending.empty()) {
        snapshot.pending = snapshot.promised;
    }
    snapshot.shutting_down = core.shutdown.requested();
    snapshot.generation = core.start.generation;
    snapshot.dropped_messages = core.messenger.dropped();
    snapshot.nodes.push_back(own_status(core));
    for (const Node& node : core.members.nodes()) {
        snapshot.nodes.push_back(status_of(core, node));
    }
    for (const Group& group : core.groups.all()) {
        snapshot.groups.push_back(status_of(group));
    }
    snapshot.monitors = core.monitors.status();
    snapshot.decisions.assign(core.journal.decisions().begin(), core.journal.decisions().end());
    snapshot.alarms.assign(core.journal.alarms().begin(), core.journal.alarms().end());
    return snapshot;
}

}  // namespace hb
