#include "tests/unit/hb_tools/fake_daemon.h"

#include "base/require.h"

#include <utility>

namespace control = hb::control;

FakeDaemon::FakeDaemon(Answer answer)
    : answer_(std::move(answer)),
      daemon_(control::kSocketName, [this](const std::string& line) { return answer_line(line); }) {
}

std::vector<std::string> FakeDaemon::answer_line(const std::string& line) {
    const auto request = control::parse_request(line);
    REQUIRE(request.has_value());
    std::string summary(control::to_string(request->kind));
    for (const std::string* word : {&request->arg, &request->node, &request->name}) {
        summary += word->empty() ? "" : " " + *word;
    }
    log_.add(summary + (request->wait ? " wait" : ""));
    return answer_(*request);
}

std::string reply_line(const control::Request& request,
                       int exit,
                       const std::string& text,
                       control::Json data) {
    control::Reply reply;
    reply.id = request.id;
    reply.exit = exit;
    reply.text = text;
    reply.data = std::move(data);
    return control::to_line(reply);
}

FakeDaemon::Answer answers_with(control::Status status, int exit, std::string text) {
    return [=](const control::Request& request) -> std::vector<std::string> {
        if (request.kind == control::RequestKind::Status) {
            return {reply_line(request, 0, "", control::to_json(status))};
        }
        return {reply_line(request, exit, text)};
    };
}

namespace {

control::NodeStatus node(const std::string& name, const std::string& status, bool link_up) {
    control::NodeStatus made;
    made.name = name;
    made.status = status;
    made.hold = "none";
    made.stable = true;
    made.silence_ms = 400;
    made.deadtime_ms = 2100;
    made.generation = 7;
    made.links = {{"eth1", link_up}, {"eth0", link_up}};
    return made;
}

}  // namespace

control::Status sample_status() {
    control::Status status;
    status.node = "node-a";
    status.version = "0.1.0";
    status.pid = 1;
    status.status = "active";
    status.resources = "local";
    status.phase = "stable";
    status.standby = "not";
    status.generation = 12;
    status.uptime_ms = 3'905'000;
    status.nodes = {node("node-a", "active", false), node("node-b", "active", true)};
    status.nodes[0].hold = "local";
    control::NodeStatus ping;
    ping.name = "10.77.0.254";
    ping.ping = true;
    ping.status = "ping";
    ping.silence_ms = 900;
    ping.links = {{"10.77.0.254", true}};
    status.nodes.push_back(ping);
    status.media = {{"eth1", "ucast", true, ""}, {"eth0", "ucast", false, "Network is down"}};
    status.groups = {{"IPaddr::10.77.0.100/24/eth0:1",
                      "node-a",
                      "running",
                      "",
                      {{"IPaddr::10.77.0.100/24/eth0:1", "running"}, {"mysqld", "running"}}}};
    return status;
}
