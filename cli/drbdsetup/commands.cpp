#include "cli/drbdsetup/commands.h"

#include "cli/common/outcome.h"
#include "cli/common/sh_status.h"
#include "cli/common/status_text.h"
#include "cli/common/wait.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <utility>

namespace drbdsetup {

namespace {

using base::ErrorCode;
using base::Result;
using control::Command;

int fail(int exit, const std::string& text) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", text.c_str());
    return exit;
}

int fail_to_ask(const base::Error& error) {
    return fail(cli::kExitUsage, error.text);
}

// "all" and nothing mean every resource.
std::string resource_operand(const Arguments& arguments) {
    const bool all = arguments.operands.empty() || arguments.operands[0] == "all";
    return all ? "" : arguments.operands[0];
}

// --- A minor: its resource and volume ---

struct Device {
    control::ResourceStatus resource;
    control::DeviceStatus device;
};

bool means(const control::DeviceStatus& device, const std::string& operand) {
    return operand == std::to_string(device.minor) ||
           operand == "/dev/drbd" + std::to_string(device.minor) || operand == device.device;
}

std::string minor_in(const std::string& operand) {
    const std::string prefix = "/dev/drbd";
    const std::string number =
        operand.starts_with(prefix) ? operand.substr(prefix.size()) : operand;
    const bool good = !number.empty() && number.size() <= 7 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
    return good ? number : "";
}

// Nothing after saying why there is no such minor, with `exit` set.
std::optional<Device> find_device(cli::Client& client, const std::string& operand, int& exit) {
    const Result<control::Snapshot> status = cli::fetch_status(client, "");
    if (!status) {
        exit = fail_to_ask(status.error());
        return std::nullopt;
    }
    for (const control::ResourceStatus& resource : status->resources) {
        for (const control::DeviceStatus& device : resource.devices) {
            if (means(device, operand)) {
                return Device{resource, device};
            }
        }
    }
    const std::string minor = minor_in(operand);
    exit = minor.empty()
               ? fail(cli::kExitUsage,
                      "Cannot determine minor device number of device '" + operand + "'")
               : fail(10, cli::failure_text(minor, control::err::kMinorInvalid, "unknown minor"));
    return std::nullopt;
}

template <typename Text>
int print_device(const Arguments& arguments, cli::Client& client, Text&& text) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (found) {
        std::printf("%s\n", text(*found).c_str());
    }
    return exit;
}

int role(const Arguments& arguments, cli::Client& client) {
    return print_device(
        arguments, client, [](const Device& d) { return cli::role_text(d.resource); });
}

int cstate(const Arguments& arguments, cli::Client& client) {
    return print_device(arguments, client, [](const Device& d) {
        return cli::cstate_text(d.resource, d.device.volume);
    });
}

int dstate(const Arguments& arguments, cli::Client& client) {
    return print_device(
        arguments, client, [](const Device& d) { return cli::dstate_text(d.resource, d.device); });
}

template <typename Text>
int print_generations(const Arguments& arguments, cli::Client& client, Text&& text) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (!found) {
        return exit;
    }
    if (found->device.generations.empty()) {
        return fail(1, "Device has no disk");
    }
    std::fputs(text(found->device).c_str(), stdout);
    return 0;
}

int get_gi(const Arguments& arguments, cli::Client& client) {
    return print_generations(arguments, client, [](const control::DeviceStatus& device) {
        return device.generations + "\n";
    });
}

int show_gi(const Arguments& arguments, cli::Client& client) {
    return print_generations(arguments, client, cli::show_gi_text);
}

// --- Changing something ---

int execute(cli::Client& client, control::Request request, const std::string& object) {
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    const int exit = cli::exit_code(reply->code);
    return exit == 0 ? 0 : fail(exit, cli::failure_text(object, reply->code, reply->text));
}

int change_device(Command command, const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (!found) {
        return exit;
    }
    control::Request request;
    request.command = command;
    request.resource = found->resource.name;
    request.volume = found->device.volume;
    request.force = arguments.force;
    return execute(client, std::move(request), std::to_string(found->device.minor));
}

int primary(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Primary, arguments, client);
}

int secondary(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Secondary, arguments, client);
}

int detach(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Detach, arguments, client);
}

