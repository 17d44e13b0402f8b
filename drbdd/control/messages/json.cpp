// Messages to JSON and back. What is read may be anything: every type and range is checked, nothing
// throws.
#include "config/options.h"
#include "drbdd/control/messages.h"
#include "drbdd/control/messages/fields.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

namespace control {

namespace {

constexpr std::array<std::string_view, 17> kCommands = {"version",
                                                        "up",
                                                        "attach",
                                                        "detach",
                                                        "connect",
                                                        "disconnect",
                                                        "primary",
                                                        "secondary",
                                                        "invalidate",
                                                        "outdate",
                                                        "peer-dead",
                                                        "options",
                                                        "show",
                                                        "down",
                                                        "status",
                                                        "events2",
                                                        "quit"};

template <typename T>
struct IsDuration : std::false_type {};

template <typename Rep, typename Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

template <typename T>
struct IsOptional : std::false_type {};

template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <typename T>
struct IsVector : std::false_type {};

template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

using StringMap = std::map<std::string, std::string>;

// --- writing ---

template <typename T>
Json write(const T& value) {
    if constexpr (std::is_same_v<T, config::AddressFamily>) {
        return value == config::AddressFamily::Ipv6 ? "ipv6" : "ipv4";
    } else if constexpr (std::is_enum_v<T>) {
        return std::string(config::word(value));
    } else if constexpr (IsDuration<T>::value) {
        return value.count();
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> ||
                         std::is_same_v<T, StringMap>) {
        return value;
    } else if constexpr (std::is_same_v<T, Event::Fields>) {
        Json list = Json::array();
        for (const auto& [key, text] : value) {
            list.push_back(Json::array({key, text}));
        }
        return list;
    } else if constexpr (IsVector<T>::value) {
        Json list = Json::array();
        for (const auto& item : value) {
            list.push_back(write(item));
        }
        return list;
    } else {
        Json object = Json::object();
        fields(value, [&object](std::string_view name, const auto& member) {
            using Member = std::remove_cvref_t<decltype(member)>;
            if constexpr (IsOptional<Member>::value) {
                if (member) {
                    object[std::string(name)] = write(*member);
                }
            } else {
                object[std::string(name)] = write(member);
            }
        });
        return object;
    }
}

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// --- reading ---

// Remembers the first thing that is wrong. A member that is missing keeps its default.
class Reader {
public:
    template <typename T>
    void read(const Json& json, T& value, const std::string& where) {
        if constexpr (IsOptional<T>::value) {
            read(json, value.emplace(), where);
        } else if constexpr (std::is_same_v<T, config::AddressFamily>) {
            const std::string word = text(json, where);
            check(word == "ipv4" || word == "ipv6", where, "is neither ipv4 nor ipv6");
            value = word == "ipv6" ? config::AddressFamily::Ipv6 : config::AddressFamily::Ipv4;
        } else if constexpr (std::is_enum_v<T>) {
            const auto all = config::words<T>();
            const auto found = std::find(all.begin(), all.end(), text(json, where));
            check(found != all.end(), where, "is not one of the words allowed");
            value = found == all.end() ? value : static_cast<T>(found - all.begin());
        } else if constexpr (IsDuration<T>::value) {
            typename T::rep count = value.count();
            read(json, count, where);
            value = T(count);
        } else if constexpr (std::is_same_v<T, bool>) {
            check(json.is_boolean(), where, "is not true or false");
            value = json.is_boolean() ? json.template get<bool>() : value;
        } else if constexpr (std::is_integral_v<T>) {
            read_integer(json, value, where);
        } else if constexpr (std::is_same_v<T, std::string>) {
            value = text(json, where);
        } else {
            read_compound(json, value, where);
        }
    }

    // Members that `value` does not have are refused if `strict`: an option must not be lost.
    template <typename T>
    void read_object(const Json& json, T& value, const std::string& where, bool strict) {
        if (!check(json.is_object(), where, "is not an object")) {
            return;
        }
        std::set<std::string, std::less<>> known;
        fields(value, [&](std::string_view name, auto& member) {
            const auto found = json.find(std::string(name));
            if (found != json.end()) {
                read(*found, member, where + "." + std::string(name));
            }
            known.emplace(name);
        });
        for (const auto& item : json.items()) {
            check(!strict || known.contains(item.key()), where + "." + item.key(), "is unknown");
        }
    }

    bool check(bool good, const std::string& where, const std::string& what) {
        if (!good && problem_.empty()) {
            problem_ = where + " " + what;
        }
        return good;
    }

    const std::string& problem() const { return problem_; }

private:
    std::string text(const Json& json, const std::string& where) {
        const bool good = check(json.is_string(), where, "is not a string");
        return good ? json.get<std::string>() : std::string();
    }

