// The commands of actions.h that only ask.
#include "cli/common/outcome.h"
#include "cli/common/sh_status.h"
#include "cli/common/status_text.h"
#include "cli/common/wait.h"
#include "cli/drbdadm/actions.h"
#include "cli/drbdadm/calls.h"
#include "config/options.h"

#include <cstdio>

namespace drbdadm {

namespace {

constexpr config::Seconds kStackedWait{20};

// The state of the target's resource; nothing after saying why there is none, with `exit` set.
std::optional<control::ResourceStatus> find_status(Context& context,
                                                   const Target& target,
                                                   int& exit) {
    base::Result<control::Snapshot> status =
        cli::fetch_status(context.client, target.resource->name);
    if (!status) {
        exit = fail_to_ask(status.error());
        return std::nullopt;
    }
    if (status->resources.empty()) {
        exit = 10;
        return std::nullopt;
    }
    return std::move(status->resources.front());
}

const config::VolumeConf& volume_of(const Target& target) {
    return target.volume == nullptr ? target.host->volumes.front() : *target.volume;
}

std::string words_of(const Context& context, const Target& target) {
    return "drbdsetup " + context.line.command + " " + minor_of(volume_of(target));
}

int fail_unknown_minor(const Context& context, const Target& target) {
    fail(10,
         cli::failure_text(
             minor_of(volume_of(target)), control::err::kMinorInvalid, "unknown minor"));
    return fail(10, "Command '" + words_of(context, target) + "' terminated with exit code 10");
}

const control::DeviceStatus* find_device(const control::ResourceStatus& resource,
                                         std::uint16_t volume) {
    for (const control::DeviceStatus& device : resource.devices) {
        if (device.volume == volume) {
            return &device;
        }
    }
    return nullptr;
}

// Asks and prints one line made by `text`. A volume that the file has and the running resource has
// not is in no state at all, whatever its connection is.
template <typename Text>
int print_state(Context& context, const Target& target, Text&& text) {
    if (only_printed(context, words_of(context, target))) {
        return 0;
    }
    int exit = 0;
    const std::optional<control::ResourceStatus> resource = find_status(context, target, exit);
    if (!resource && exit != 10) {
        return exit;
    }
    if (!resource || find_device(*resource, volume_of(target).number) == nullptr) {
        return fail_unknown_minor(context, target);
    }
    std::printf("%s\n", text(*resource).c_str());
    return 0;
}

// Prints the identifiers of a volume that has a disk; false if drbdmeta is to be asked for them.
// `exit` is set when the daemon is there and does not answer.
bool print_generations(Context& context, const Target& target, int& exit) {
    const auto status = cli::fetch_status(context.client, target.resource->name);
    if (!status && status.error().code != base::ErrorCode::NotFound) {
        exit = fail_to_ask(status.error());
        return true;
    }
    if (!status || status->resources.empty()) {
        return false;
    }
    const control::DeviceStatus* device =
        find_device(status->resources.front(), target.volume->number);
    if (device == nullptr || device->generations.empty()) {
        return false;
    }
    std::fputs(context.line.command == "get-gi" ? (device->generations + "\n").c_str()
                                                : cli::show_gi_text(*device).c_str(),
               stdout);
    return true;
}

bool read_timeout(const std::optional<std::string>& text, config::Seconds& timeout) {
    if (!text) {
        return true;
    }
    const config::Number number = config::parse_number(*text, ' ');
    if (number.problem != config::Number::Problem::None || number.value > 300000) {
        fail(1, "'" + *text + "' is no timeout: 0 to 300000 seconds");
        return false;
    }
    timeout = config::Seconds(static_cast<std::int64_t>(number.value));
    return true;
}

// Of a stacked resource, unless it says that its own count: its peer is far away, and may be so for
// long.
config::StartupSettings startup_for(const Context& context, const Target& target) {
    config::StartupSettings timeouts = config::startup_of(context.conf, *target.resource);
    if (!target.host->stacked_on.empty() && !timeouts.stacked_timeouts) {
        timeouts.wfc_timeout = kStackedWait;
        timeouts.degr_wfc_timeout = kStackedWait;
        timeouts.outdated_wfc_timeout = kStackedWait;
    }
    return timeouts;
}

int wait(Context& context, const Target& target, cli::WaitFor what) {
    const std::string words = words_of(context, target) + timeout_words(context, target);
    if (only_printed(context, words)) {
        return 0;
    }
    config::StartupSettings timeouts = startup_for(context, target);
    const CommandLine& line = context.line;
    timeouts.wait_after_sb = timeouts.wait_after_sb || line.wait_after_sb;
    if (!read_timeout(line.wfc_timeout, timeouts.wfc_timeout) ||
        !read_timeout(line.degr_wfc_timeout, timeouts.degr_wfc_timeout) ||
        !read_timeout(line.outdated_wfc_timeout, timeouts.outdated_wfc_timeout)) {
        return 1;
    }
    int exit = 0;
    const std::optional<control::ResourceStatus> resource = find_status(context, target, exit);
    if (!resource && exit != 10) {
        return exit;
    }
    if (!resource || find_device(*resource, volume_of(target).number) == nullptr) {
        return fail_unknown_minor(context, target);
    }
    // A connection of its own: after events2 it belongs to the event stream.
    cli::Client watcher(context.run_dir);
    return cli::wait_for(watcher, *resource, volume_of(target).number, what, timeouts);
}

// The device below, which is the disk of a stacked one.
std::string stacking_of(const config::HostConf& host, const config::VolumeConf& volume) {
    const std::string below = host.stacked_on.empty() ? "" : volume.disk;
    const std::size_t digits = below.find_last_not_of("0123456789") + 1;
    return "_stacked_on_device=" + below +
           "\n_stacked_on_minor=" + (below.empty() ? "" : below.substr(digits)) + "\n";
}

// The resource's head, and a block for each of its volumes.
std::string sh_status_of(const control::Snapshot* snapshot,
                         const config::ResourceConf& resource,
                         const config::HostConf& host) {
    const control::ResourceStatus* running = nullptr;
    for (std::size_t i = 0; snapshot != nullptr && i < snapshot->resources.size(); ++i) {
        if (snapshot->resources[i].name == resource.name) {
            running = &snapshot->resources[i];
        }
    }
    std::string text =
        "_conf_res_name=" + resource.name + "\n_conf_file_line=" + resource.place.file + ":" +
        std::to_string(resource.place.line) + "\n\n_stacked_on=" + host.stacked_on + "\n";
    for (const config::VolumeConf& volume : host.volumes) {
        text += stacking_of(host, volume);
        const control::DeviceStatus* device =
            running == nullptr ? nullptr : find_device(*running, volume.number);
        text += "_conf_volume=" + std::to_string(volume.number) + "\n";
        text += device == nullptr ? cli::sh_status_unknown(volume.minor.value_or(0))
                                  : cli::sh_status_block(*running, *device);
    }
    return text;
}

}  // namespace

// A resource has one role; one line for all of its volumes is what resource agents can read.
int role(Context& context, const Target& target) {
    return print_state(
        context, target, [](const control::ResourceStatus& r) { return cli::role_text(r); });
}

int cstate(Context& context, const Target& target) {
    return print_state(context, target, [&](const control::ResourceStatus& r) {
        return cli::cstate_text(r, target.volume->number);
    });
}

// A device that is not configured has the state that is written on its disk.
int dstate(Context& context, const Target& target) {
    if (!only_printed(context, words_of(context, target))) {
        const auto status = cli::fetch_status(context.client, target.resource->name);
        if (!status && status.error().code != base::ErrorCode::NotFound) {
            return fail_to_ask(status.error());
        }
        if (status && !status->resources.empty()) {
            const control::ResourceStatus& resource = status->resources.front();
            if (const auto* device = find_device(resource, target.volume->number)) {
                std::printf("%s\n", cli::dstate_text(resource, *device).c_str());
                return 0;
            }
        }
    }
    return run_drbdmeta(context, *target.volume, "dstate", {}, true);
}

// drbdsetup knows those of an attached disk, whose metadata nobody else may open.
int generations(Context& context, const Target& target) {
    if (!only_printed(context, words_of(context, target))) {
        int exit = 0;
        if (print_generations(context, target, exit)) {
            return exit;
        }
    }
    return meta_command(context, target);
}

int status(Context& context, const Target& target) {
    const std::string words = "drbdsetup status " + target.resource->name;
    // -v means more words in the answer here, not that the call is printed.
    if (context.line.dry_run) {
        return only_printed(context, words) ? 0 : 1;
    }
    const std::optional<bool> color = cli::wants_color(context.line.color);
    if (!color) {
        return fail(1, "--color is always, auto or never, not '" + context.line.color + "'");
    }
    int exit = 0;
    const std::optional<control::ResourceStatus> resource = find_status(context, target, exit);
    if (!resource) {
        if (exit == 10) {
            fail(10, target.resource->name + ": No such resource");
            fail(10, "Command '" + words + "' terminated with exit code 10");
        }
        return exit;
    }
    const control::Snapshot snapshot{{*resource}};
    const std::string text =
        context.line.json
            ? cli::status_json(snapshot)
            : cli::status_text(snapshot, {context.line.verbose, context.line.statistics, *color});
    std::fputs(text.c_str(), stdout);
    return 0;
}

// For the init script: what the file knows, beside what runs. Without a daemon nothing does.
int sh_status(Context& context) {
    if (!context.line.operands.empty()) {
        fail(0, "This command will ignore resource names!");
    }
    const auto snapshot = cli::fetch_status(context.client, "");
    if (!snapshot && snapshot.error().code != base::ErrorCode::NotFound) {
        return fail_to_ask(snapshot.error());
    }
    std::string text =
        "_drbd_version=9.22.0\n_drbd_api=1\n_config_file=" + context.conf.file + "\n\n\n";
    for (const config::ResourceConf& resource : context.conf.resources) {
        if (const config::HostConf* host = resource.find_host(context.node)) {
            text += sh_status_of(snapshot ? &*snapshot : nullptr, resource, *host);
        }
    }
    std::fputs(text.c_str(), stdout);
    return 0;
}

int wait_connect(Context& context, const Target& target) {
    return wait(context, target, cli::WaitFor::Connect);
}

int wait_sync(Context& context, const Target& target) {
    return wait(context, target, cli::WaitFor::Sync);
}

}  // namespace drbdadm
