// What the tools ask on the control socket. Protocol: heartbeat/control/messages.h.
#include "heartbeat/runtime/daemon.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

using control::Reply;
using control::Request;
using control::RequestKind;

Reply reply_with(int exit, std::string text) {
    Reply reply;
    reply.exit = exit;
    reply.text = std::move(text);
    return reply;
}

std::uint64_t ms_of(Time time) {
    return static_cast<std::uint64_t>(std::max<Time::rep>(time.count(), 0));
}

control::NodeStatus to_control(const NodeStatus& node) {
    control::NodeStatus result;
    result.name = node.name;
    result.ping = node.ping;
    result.status = node.status;
    result.hold = node.hold;
    result.stable = node.stable;
    result.silence_ms = ms_of(node.silence);
    result.deadtime_ms = ms_of(node.deadtime);
    result.generation = node.generation;
    for (const LinkStatus& link : node.links) {
        result.links.push_back({link.name, link.up});
    }
    return result;
}

control::GroupStatus to_control(const GroupStatus& group) {
    control::GroupStatus result{group.key, group.home, group.state, group.reason, {}};
    for (const ResourceStatus& resource : group.resources) {
        result.resources.push_back({resource.text, resource.state});
    }
    return result;
}

control::MonitorStatus to_control(const MonitorStatus& monitor) {
    return {monitor.name,
            monitor.running,
            monitor.ok,
            static_cast<std::uint64_t>(std::max(monitor.failures, 0)),
            monitor.text};
}

std::string kind_of(const Medium& medium) {
    const std::string& description = medium.description();
    return description.substr(0, description.find(' '));
}

}  // namespace

void Daemon::on_request(const Request& request, ControlServer::Answer answer) {
    switch (request.kind) {
        case RequestKind::Status: {
            Reply reply;
            reply.data = control::to_json(status());
            answer(std::move(reply));
            return;
        }
        case RequestKind::Parameter:
            on_parameter(request, answer);
            return;
        case RequestKind::ClientStatus:
            on_client_status(request, std::move(answer));
            return;
        case RequestKind::Standby:
            on_command(request, Command::Verb::standby, request.arg, std::move(answer));
            return;
        case RequestKind::Takeover:
            if (fencer_.confirm("")) {
                on_reset_confirmed(request, std::move(answer));
                return;
            }
            on_command(request, Command::Verb::takeover, request.arg, std::move(answer));
            return;
        case RequestKind::Confirm:
            if (fencer_.confirm(request.node)) {
                on_reset_confirmed(request, std::move(answer));
                return;
            }
            on_command(request, Command::Verb::confirm_takeover, request.node, std::move(answer));
            return;
        case RequestKind::Clear:
            on_command(request, Command::Verb::clear, request.name, std::move(answer));
            return;
        case RequestKind::Shutdown:
            on_command(request, Command::Verb::shutdown, "", std::move(answer));
            return;
        case RequestKind::Restart:
            on_command(request, Command::Verb::restart, "", std::move(answer));
            return;
        case RequestKind::Reload:
            answer(reload(false));
            return;
        case RequestKind::Outdate:
            on_outdate(request, std::move(answer));
            return;
        case RequestKind::Subscribe:
            answer(reply_with(0, ""));  // the session does that itself
            return;
    }
}

void Daemon::on_reset_confirmed(const Request& request, ControlServer::Answer answer) {
    if (request.wait) {
        on_command(request, Command::Verb::await_takeover, "", std::move(answer));
    } else {
        answer(reply_with(0, "the reset of the node is confirmed"));
    }
}

// Who does not wait gets the refusal, if it comes at once, or else that it was accepted.
void Daemon::on_command(const Request& request,
                        Command::Verb verb,
                        const std::string& arg,
                        ControlServer::Answer answer) {
    const CommandId id = next_id_++;
    commands_[id] = {std::move(answer), request.wait};
    step(Command{id, verb, arg});
    const auto found = commands_.find(id);
    if (found != commands_.end() && !request.wait) {
        const ControlServer::Answer accepted = std::move(found->second.answer);
        commands_.erase(found);
        accepted(reply_with(0, ""));
    }
}

void Daemon::on_parameter(const Request& request, const ControlServer::Answer& answer) {
    const auto& parameters = configuration_.settings.ha_cf.parameters;
    const auto found = parameters.find(request.name);
    Reply reply;
    if (found == parameters.end()) {
        reply.exit = control::kExitRefused;
    } else {
        reply.data["value"] = found->second;
    }
    answer(std::move(reply));
}

