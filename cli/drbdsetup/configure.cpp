#include "cli/drbdsetup/configure.h"

#include "cli/common/environment.h"
#include "cli/common/outcome.h"
#include "cli/drbdsetup/lookup.h"
#include "config/drbd_conf.h"
#include "config/options.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace drbdsetup {

namespace {

using control::Command;

// The options of the command line are checked as those of a file are. False after saying what is
// wrong.
bool are_good(const Arguments& arguments, config::Section section) {
    for (const config::Option& option : arguments.options) {
        const config::OptionSpec* spec = config::find_option(section, option.name);
        std::string problem = config::check_value(*spec, option.value);
        problem = problem.empty() ? config::check_support(*spec, section, option.value) : problem;
        if (!problem.empty()) {
            fail(cli::kExitUsage, problem);
            return false;
        }
        if (const std::string note = config::check_effect(*spec, section, option.value);
            !note.empty()) {
            fail(0, note);
        }
    }
    return true;
}

int send(cli::Client& client,
         Command command,
         config::ResourceSettings settings,
         const std::string& object,
         std::optional<std::uint16_t> volume = std::nullopt,
         bool discard_my_data = false) {
    control::Request request;
    request.command = command;
    request.resource = settings.name;
    request.volume = volume;
    request.discard_my_data = discard_my_data;
    request.settings = std::move(settings);
    return execute(client, std::move(request), object);
}

bool take_number(const std::string& text, std::uint32_t max, std::uint32_t& number) {
    const config::Number parsed = config::parse_number(text, ' ');
    number = static_cast<std::uint32_t>(parsed.value);
    return parsed.problem == config::Number::Problem::None && parsed.value <= max;
}

config::VolumeSettings* find_volume(config::ResourceSettings& settings, std::uint16_t number) {
    const auto found = std::find_if(settings.volumes.begin(),
                                    settings.volumes.end(),
                                    [&](const auto& volume) { return volume.number == number; });
    return found == settings.volumes.end() ? nullptr : &*found;
}

// Of the device's resource; nothing after saying why not.
std::optional<config::ResourceSettings> settings_of(cli::Client& client,
                                                    const std::string& operand,
                                                    std::optional<Device>& device,
                                                    int& exit) {
    device = find_device(client, operand, exit);
    return device ? find_settings(client, device->resource.name, exit) : std::nullopt;
}

}  // namespace

int new_resource(const Arguments& arguments, cli::Client& client) {
    const std::string& name = arguments.operands[0];
    if (!are_good(arguments, config::Section::Options)) {
        return cli::kExitUsage;
    }
    const base::Result<control::Snapshot> status = cli::fetch_status(client, name);
    if (!status) {
        return fail_to_ask(status.error());
    }
    if (!status->resources.empty() && status->resources.front().name == name) {
        return 0;
    }
    config::ResourceSettings settings;
    settings.name = name;
    settings.node = cli::host_name();
    settings.peer = "peer";
    config::apply_options(settings, arguments.options);
    return send(client, Command::NewResource, std::move(settings), name);
}

int new_minor(const Arguments& arguments, cli::Client& client) {
    config::VolumeSettings volume;
    std::uint32_t number = 0;
    if (!take_number(arguments.operands[1], (1u << 20) - 1, volume.minor) ||
        !take_number(arguments.operands[2], 65535, number)) {
        return fail(cli::kExitUsage, "a minor and the number of a volume are needed");
    }
    volume.number = static_cast<std::uint16_t>(number);
    volume.device = "/dev/drbd" + std::to_string(volume.minor);
    int exit = 0;
    auto settings = find_settings(client, arguments.operands[0], exit, "??");
    if (!settings) {
        return exit;
    }
    const std::string& minor = arguments.operands[1];
    for (const config::VolumeSettings& other : settings->volumes) {
        const bool same = other.number == volume.number && other.minor == volume.minor;
        if (same) {
            return 0;
        }
        if (other.number == volume.number || other.minor == volume.minor) {
            const int code = control::err::kMinorOrVolumeExists;
            return fail(cli::exit_code(code), cli::failure_text(minor, code, ""));
        }
    }
    settings->volumes.push_back(volume);
    std::sort(settings->volumes.begin(), settings->volumes.end(), [](const auto& a, const auto& b) {
        return a.number < b.number;
    });
    return send(client, Command::NewResource, std::move(*settings), minor);
}

// The device and the slot there; no device: internal. "flex-external" is drbdmeta's own word.
base::Result<std::pair<std::string, std::optional<std::uint32_t>>> metadata_of(
    const std::string& device, const std::string& index) {
    if (index == "internal" || index == "flex-internal") {
        return {std::pair{std::string(), std::optional<std::uint32_t>()}};
    }
    if (index == "flexible" || index == "flex-external") {
        return {std::pair{device, std::optional<std::uint32_t>()}};
    }
    const bool number = !index.empty() && index.size() <= 3 &&
                        index.find_first_not_of("0123456789") == std::string::npos;
    if (!number) {
        return base::Error{base::ErrorCode::Invalid,
                           "'" + index + "' is not internal, flexible or the number of a slot"};
    }
    return {std::pair{device, std::optional(static_cast<std::uint32_t>(std::stoul(index)))}};
}

