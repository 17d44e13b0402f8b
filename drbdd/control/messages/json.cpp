// Messages to JSON and back. What is read may be anything: every type and range is checked, nothing
// throws; ipc/fields.h does most of it.
#include "config/options.h"
#include "drbdd/control/messages.h"
#include "drbdd/control/messages/fields.h"

#include <algorithm>
#include <array>
#include <utility>

namespace control {

namespace {

// clang-format off
constexpr std::array<std::string_view, 27> kCommands = {
    "version",           "new-resource",     "up",         "attach",      "detach",
    "connect",           "disconnect",       "primary",    "secondary",   "invalidate",
    "invalidate-remote", "new-current-uuid", "resize",     "verify",      "pause-sync",
    "resume-sync",       "suspend-io",       "resume-io",  "outdate",     "peer-suspect",
    "peer-dead",         "options",          "show",       "down",        "status",
    "events2",           "quit"};
// clang-format on

using ipc::line_of;
using ipc::parse_object;
using ipc::Reader;
using ipc::write;

base::Error invalid(const std::string& text) {
    return {base::ErrorCode::Invalid, text};
}

template <typename T>
base::Result<T> read_value(const Json& json, const std::string& what) {
    Reader reader;
    T value;
    reader.read(json, value, what);
    return reader.done(std::move(value));
}

// Numbers of options are in the ranges that the configuration file has.
class RangeCheck {
public:
    RangeCheck(Reader& reader, config::Section section) : reader_(reader), section_(section) {}

    template <typename T>
    void operator()(std::string_view name, const T& value) {
        const config::OptionSpec* spec = config::find_option(section_, name);
        if constexpr (ipc::kIsOptional<T>) {
            if (value) {
                (*this)(name, *value);
            }
        } else if constexpr (ipc::kIsDuration<T>) {
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
    flag("clear-bitmap", request.clear_bitmap);
    flag("assume-peer-has-space", request.assume_peer_has_space);
    flag("assume-clean", request.assume_clean);
    flag("repair", request.repair);
    if (request.size_sectors != 0) {
        options["size"] = request.size_sectors;
    }
    flag("now", request.now);
    if (request.start) {
        options["start"] = *request.start;
    }
    if (request.stop) {
        options["stop"] = *request.stop;
    }
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
        } else if (item.key() == "clear-bitmap") {
            reader.read(item.value(), request.clear_bitmap, "clear-bitmap");
        } else if (item.key() == "assume-peer-has-space") {
            reader.read(item.value(), request.assume_peer_has_space, "assume-peer-has-space");
        } else if (item.key() == "assume-clean") {
            reader.read(item.value(), request.assume_clean, "assume-clean");
        } else if (item.key() == "repair") {
            reader.read(item.value(), request.repair, "repair");
        } else if (item.key() == "size") {
            reader.read(item.value(), request.size_sectors, "size");
        } else if (item.key() == "start") {
            reader.read(item.value(), request.start, "start");
        } else if (item.key() == "stop") {
            reader.read(item.value(), request.stop, "stop");
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
    if (found != kCommands.end()) {
        request.command = static_cast<Command>(found - kCommands.begin());
    }
    return reader.done(std::move(request));
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
    return reader.done(std::move(reply));
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
    return reader.done(std::move(message));
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
    return reader.done(std::move(settings));
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