void Daemon::on_client_status(const Request& request, ControlServer::Answer answer) {
    const std::string node = config::fold_node_name(request.node);
    const auto& conf = configuration_.settings.ha_cf;
    if (!conf.has_node(node)) {
        answer(reply_with(control::kExitNoAnswer, "unknown node '" + request.node + "'"));
        return;
    }
    // Our own answer comes from the same place as the partner's: the engine.
    const std::uint64_t id = next_id_++;
    ClientQuestion& question = questions_[id];
    question.node = node;
    question.name = request.name;
    question.answer = std::move(answer);
    question.limit = std::make_unique<boost::asio::steady_timer>(io_, request.limit);
    question.limit->async_wait([this, id](const boost::system::error_code& stopped) {
        const auto found = questions_.find(id);
        if (!stopped && found != questions_.end()) {
            const ControlServer::Answer late = std::move(found->second.answer);
            questions_.erase(found);
            late(reply_with(control::kExitNoAnswer, "No timely response."));
        }
    });
    if (node == configuration_.settings.node) {
        const bool built_in = (request.name == "ipfail" || request.name == "dopd") &&
                              std::any_of(conf.respawn.begin(), conf.respawn.end(), [&](auto& it) {
                                  return client_name(it.command) == request.name;
                              });
        wire::Message own("respond-cstatus");
        own.set("src", node).set("cn", request.name);
        own.set("cs", built_in || clients_.online(request.name) ? "online" : "offline");
        on_client_answer(own);
        return;
    }
    wire::Message message("query-cstatus");
    message.set("dest", node).set("cn", request.name).set("from_id", std::to_string(::getpid()));
    step(LocalMessage{std::move(message)});
}

void Daemon::on_client_answer(const wire::Message& message) {
    if (message.type() != "respond-cstatus") {
        return;
    }
    for (auto it = questions_.begin(); it != questions_.end();) {
        if (it->second.node != message.get("src") || it->second.name != message.get("cn")) {
            ++it;
            continue;
        }
        const ControlServer::Answer answer = std::move(it->second.answer);
        it = questions_.erase(it);
        const bool online = message.get("cs") == "online";
        answer(reply_with(online ? 0 : 1, online ? "online" : "offline"));
    }
}

void Daemon::on_outdate(const Request& request, ControlServer::Answer answer) {
    const std::uint64_t id = next_id_++;
    outdates_[id] = std::move(answer);
    const auto limit = std::make_shared<boost::asio::steady_timer>(io_, request.limit);
    limit->async_wait([this, id, limit](const boost::system::error_code& stopped) {
        const auto found = outdates_.find(id);
        if (!stopped && found != outdates_.end()) {
            const ControlServer::Answer late = std::move(found->second);
            outdates_.erase(found);
            late(reply_with(control::kOutdateUnreachable, "the peer has not answered in time"));
        }
    });
    step(OutdateRequest{id, request.name, request.node});
}

control::Status Daemon::status() const {
    const Snapshot snapshot = engine_.status();
    control::Status status;
    status.node = snapshot.node;
    status.version = options_.version;
    status.pid = ::getpid();
    status.status = snapshot.status;
    status.resources = snapshot.resources;
    status.phase = snapshot.phase;
    status.standby = snapshot.standby;
    status.pending = snapshot.pending;
    if (restart_ != 0) {
        status.pending += std::string(status.pending.empty() ? "" : "; ") +
                          "a restart of the daemon waits until nothing is under way";
    }
    status.shutting_down = snapshot.shutting_down;
    status.generation = snapshot.generation;
    status.uptime_ms = ms_of(now() - started_);
    for (const NodeStatus& node : snapshot.nodes) {
        status.nodes.push_back(to_control(node));
    }
    for (const Path& path : paths_) {
        status.media.push_back({path.medium->name(), kind_of(*path.medium), path.up, path.why});
    }
    for (const GroupStatus& group : snapshot.groups) {
        status.groups.push_back(to_control(group));
    }
    for (const MonitorStatus& monitor : snapshot.monitors) {
        status.monitors.push_back(to_control(monitor));
    }
    for (const DecisionEntry& entry : snapshot.decisions) {
        status.decisions.push_back({entry.wall_seconds, "", entry.text, entry.facts});
    }
    for (const AlarmEntry& entry : snapshot.alarms) {
        status.alarms.push_back({entry.wall_seconds, entry.kind, entry.text, ""});
    }
    status.counters = counters_.counters();
    status.counters["dropped_messages"] = snapshot.dropped_messages;
    return status;
}

}  // namespace hb