// MINOR LOWER META INDEX
int attach(const Arguments& arguments, cli::Client& client) {
    if (!are_good(arguments, config::Section::Disk)) {
        return cli::kExitUsage;
    }
    const auto placed = metadata_of(arguments.operands[2], arguments.operands[3]);
    if (!placed) {
        return fail(cli::kExitUsage, "drbdsetup: " + placed.error().text);
    }
    if (placed->first.empty() && arguments.operands[1] != arguments.operands[2]) {
        const int code = control::err::kMdIndexInvalid;
        return fail(cli::exit_code(code), cli::failure_text(arguments.operands[0], code, ""));
    }
    int exit = 0;
    std::optional<Device> device;
    auto settings = settings_of(client, arguments.operands[0], device, exit);
    if (!settings) {
        return exit;
    }
    config::VolumeSettings* volume = find_volume(*settings, device->device.volume);
    if (volume == nullptr) {
        return fail(10, cli::failure_text(arguments.operands[0], control::err::kMinorInvalid, ""));
    }
    volume->disk = arguments.operands[1];
    std::tie(volume->meta_disk, volume->meta_index) = *placed;
    volume->options = {};
    config::apply_options(volume->options, arguments.options);
    return send(client,
                Command::Attach,
                std::move(*settings),
                std::to_string(device->device.minor),
                device->device.volume);
}

// RES LOCAL PEER, or RES NODE-ID for the addresses that it had.
int connect(const Arguments& arguments, cli::Client& client) {
    const std::string& name = arguments.operands[0];
    if (!are_good(arguments, config::Section::Net)) {
        return cli::kExitUsage;
    }
    int exit = 0;
    auto settings = find_settings(client, name, exit);
    if (!settings) {
        return exit;
    }
    if (arguments.operands.size() == 3) {
        const auto own = parse_address(arguments.operands[1]);
        const auto peer = parse_address(arguments.operands[2]);
        if (!own || !peer) {
            return fail(cli::kExitUsage,
                        "'" + arguments.operands[own ? 2 : 1] +
                            "' is no address of a family that "
                            "this version of drbdd has");
        }
        settings->address = *own;
        settings->peer_address = *peer;
        settings->net = {};
    }
    if (settings->peer_address.ip.empty()) {
        const int code = control::err::kInvalidRequest;
        return fail(cli::exit_code(code),
                    cli::failure_text(name, code, "the addresses are not known yet"));
    }
    config::apply_options(settings->net, arguments.options);
    return send(client,
                Command::Connect,
                std::move(*settings),
                name,
                std::nullopt,
                arguments.discard_my_data);
}

int disk_options(const Arguments& arguments, cli::Client& client) {
    if (!are_good(arguments, config::Section::Disk)) {
        return cli::kExitUsage;
    }
    int exit = 0;
    std::optional<Device> device;
    auto settings = settings_of(client, arguments.operands[0], device, exit);
    config::VolumeSettings* volume =
        settings ? find_volume(*settings, device->device.volume) : nullptr;
    if (volume == nullptr) {
        return exit;
    }
    if (arguments.set_defaults) {
        volume->options = {};
    }
    config::apply_options(volume->options, arguments.options);
    return send(client, Command::Options, std::move(*settings), arguments.operands[0]);
}

// LOCAL PEER, or RES NODE-ID
int net_options(const Arguments& arguments, cli::Client& client) {
    if (!are_good(arguments, config::Section::Net)) {
        return cli::kExitUsage;
    }
    int exit = 0;
    const bool by_addresses = parse_address(arguments.operands[0]).has_value();
    const std::optional<std::string> name =
        by_addresses
            ? find_resource_of_addresses(client, arguments.operands[0], arguments.operands[1], exit)
            : arguments.operands[0];
    auto settings = name ? find_settings(client, *name, exit) : std::nullopt;
    if (!settings) {
        return exit;
    }
    if (arguments.set_defaults) {
        settings->net = {};
    }
    config::apply_options(settings->net, arguments.options);
    return send(client, Command::Options, std::move(*settings), by_addresses ? "??" : *name);
}

int resource_options(const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    if (!are_good(arguments, config::Section::Options)) {
        return cli::kExitUsage;
    }
    auto settings = find_settings(client, arguments.operands[0], exit);
    if (!settings) {
        return exit;
    }
    if (arguments.set_defaults) {
        settings->cpu_mask.clear();
        settings->on_no_data = {};
    }
    config::apply_options(*settings, arguments.options);
    return send(client, Command::Options, std::move(*settings), arguments.operands[0]);
}

int del_minor(const Arguments& arguments, cli::Client& client) {
    int exit = 0;
    std::optional<Device> device;
    auto settings = settings_of(client, arguments.operands[0], device, exit);
    if (!settings) {
        return exit;
    }
    std::erase_if(settings->volumes,
                  [&](const auto& volume) { return volume.number == device->device.volume; });
    return send(client, Command::NewResource, std::move(*settings), arguments.operands[0]);
}

int del_resource(const Arguments& arguments, cli::Client& client) {
    const std::string& name = arguments.operands[0];
    int exit = 0;
    const auto settings = find_settings(client, name, exit);
    if (!settings) {
        return exit;
    }
    const auto status = cli::fetch_status(client, name);
    const bool connected = status && !status->resources.empty() &&
                           !status->resources.front().connections.empty() &&
                           status->resources.front().connections.front().cstate != "StandAlone";
    if (connected || !settings->volumes.empty()) {
        const int code = connected ? control::err::kNetConfigured : control::err::kResourceInUse;
        return fail(cli::exit_code(code), cli::failure_text(name, code, ""));
    }
    control::Request request;
    request.command = Command::Down;
    request.resource = name;
    return execute(client, std::move(request), name);
}

}  // namespace drbdsetup