int invalidate(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Invalidate, arguments, client);
}

int outdate(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Outdate, arguments, client);
}

int change_resource(Command command, const Arguments& arguments, cli::Client& client) {
    control::Request request;
    request.command = command;
    request.resource = arguments.operands[0];
    return execute(client, std::move(request), arguments.operands[0]);
}

int peer_suspect(const Arguments& arguments, cli::Client& client) {
    return change_resource(Command::PeerSuspect, arguments, client);
}

int peer_dead(const Arguments& arguments, cli::Client& client) {
    return change_resource(Command::PeerDead, arguments, client);
}

// Shutdown scripts call it for whatever there may be: what is not there is down.
int down(const Arguments& arguments, cli::Client& client) {
    const std::string wanted = resource_operand(arguments);
    const Result<control::Snapshot> status = cli::fetch_status(client, wanted);
    if (!status) {
        return status.error().code == ErrorCode::NotFound ? 0 : fail_to_ask(status.error());
    }
    if (status->resources.empty() && !wanted.empty()) {
        return fail(0, "Resource unknown");
    }
    int worst = 0;
    for (const control::ResourceStatus& resource : status->resources) {
        control::Request request;
        request.command = Command::Down;
        request.resource = resource.name;
        worst = std::max(worst, execute(client, std::move(request), resource.name));
    }
    return worst;
}

int disconnect(const Arguments& arguments, cli::Client& client) {
    control::Request request;
    request.command = Command::Disconnect;
    request.resource = arguments.operands[0];
    request.force = arguments.force;
    return execute(client, std::move(request), arguments.operands[0]);
}

// --- Looking ---

int status(const Arguments& arguments, cli::Client& client) {
    const std::string wanted = resource_operand(arguments);
    const Result<control::Snapshot> snapshot = cli::fetch_status(client, wanted);
    if (!snapshot) {
        return fail_to_ask(snapshot.error());
    }
    if (snapshot->resources.empty() && !wanted.empty()) {
        return fail(10, wanted + ": No such resource");
    }
    const std::string text =
        arguments.json ? cli::status_json(*snapshot)
                       : cli::status_text(*snapshot, {arguments.verbose, arguments.statistics});
    std::fputs(text.c_str(), stdout);
    return 0;
}

// For resource agents: all volumes of a resource, or a single one.
int sh_status(const Arguments& arguments, cli::Client& client) {
    const std::string wanted = resource_operand(arguments);
    const Result<control::Snapshot> snapshot = cli::fetch_status(client, "");
    if (!snapshot) {
        return fail_to_ask(snapshot.error());
    }
    std::string text;
    for (const control::ResourceStatus& resource : snapshot->resources) {
        for (const control::DeviceStatus& device : resource.devices) {
            if (wanted.empty() || resource.name == wanted || means(device, wanted)) {
                text += cli::sh_status_block(resource, device);
            }
        }
    }
    if (text.empty() && !wanted.empty()) {
        return fail(10, wanted + ": No such resource");
    }
    std::fputs(text.c_str(), stdout);
    return 0;
}

// "2026-11-20T15:41:35.917612+00:00 "
std::string timestamp() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm local{};
    ::localtime_r(&now.tv_sec, &local);
    char date[64];
    char zone[16];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
    std::strftime(zone, sizeof zone, "%z", &local);
    char text[128];
    std::snprintf(text,
                  sizeof text,
                  "%s.%06ld%.3s:%s ",
                  date,
                  now.tv_nsec / 1000,
                  zone,
                  zone + std::min<std::size_t>(3, std::string_view(zone).size()));
    return text;
}

int events2(const Arguments& arguments, cli::Client& client) {
    control::Request request;
    request.command = Command::Events2;
    request.resource = resource_operand(arguments);
    request.now = arguments.now;
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    if (reply->code != 0) {
        return fail(cli::exit_code(reply->code), reply->text);
    }
    while (true) {
        const Result<std::optional<control::Event>> event = client.next_event(std::nullopt);
        if (!event) {
            return fail_to_ask(event.error());
        }
        const std::string text = cli::event_text(**event, arguments.statistics);
        if (!text.empty()) {
            const std::string line = (arguments.timestamps ? timestamp() : "") + text;
            if (std::printf("%s\n", line.c_str()) < 0 || std::fflush(stdout) != 0) {
                return cli::kExitUsage;  // nobody reads us any more
            }
        }
        if (arguments.now && (*event)->object == "-") {
            return 0;
        }
    }
}

