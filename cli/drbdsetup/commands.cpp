#include "cli/drbdsetup/commands.h"

#include "cli/common/outcome.h"
#include "cli/common/sh_status.h"
#include "cli/common/status_text.h"
#include "cli/common/wait.h"
#include "cli/drbdsetup/configure.h"
#include "cli/drbdsetup/events.h"
#include "cli/drbdsetup/lookup.h"
#include "cli/drbdsetup/show.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

namespace drbdsetup {

namespace {

using base::ErrorCode;
using base::Result;
using control::Command;

template <typename Text>
int print_device(const Arguments& arguments, cli::Client& client, Text&& text) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (found) {
        std::printf("%s\n", text(*found).c_str());
    }
    return exit;
}

bool is_named(const control::Snapshot& status, const std::string& resource) {
    return !status.resources.empty() && status.resources.front().name == resource;
}

// By its minor as in 8.4, or by the name of the resource as in 9.
std::optional<control::ResourceStatus> find_resource(cli::Client& client,
                                                     const std::string& operand,
                                                     int& exit) {
    const Result<control::Snapshot> status = cli::fetch_status(client, operand);
    if (status && is_named(*status, operand)) {
        return status->resources.front();
    }
    std::optional<Device> found = find_device(client, operand, exit);
    return found ? std::optional(std::move(found->resource)) : std::nullopt;
}

int role(const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    const auto resource = find_resource(client, arguments.operands[0], exit);
    if (resource) {
        std::printf("%s\n", cli::role_text(*resource).c_str());
    }
    return exit;
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

control::Request about(const Device& device, Command command) {
    control::Request request;
    request.command = command;
    request.resource = device.resource.name;
    request.volume = device.device.volume;
    return request;
}

int change_device(Command command, const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (!found) {
        return exit;
    }
    control::Request request = about(*found, command);
    request.force = arguments.force;
    request.clear_bitmap = arguments.clear_bitmap;
    request.start = arguments.start;
    request.stop = arguments.stop;
    request.repair = arguments.repair;
    return execute(client, std::move(request), std::to_string(found->device.minor));
}

// "primary 0", or "primary r0" for all volumes.
int change_role(Command command, const Arguments& arguments, cli::Client& client) {
    const std::string& operand = arguments.operands[0];
    const Result<control::Snapshot> status = cli::fetch_status(client, operand);
    if (!status || !is_named(*status, operand)) {
        return change_device(command, arguments, client);
    }
    control::Request request;
    request.command = command;
    request.resource = operand;
    request.force = arguments.force;
    return execute(client, std::move(request), operand);
}

int primary(const Arguments& arguments, cli::Client& client) {
    return change_role(Command::Primary, arguments, client);
}

int secondary(const Arguments& arguments, cli::Client& client) {
    return change_role(Command::Secondary, arguments, client);
}

int detach(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Detach, arguments, client);
}

int invalidate(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Invalidate, arguments, client);
}

int invalidate_remote(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::InvalidateRemote, arguments, client);
}

int new_current_uuid(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::NewCurrentUuid, arguments, client);
}

int verify(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::Verify, arguments, client);
}

int pause_sync(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::PauseSync, arguments, client);
}

int resume_sync(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::ResumeSync, arguments, client);
}

int resize(const Arguments& arguments, cli::Client& client) {
    const auto size = config::parse_number(arguments.size.value_or("0"), 's');
    if (size.problem != config::Number::Problem::None) {
        std::fprintf(stderr,
                     "resize: '%s' is no size: a number of sectors, or one with a unit (10G)\n",
                     arguments.size->c_str());
        return cli::kExitUsage;
    }
    int exit = 0;
    const std::optional<Device> found = find_device(client, arguments.operands[0], exit);
    if (!found) {
        return exit;
    }
    control::Request request = about(*found, Command::Resize);
    request.size_sectors = size.value;
    request.assume_peer_has_space = arguments.assume_peer_has_space;
    request.assume_clean = arguments.assume_clean;
    return execute(client, std::move(request), std::to_string(found->device.minor));
}

// Of an attached disk the daemon itself keeps the place of its metadata.
int check_resize(const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    return find_device(client, arguments.operands[0], exit) ? 0 : exit;
}

int suspend_io(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::SuspendIo, arguments, client);
}