    template <typename T>
    void read_integer(const Json& json, T& value, const std::string& where) {
        using Limits = std::numeric_limits<T>;
        bool fits = false;
        if (json.is_number_unsigned()) {
            const auto number = json.template get<std::uint64_t>();
            fits = number <= static_cast<std::uint64_t>(Limits::max());
            value = fits ? static_cast<T>(number) : value;
        } else if (json.is_number_integer() && std::is_signed_v<T>) {
            const auto number = json.template get<std::int64_t>();
            fits = number >= static_cast<std::int64_t>(Limits::min());
            value = fits ? static_cast<T>(number) : value;
        }
        check(fits, where, "is not a number in its range");
    }

    template <typename T>
    void read_compound(const Json& json, T& value, const std::string& where) {
        if constexpr (std::is_same_v<T, StringMap>) {
            if (check(json.is_object(), where, "is not an object")) {
                for (const auto& item : json.items()) {
                    value[item.key()] = text(item.value(), where + "." + item.key());
                }
            }
        } else if constexpr (std::is_same_v<T, Event::Fields>) {
            if (check(json.is_array(), where, "is not a list")) {
                for (const Json& pair : json) {
                    if (check(pair.is_array() && pair.size() == 2, where, "is no list of pairs")) {
                        value.emplace_back(text(pair[0], where), text(pair[1], where));
                    }
                }
            }
        } else if constexpr (IsVector<T>::value) {
            if (check(json.is_array(), where, "is not a list")) {
                for (const Json& item : json) {
                    read(item, value.emplace_back(), where);
                }
            }
        } else {
            constexpr bool kStrict = std::is_same_v<T, config::NetSettings> ||
                                     std::is_same_v<T, config::DiskSettings> ||
                                     std::is_same_v<T, config::StartupSettings>;
            read_object(json, value, where, kStrict);
        }
    }

    std::string problem_;
};

base::Error invalid(const std::string& text) {
    return {base::ErrorCode::Invalid, text};
}

template <typename T>
base::Result<T> read_value(const Json& json, const std::string& what) {
    Reader reader;
    T value;
    reader.read(json, value, what);
    if (!reader.problem().empty()) {
        return invalid(reader.problem());
    }
    return value;
}

base::Result<Json> parse_object(std::string_view line) {
    if (line.size() > kMaxLineBytes) {
        return invalid("a line has more than 1 MiB");
    }
    Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) {
        return invalid("a line is not a JSON object");
    }
    return json;
}

// Numbers of options are in the ranges that the configuration file has.
class RangeCheck {
public:
    RangeCheck(Reader& reader, config::Section section) : reader_(reader), section_(section) {}

    template <typename T>
    void operator()(std::string_view name, const T& value) {
        const config::OptionSpec* spec = config::find_option(section_, name);
        if constexpr (IsOptional<T>::value) {
            if (value) {
                (*this)(name, *value);
            }
        } else if constexpr (IsDuration<T>::value) {
            check(spec, name, value.count() >= 0, static_cast<std::uint64_t>(value.count()));
        } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            check(spec, name, true, value);
        }
    }

private:
    void check(const config::OptionSpec* spec,
               std::string_view name,
               bool good,
               std::uint64_t number) {
        reader_.check(good && spec != nullptr && number >= spec->min && number <= spec->max,
                      std::string(name),
                      "is out of its range");
    }

    Reader& reader_;
    config::Section section_;
};

}  // namespace

std::string_view to_string(Command command) {
    return kCommands[static_cast<std::size_t>(command)];
}

std::string to_line(const Request& request) {
    Json json = {{"id", request.id}, {"command", to_string(request.command)}};
    if (!request.resource.empty()) {
        json["resource"] = request.resource;
    }
    if (request.volume) {
        json["volume"] = *request.volume;
    }
    Json options = Json::object();
    const auto flag = [&](const char* name, bool value) {
        if (value) {
            options[name] = true;
        }
    };
    flag("force", request.force);
    flag("discard-my-data", request.discard_my_data);
    flag("now", request.now);
    if (request.settings) {
        options["settings"] = to_json(*request.settings);
    }
    if (!options.empty()) {
        json["options"] = std::move(options);
    }
    return line_of(json);
}

std::string to_line(const Reply& reply) {
    Json json = {{"id", reply.id}, {"code", reply.code}, {"text", reply.text}};
    if (!reply.data.empty()) {
        json["data"] = reply.data;
    }
    return line_of(json);
}

std::string event_line(std::uint64_t request_id, const Event& event) {
    return line_of({{"id", request_id}, {"event", write(event)}});
}

