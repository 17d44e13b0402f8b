// The members of every status struct with their names in JSON: one list for writing and reading.
#pragma once

#include "heartbeat/control/messages.h"
#include "ipc/fields.h"

namespace hb::control {

void fields(ipc::Is<LinkStatus> auto& link, auto&& visit) {
    visit("name", link.name);
    visit("up", link.up);
}

void fields(ipc::Is<NodeStatus> auto& node, auto&& visit) {
    visit("name", node.name);
    visit("ping", node.ping);
    visit("status", node.status);
    visit("hold", node.hold);
    visit("stable", node.stable);
    visit("silence_ms", node.silence_ms);
    visit("deadtime_ms", node.deadtime_ms);
    visit("generation", node.generation);
    visit("links", node.links);
}

void fields(ipc::Is<MediumStatus> auto& medium, auto&& visit) {
    visit("name", medium.name);
    visit("kind", medium.kind);
    visit("up", medium.up);
    visit("why", medium.why);
}

void fields(ipc::Is<ResourceStatus> auto& resource, auto&& visit) {
    visit("text", resource.text);
    visit("state", resource.state);
}

void fields(ipc::Is<GroupStatus> auto& group, auto&& visit) {
    visit("key", group.key);
    visit("home", group.home);
    visit("state", group.state);
    visit("reason", group.reason);
    visit("resources", group.resources);
}

void fields(ipc::Is<MonitorStatus> auto& monitor, auto&& visit) {
    visit("name", monitor.name);
    visit("running", monitor.running);
    visit("ok", monitor.ok);
    visit("failures", monitor.failures);
    visit("text", monitor.text);
}

void fields(ipc::Is<Entry> auto& entry, auto&& visit) {
    visit("time", entry.wall_seconds);
    visit("kind", entry.kind);
    visit("text", entry.text);
    visit("facts", entry.facts);
}

void fields(ipc::Is<Event> auto& event, auto&& visit) {
    visit("kind", event.kind);
    visit("entry", event.entry);
}

void fields(ipc::Is<Status> auto& status, auto&& visit) {
    visit("node", status.node);
    visit("version", status.version);
    visit("pid", status.pid);
    visit("status", status.status);
    visit("resources", status.resources);
    visit("phase", status.phase);
    visit("standby", status.standby);
    visit("pending", status.pending);
    visit("shutting_down", status.shutting_down);
    visit("generation", status.generation);
    visit("uptime_ms", status.uptime_ms);
    visit("nodes", status.nodes);
    visit("media", status.media);
    visit("groups", status.groups);
    visit("monitors", status.monitors);
    visit("decisions", status.decisions);
    visit("alarms", status.alarms);
    visit("counters", status.counters);
}

}  // namespace hb::control