int resume_io(const Arguments& arguments, cli::Client& client) {
    return change_device(Command::ResumeIo, arguments, client);
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

// RES, RES NODE-ID, or LOCAL PEER
int disconnect(const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    std::optional<std::string> name = arguments.operands[0];
    std::string object = *name;
    if (parse_address(*name) && arguments.operands.size() == 2) {
        name = find_resource_of_addresses(client, *name, arguments.operands[1], exit);
        object = "??";
    }
    if (!name) {
        return exit;
    }
    control::Request request;
    request.command = Command::Disconnect;
    request.resource = *name;
    request.force = arguments.force;
    return execute(client, std::move(request), object);
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
    const cli::StatusStyle style{
        arguments.verbose, arguments.statistics, cli::wants_color(arguments.color).value_or(false)};
    const std::string text =
        arguments.json ? cli::status_json(*snapshot) : cli::status_text(*snapshot, style);
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

int wait_for_volume(const Arguments& arguments, cli::Client& client, cli::WaitFor what) {
    const Result<control::Snapshot> snapshot = cli::fetch_status(client, arguments.operands[0]);
    if (!snapshot) {
        return fail_to_ask(snapshot.error());
    }
    for (const control::ResourceStatus& resource : snapshot->resources) {
        for (const control::DeviceStatus& device : resource.devices) {
            if (std::to_string(device.volume) == arguments.operands[2]) {
                return cli::wait_for(client, resource, device.volume, what, arguments.timeouts);
            }
        }
    }
    return fail(10, arguments.operands[0] + ": No such peer device");
}

int wait_connect_volume(const Arguments& arguments, cli::Client& client) {
    return wait_for_volume(arguments, client, cli::WaitFor::Connect);
}

int wait_sync_volume(const Arguments& arguments, cli::Client& client) {
    return wait_for_volume(arguments, client, cli::WaitFor::Sync);
}

int wait_sync_resource(const Arguments& arguments, cli::Client& client) {
    return wait_for_resource(arguments, client, cli::WaitFor::Sync);
}

constexpr config::Section kNet = config::Section::Net;
constexpr config::Section kDisk = config::Section::Disk;
constexpr config::Section kResource = config::Section::Options;

// A resource has one peer here: what 9 says behind its name to tell which is taken and not needed.
constexpr CommandSpec kCommands[] = {
    {"status", "vsjc", "[RES|all]", status},
    {"events2", "snTFDP", "[RES|all]", events2},
    {"show", "X", "[RES|all]", show},
    {"sh-status", "", "[RES|MINOR]", sh_status},
    {"role", "", "MINOR|RES", role},
    {"state", "", "MINOR|RES", role},
    {"cstate", "", "MINOR", cstate},
    {"dstate", "", "MINOR", dstate},
    {"get-gi", "", "MINOR", get_gi},
    {"show-gi", "", "MINOR", show_gi},
    {"wait-connect", "tdow", "MINOR", wait_connect},
    {"wait-sync", "tdow", "MINOR", wait_sync},
    {"wait-connect-resource", "tdow", "RES", wait_connect_resource},
    {"wait-sync-resource", "tdow", "RES", wait_sync_resource},
    {"wait-connect-connection", "tdow", "RES NODE-ID", wait_connect_resource},
    {"wait-sync-connection", "tdow", "RES NODE-ID", wait_sync_resource},
    {"wait-connect-volume", "tdow", "RES NODE-ID VOLUME", wait_connect_volume},
    {"wait-sync-volume", "tdow", "RES NODE-ID VOLUME", wait_sync_volume},
    {"new-resource", "", "RES", new_resource, kResource, 1},
    {"new-minor", "", "RES MINOR VOLUME", new_minor},
    {"attach", "", "MINOR LOWER META INDEX", attach, kDisk},
    {"connect", "Y", "RES", connect, kNet, 2},
    {"disk-options", "S", "MINOR", disk_options, kDisk},
    {"net-options", "S", "LOCAL PEER", net_options, kNet},
    {"resource-options", "S", "RES", resource_options, kResource},
    {"primary", "f", "MINOR|RES", primary},
    {"secondary", "", "MINOR|RES", secondary},
    {"detach", "f", "MINOR", detach},
    {"invalidate", "", "MINOR", invalidate},
    {"invalidate-remote", "", "MINOR", invalidate_remote},
    {"new-current-uuid", "C", "MINOR", new_current_uuid},
    {"verify", "UBE", "MINOR", verify},
    {"pause-sync", "", "MINOR", pause_sync},
    {"resume-sync", "", "MINOR", resume_sync},
    {"resize", "zHA", "MINOR", resize},
    {"check-resize", "", "MINOR", check_resize},
    {"suspend-io", "", "MINOR", suspend_io},
    {"resume-io", "", "MINOR", resume_io},
    {"outdate", "", "MINOR", outdate},
    {"peer-suspect", "", "RESOURCE", peer_suspect},
    {"peer-dead", "", "RESOURCE", peer_dead},
    {"disconnect", "f", "RES", disconnect, std::nullopt, 1},
    {"down", "", "RES|all", down},
    {"del-minor", "", "MINOR", del_minor},
    {"del-resource", "", "RES", del_resource},
};

struct Refusal {
    std::string_view command;
    std::string_view why;
};

constexpr std::string_view kOnePeer =
    "a resource has one peer: 'drbdsetup connect RES LOCAL PEER' has its address and options";

// Of the original's, 8.4 and 9.
constexpr Refusal kRefusals[] = {
    {"events", "its successor events2 tells more"},
    {"peer-device-options", "they are options of disk-options here"},
    {"new-peer", kOnePeer},
    {"del-peer", kOnePeer},
    {"new-path", kOnePeer},
    {"del-path", kOnePeer},
    {"forget-peer", kOnePeer},
    {"rename-resource", "take it down, and up under its new name"},
};

}  // namespace

std::string_view why_refused(std::string_view name) {
    const auto found =
        std::find_if(std::begin(kRefusals), std::end(kRefusals), [&](const Refusal& refusal) {
            return refusal.command == name;
        });
    return found == std::end(kRefusals) ? std::string_view() : found->why;
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