base::Result<Request> parse_request(std::string_view line) {
    const base::Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    Request request;
    Reader reader;
    std::string command;
    Json options = Json::object();
    for (const auto& item : json->items()) {
        if (item.key() == "id") {
            reader.read(item.value(), request.id, "id");
        } else if (item.key() == "command") {
            reader.read(item.value(), command, "command");
        } else if (item.key() == "resource") {
            reader.read(item.value(), request.resource, "resource");
        } else if (item.key() == "volume") {
            reader.read(item.value(), request.volume, "volume");
        } else if (item.key() == "options") {
            options = item.value();
        } else {
            reader.check(false, item.key(), "is unknown");
        }
    }
    if (!reader.check(options.is_object(), "options", "is not an object")) {
        options = Json::object();
    }
    const auto found = std::find(kCommands.begin(), kCommands.end(), command);
    reader.check(found != kCommands.end(), "command '" + command + "'", "is unknown");
    for (const auto& item : options.items()) {
        if (item.key() == "force") {
            reader.read(item.value(), request.force, "force");
        } else if (item.key() == "discard-my-data") {
            reader.read(item.value(), request.discard_my_data, "discard-my-data");
        } else if (item.key() == "now") {
            reader.read(item.value(), request.now, "now");
        } else if (item.key() == "settings") {
            base::Result<config::ResourceSettings> settings = settings_from_json(item.value());
            if (!settings) {
                return settings.error();
            }
            request.settings = std::move(*settings);
        } else {
            reader.check(false, "option '" + item.key() + "'", "is unknown");
        }
    }
    if (!reader.problem().empty()) {
        return invalid(reader.problem());
    }
    request.command = static_cast<Command>(found - kCommands.begin());
    return request;
}

base::Result<Reply> parse_reply(std::string_view line) {
    base::Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    Reply reply;
    Reader reader;
    reader.check(json->contains("id") && json->contains("code"), "a reply", "has no id or no code");
    for (auto& item : json->items()) {
        if (item.key() == "id") {
            reader.read(item.value(), reply.id, "id");
        } else if (item.key() == "code") {
            reader.read(item.value(), reply.code, "code");
        } else if (item.key() == "text") {
            reader.read(item.value(), reply.text, "text");
        } else if (item.key() == "data") {
            reply.data = std::move(item.value());
        }
    }
    if (!reader.problem().empty()) {
        return invalid(reader.problem());
    }
    return reply;
}

base::Result<EventMessage> parse_event(std::string_view line) {
    const base::Result<Json> json = parse_object(line);
    if (!json) {
        return json.error();
    }
    if (!json->contains("id") || !json->contains("event")) {
        return invalid("a line of the event stream is no event");
    }
    EventMessage message;
    Reader reader;
    reader.read((*json)["id"], message.id, "id");
    reader.read((*json)["event"], message.event, "event");
    if (!reader.problem().empty()) {
        return invalid(reader.problem());
    }
    return message;
}

std::uint64_t id_of(std::string_view line) {
    const base::Result<Json> json = parse_object(line);
    std::uint64_t id = 0;
    if (json && json->contains("id")) {
        Reader().read((*json)["id"], id, "id");
    }
    return id;
}

Json to_json(const config::ResourceSettings& settings) {
    return write(settings);
}

Json to_json(const Snapshot& snapshot) {
    return write(snapshot);
}

Json to_json(const Version& version) {
    return write(version);
}

Json to_json(const std::vector<Failure>& failures) {
    return {{"failures", write(failures)}};
}

base::Result<config::ResourceSettings> settings_from_json(const Json& json) {
    Reader reader;
    config::ResourceSettings settings;
    reader.read(json, settings, "settings");
    reader.check(!settings.name.empty(), "settings.name", "is missing");
    reader.check(!settings.volumes.empty(), "settings.volumes", "is missing");
    const bool ascending =
        std::adjacent_find(
            settings.volumes.begin(), settings.volumes.end(), [](const auto& a, const auto& b) {
                return a.number >= b.number;
            }) == settings.volumes.end();
    reader.check(ascending, "settings.volumes", "is not in ascending order");
    config::for_each_net_option(settings.net, RangeCheck(reader, config::Section::Net));
    for (const config::VolumeSettings& volume : settings.volumes) {
        config::for_each_disk_option(volume.options, RangeCheck(reader, config::Section::Disk));
    }
    if (!reader.problem().empty()) {
        return invalid(reader.problem());
    }
    return settings;
}

base::Result<Snapshot> snapshot_from_json(const Json& json) {
    return read_value<Snapshot>(json, "status");
}

base::Result<Version> version_from_json(const Json& json) {
    return read_value<Version>(json, "version");
}

base::Result<std::vector<Failure>> failures_from_json(const Json& json) {
    if (!json.is_object() || !json.contains("failures")) {
        return std::vector<Failure>{};
    }
    return read_value<std::vector<Failure>>(json.at("failures"), "failures");
}

}  // namespace control
