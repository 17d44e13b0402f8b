// Messages to JSON and back. What is read may be anything: every type and range is checked, nothing
// throws.
#include "heartbeat/control/messages.h"

#include "heartbeat/control/fields.h"

#include <algorithm>
#include <array>
#include <limits>

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

using Counters = std::map<std::string, std::uint64_t>;

template <typename T>
struct IsVector : std::false_type {};

template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

// --- writing ---

template <typename T>
Json write(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> ||
                  std::is_same_v<T, Counters>) {
        return value;
    } else if constexpr (IsVector<T>::value) {
        Json list = Json::array();
        for (const auto& item : value) {
            list.push_back(write(item));
        }
        return list;
    } else {
        Json object = Json::object();
        fields(value,
               [&object](const char* name, const auto& member) { object[name] = write(member); });
        return object;
    }
}

// Names of files and outputs of scripts may be no UTF-8.
std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// --- reading ---

// Remembers the first thing that is wrong. A member that is missing keeps its default.
class Reader {
public:
    template <typename T>
    void read(const Json& json, T& value, const std::string& where) {
        if constexpr (std::is_same_v<T, bool>) {
            check(json.is_boolean(), where, "is not true or false");
            value = json.is_boolean() ? json.template get<bool>() : value;
        } else if constexpr (std::is_integral_v<T>) {
            read_number(json, value, where);
        } else if constexpr (std::is_same_v<T, std::string>) {
            check(json.is_string(), where, "is not a string");
            value = json.is_string() ? json.template get<std::string>() : value;
        } else if constexpr (std::is_same_v<T, Counters>) {
            check(json.is_object(), where, "is not an object");
            for (const auto& [name, number] : members(json)) {
                read_number(number, value[name], where);
            }
        } else if constexpr (IsVector<T>::value) {
            check(json.is_array(), where, "is not a list");
            for (std::size_t i = 0; json.is_array() && i < json.size(); ++i) {
                read(json[i], value.emplace_back(), where);
            }
        } else {
            check(json.is_object(), where, "is not an object");
            fields(value, [&](const char* name, auto& member) { read_member(json, name, member); });
        }
    }

    template <typename T>
    void read_member(const Json& json, const char* name, T& value) {
        if (json.is_object() && json.contains(name)) {
            read(json[name], value, name);
        }
    }

    void check(bool good, const std::string& where, const char* what) {
        if (!good && error_.empty()) {
            error_ = where + " " + what;
        }
    }

    template <typename T>
    Result<T> done(T value) const {
        if (error_.empty()) {
            return value;
        }
        return Error{ErrorCode::Invalid, "control message: " + error_};
    }

private:
    static std::vector<std::pair<std::string, Json>> members(const Json& json) {
        std::vector<std::pair<std::string, Json>> list;
        for (auto it = json.begin(); json.is_object() && it != json.end(); ++it) {
            list.emplace_back(it.key(), it.value());
        }
        return list;
    }

    template <typename T>
    void read_number(const Json& json, T& value, const std::string& where) {
        const bool natural = json.is_number_unsigned();
        const bool integer = json.is_number_integer();
        const bool fits = natural
                              ? json.template get<std::uint64_t>() <=
                                    static_cast<std::uint64_t>(std::numeric_limits<T>::max())
                              : integer && std::is_signed_v<T> &&
                                    json.template get<std::int64_t>() >=
                                        static_cast<std::int64_t>(std::numeric_limits<T>::min());
        check(fits, where, "is not a number in its range");
        value = fits ? json.template get<T>() : value;
    }

    std::string error_;
};

// Without exceptions, and bounded: a deep nest would exhaust the stack of whoever walks it.
Result<Json> parse_object(std::string_view line) {
    constexpr int kMaxDepth = 16;
    if (line.size() >= kMaxLineBytes) {
        return Error{ErrorCode::TooBig, "control message: a line of more than 1 MiB"};
    }
    bool too_deep = false;
    Json json = Json::parse(
        line.begin(),
        line.end(),
        [&](int depth, Json::parse_event_t, Json&) {
            too_deep = too_deep || depth > kMaxDepth;
            return depth <= kMaxDepth;
        },
        false);
    if (json.is_discarded() || too_deep || !json.is_object()) {
        return Error{ErrorCode::Invalid, "control message: the line is not a JSON object"};
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
    Reader reader;
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
    Reader reader;
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
    Reader reader;
    reader.check(json->contains("event"), "event", "is missing");
    reader.read_member(*json, "event", event);
    return reader.done(std::move(event));
}

Result<Status> status_from_json(const Json& json) {
    Status status;
    Reader reader;
    reader.read(json, status, "status");
    return reader.done(std::move(status));
}

}  // namespace hb::control