int wait_for_device(const Arguments& arguments, cli::Client& client, cli::WaitFor what) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    return found ? cli::wait_for(
                       client, found->resource, found->device.volume, what, arguments.timeouts)
                 : exit;
}

int wait_for_resource(const Arguments& arguments, cli::Client& client, cli::WaitFor what) {
    const Result<control::Snapshot> snapshot = cli::fetch_status(client, arguments.operands[0]);
    if (!snapshot) {
        return fail_to_ask(snapshot.error());
    }
    if (snapshot->resources.empty()) {
        return fail(10, arguments.operands[0] + ": No such resource");
    }
    return cli::wait_for(
        client, snapshot->resources.front(), std::nullopt, what, arguments.timeouts);
}

int wait_connect(const Arguments& arguments, cli::Client& client) {
    return wait_for_device(arguments, client, cli::WaitFor::Connect);
}

int wait_sync(const Arguments& arguments, cli::Client& client) {
    return wait_for_device(arguments, client, cli::WaitFor::Sync);
}

int wait_connect_resource(const Arguments& arguments, cli::Client& client) {
    return wait_for_resource(arguments, client, cli::WaitFor::Connect);
}

int wait_sync_resource(const Arguments& arguments, cli::Client& client) {
    return wait_for_resource(arguments, client, cli::WaitFor::Sync);
}

constexpr CommandSpec kCommands[] = {
    {"status", "vsj", "[RES|all]", status},
    {"events2", "snT", "[RES|all]", events2},
    {"sh-status", "", "[RES|MINOR]", sh_status},
    {"role", "", "MINOR", role},
    {"state", "", "MINOR", role},
    {"cstate", "", "MINOR", cstate},
    {"dstate", "", "MINOR", dstate},
    {"get-gi", "", "MINOR", get_gi},
    {"show-gi", "", "MINOR", show_gi},
    {"wait-connect", "tdow", "MINOR", wait_connect},
    {"wait-sync", "tdow", "MINOR", wait_sync},
    {"wait-connect-resource", "tdow", "RES", wait_connect_resource},
    {"wait-sync-resource", "tdow", "RES", wait_sync_resource},
    {"primary", "f", "MINOR", primary},
    {"secondary", "", "MINOR", secondary},
    {"detach", "f", "MINOR", detach},
    {"invalidate", "", "MINOR", invalidate},
    {"outdate", "", "MINOR", outdate},
    {"peer-suspect", "", "RESOURCE", peer_suspect},
    {"peer-dead", "", "RESOURCE", peer_dead},
    {"disconnect", "f", "RES", disconnect},
    {"down", "", "RES|all", down},
};

// Of the original's, 8.4 and 9.
constexpr std::string_view kUnsupported[] = {
    "attach",
    "disk-options",
    "connect",
    "net-options",
    "resize",
    "resource-options",
    "peer-device-options",
    "new-current-uuid",
    "invalidate-remote",
    "pause-sync",
    "resume-sync",
    "suspend-io",
    "resume-io",
    "verify",
    "show",
    "check-resize",
    "events",
    "new-resource",
    "new-minor",
    "del-minor",
    "del-resource",
    "new-peer",
    "del-peer",
    "new-path",
    "del-path",
    "forget-peer",
    "rename-resource",
    "wait-connect-volume",
    "wait-connect-connection",
    "wait-sync-volume",
    "wait-sync-connection",
};

}  // namespace

bool is_unsupported_command(std::string_view name) {
    return std::find(std::begin(kUnsupported), std::end(kUnsupported), name) !=
           std::end(kUnsupported);
}

const CommandSpec* find_command(std::string_view name) {
    const auto found = std::find_if(std::begin(kCommands),
                                    std::end(kCommands),
                                    [&](const CommandSpec& spec) { return spec.name == name; });
    return found == std::end(kCommands) ? nullptr : found;
}

std::vector<CommandSpec> all_commands() {
    return {std::begin(kCommands), std::end(kCommands)};
}

}  // namespace drbdsetup
