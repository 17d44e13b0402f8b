// Messages to JSON and back. What is read may be anything: every type and range is checked, nothing
// throws; ipc/fields.h does most of it.
#include "heartbeat/control/messages.h"

#include "heartbeat/control/fields.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hb::control {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr std::array<std::string_view, 12> kKinds = {"status",
                                                     "parameter",
                                                     "client_status",
                                                     "standby",
                                                     "takeover",
                                                     "confirm",
                                                     "clear",
                                                     "shutdown",
                                                     "restart",
                                                     "reload",
                                                     "outdate",
                                                     "subscribe"};

using ipc::line_of;
using ipc::Reader;
using ipc::write;

constexpr const char* kSubject = "control message: ";

Result<Json> parse_object(std::string_view line) {
    Result<Json> json = ipc::parse_object(line);
    if (!json) {
        return Error{json.error().code, kSubject + json.error().text};
    }
    return json;
}

}  // namespace

std::string_view to_string(RequestKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}

const NodeStatus* Status::find(std::string_view wanted) const {
    const auto found = std::find_if(
        nodes.begin(), nodes.end(), [&](const NodeStatus& n) { return n.name == wanted; });
    return found == nodes.end() ? nullptr : &*found;
}

std::string to_line(const Request& request) {
    Json json = {{"id", request.id}, {"request", to_string(request.kind)}};
    for (const auto& [name, value] : {std::pair{"arg", &request.arg},
                                      std::pair{"node", &request.node},
                                      std::pair{"name", &request.name}}) {
        if (!value->empty()) {
            json[name] = *value;
        }
    }
    if (request.wait) {
        json["wait"] = true;
    }
    if (request.kind == RequestKind::ClientStatus || request.kind == RequestKind::Outdate) {
        json["limit"] = request.limit.count();
    }
    return line_of(json);
}

std::string to_line(const Reply& reply) {
    return line_of(
        {{"id", reply.id}, {"exit", reply.exit}, {"text", reply.text}, {"data", reply.data}});
}

std::string event_line(std::uint64_t id, const Event& event) {
    return line_of({{"id", id}, {"event", write(event)}});
}

Json to_json(const Status& status) {
    return write(status);
}

Result<Request> parse_request(std::string_view line) {
    const Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    Request request;
    std::string kind;
    std::uint64_t limit_ms = static_cast<std::uint64_t>(request.limit.count());
    Reader reader(kSubject);
    reader.read_member(*json, "id", request.id);
    reader.read_member(*json, "request", kind);
    reader.read_member(*json, "arg", request.arg);
    reader.read_member(*json, "node", request.node);
    reader.read_member(*json, "name", request.name);
    reader.read_member(*json, "wait", request.wait);
    reader.read_member(*json, "limit", limit_ms);
    const auto found = std::find(kKinds.begin(), kKinds.end(), kind);
    reader.check(found != kKinds.end(), "request", "is unknown");
    reader.check(limit_ms <= kMaxLimitMs, "limit", "is more than ten minutes");
    for (const std::string* word : {&request.arg, &request.node, &request.name}) {
        reader.check(word->size() <= kMaxWordBytes, "a text", "is longer than 4096 bytes");
    }
    if (found != kKinds.end() && limit_ms <= kMaxLimitMs) {
        request.kind = static_cast<RequestKind>(found - kKinds.begin());
        request.limit = std::chrono::milliseconds(limit_ms);
    }
    return reader.done(std::move(request));
}

Result<Reply> parse_reply(std::string_view line) {
    Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    Reply reply;
    Reader reader(kSubject);
    reader.read_member(*json, "id", reply.id);
    reader.read_member(*json, "exit", reply.exit);
    reader.read_member(*json, "text", reply.text);
    if (json->contains("data")) {
        reply.data = std::move((*json)["data"]);
    }
    reader.check(json->contains("exit"), "exit", "is missing");
    return reader.done(std::move(reply));
}

Result<Event> parse_event(std::string_view line) {
    const Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    Event event;
    Reader reader(kSubject);
    reader.check(json->contains("event"), "event", "is missing");
    reader.read_member(*json, "event", event);
    return reader.done(std::move(event));
}

Result<Status> status_from_json(const Json& json) {
    Status status;
    Reader reader(kSubject);
    reader.read(json, status, "status");
    return reader.done(std::move(status));
}

}  // namespace hb::control
