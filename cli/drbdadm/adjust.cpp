#include "cli/drbdadm/adjust.h"

#include "cli/common/outcome.h"
#include "cli/drbdadm/actions.h"
#include "cli/drbdadm/calls.h"
#include "cli/drbdadm/creation.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <sys/stat.h>
#include <utility>

namespace drbdadm {

base::Result<std::optional<config::ResourceSettings>> ask_running(Context& context,
                                                                  const std::string& name) {
    control::Request request;
    request.command = control::Command::Show;
    request.resource = name;
    const base::Result<control::Reply> reply = context.client.call(std::move(request));
    if (!reply && reply.error().code == base::ErrorCode::NotFound) {
        return std::optional<config::ResourceSettings>();
    }
    if (!reply) {
        return reply.error();
    }
    if (reply->code == control::err::kResourceNotKnown) {
        return std::optional<config::ResourceSettings>();
    }
    if (reply->code != 0) {
        return base::Error{base::ErrorCode::State,
                           cli::failure_text(name, reply->code, reply->text)};
    }
    base::Result<config::ResourceSettings> settings = control::settings_from_json(reply->data);
    if (!settings) {
        return settings.error();
    }
    return std::optional(std::move(*settings));
}

namespace {

using Kind = AdjustStep::Kind;

bool is_attached(const control::ResourceStatus& status, std::uint16_t volume) {
    return std::any_of(status.devices.begin(), status.devices.end(), [&](const auto& device) {
        return device.volume == volume && device.disk != "Diskless";
    });
}

// By whatever name: detaching and attaching it again would take it away from its users.
bool same_disk(const std::string& a, const std::string& b) {
    struct stat one {};

    struct stat other {};

    if (a == b || ::stat(a.c_str(), &one) != 0 || ::stat(b.c_str(), &other) != 0) {
        return a == b;
    }
    if (S_ISBLK(one.st_mode) && S_ISBLK(other.st_mode)) {
        return one.st_rdev == other.st_rdev;
    }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// A daemon may have been told by an older drbdadm, in the words of the file.
bool same_address(const config::Address& a, const config::Address& b) {
    return config::canonical(a) == config::canonical(b);
}

// All else can be changed while connected: the peer is told what both must have alike.
bool needs_new_connection(const config::ResourceSettings& a, const config::ResourceSettings& b) {
    return !same_address(a.address, b.address) || !same_address(a.peer_address, b.peer_address);
}

void add_disk_steps(std::vector<AdjustStep>& steps,
                    const config::VolumeSettings& running,
                    const config::VolumeSettings& wanted,
                    bool attached) {
    const bool same = same_disk(running.disk, wanted.disk) &&
                      same_disk(running.meta_disk, wanted.meta_disk) &&
                      running.meta_index == wanted.meta_index;
    if (attached && !same) {
        steps.push_back({Kind::Detach, wanted.number});
        attached = false;
    }
    if (!attached) {
        steps.push_back({Kind::Attach, wanted.number});
    } else if (running.options != wanted.options) {
        steps.push_back({Kind::DiskOptions, wanted.number});
    }
}

void add_net_steps(std::vector<AdjustStep>& steps,
                   const config::ResourceSettings& running,
                   const config::ResourceSettings& wanted,
                   bool stand_alone) {
    const bool anew = needs_new_connection(running, wanted);
    if (anew && !stand_alone) {
        steps.push_back({Kind::Disconnect, 0});
    }
    if (anew || stand_alone) {
        steps.push_back({Kind::Connect, 0});
    } else if (running.net != wanted.net) {
        steps.push_back({Kind::NetOptions, 0});
    }
}

const config::VolumeSettings* find_volume(const config::ResourceSettings& settings,
                                          std::uint16_t number) {
    const auto found = std::find_if(settings.volumes.begin(),
                                    settings.volumes.end(),
                                    [&](const auto& volume) { return volume.number == number; });
    return found == settings.volumes.end() ? nullptr : &*found;
}

const config::VolumeSettings* find_same(const config::ResourceSettings& settings,
                                        const config::VolumeSettings& volume) {
    const config::VolumeSettings* found = find_volume(settings, volume.number);
    return found != nullptr && found->minor == volume.minor ? found : nullptr;
}

// Or have got another minor: their numbers.
std::string volumes_gone(const config::ResourceSettings& running,
                         const config::ResourceSettings& wanted) {
    std::string numbers;
    for (const config::VolumeSettings& volume : running.volumes) {
        if (find_same(wanted, volume) == nullptr) {
            numbers += (numbers.empty() ? "" : ", ") + std::to_string(volume.number);
        }
    }
    return numbers;
}

void add_volume_steps(std::vector<AdjustStep>& steps,
                      const config::ResourceSettings& running,
                      const config::ResourceSettings& wanted,
                      const control::ResourceStatus& status) {
    for (const config::VolumeSettings& volume : running.volumes) {
        if (find_same(wanted, volume) != nullptr) {
            continue;
        }
        if (is_attached(status, volume.number)) {
            steps.push_back({Kind::Detach, volume.number});
        }
        steps.push_back({Kind::DelMinor, volume.number});
    }
    for (const config::VolumeSettings& volume : wanted.volumes) {
        if (const config::VolumeSettings* runs = find_same(running, volume)) {
            add_disk_steps(steps, *runs, volume, is_attached(status, volume.number));
        } else {
            steps.push_back({Kind::NewMinor, volume.number});
            steps.push_back({Kind::Attach, volume.number});
        }
    }
}

Target volume_target(const Target& target, std::uint16_t number) {
    Target of_volume = target;
    for (const config::VolumeConf& volume : target.host->volumes) {
        if (volume.number == number) {
            of_volume.volume = &volume;
        }
    }
    return of_volume;
}

// One that the file does not name any more, or names with another minor.
int detach_gone(Context& context, const Target& target, const config::VolumeSettings& gone) {
    config::VolumeConf volume;
    volume.number = gone.number;
    volume.minor = gone.minor;
    Target of_volume = target;
    of_volume.volume = &volume;
    return detach(context, of_volume);
}

// `settings` are those in force, and have lost it afterwards.
int remove_volume(Context& context, std::uint16_t number, config::ResourceSettings& settings) {
    const std::string minor = std::to_string(find_volume(settings, number)->minor);
    const std::string words = "drbdsetup del-minor " + minor;
    std::erase_if(settings.volumes, [&](const auto& volume) { return volume.number == number; });
    return only_printed(context, words) ? 0 : make_volumes(context, settings, minor, words);
}

// The same, and have got it.
int add_volume(Context& context,
               const Target& of_volume,
               const config::VolumeSettings& volume,
               config::ResourceSettings& settings) {
    const std::string words = new_minor_words(of_volume, *of_volume.volume);
    const auto at = std::find_if(settings.volumes.begin(),
                                 settings.volumes.end(),
                                 [&](const auto& other) { return volume.number < other.number; });
    settings.volumes.insert(at, volume);
    return only_printed(context, words)
               ? 0
               : make_volumes(context, settings, minor_of(*of_volume.volume), words);
}

int change_options(Context& context,
                   const Target& target,
                   const config::ResourceSettings& settings,
                   const std::string& object,
                   const std::string& words) {
    if (only_printed(context, words)) {
        return 0;
    }
    control::Request request;
    request.command = control::Command::Options;
    request.resource = target.resource->name;
    request.settings = settings;
    return execute(context, std::move(request), object, words);
}

// `settings` are those in force, with what the option steps so far have changed.
int run_step(Context& context,
             const Target& target,
             const config::ResourceSettings& wanted,
             const AdjustStep& step,
             config::ResourceSettings& settings) {
    const Target of_volume = volume_target(target, step.volume);
    switch (step.kind) {
        case Kind::ResourceOptions:
            settings.cpu_mask = wanted.cpu_mask;
            settings.on_no_data = wanted.on_no_data;
            return change_options(context,
                                  target,
                                  settings,
                                  target.resource->name,
                                  "drbdsetup resource-options " + target.resource->name +
                                      " --set-defaults" + resource_option_words(context, target));
        case Kind::Detach: {
            const config::VolumeSettings& running = *find_volume(settings, step.volume);
            return find_same(wanted, running) != nullptr ? detach(context, of_volume)
                                                         : detach_gone(context, target, running);
        }
        case Kind::DelMinor:
            return remove_volume(context, step.volume, settings);
        case Kind::NewMinor:
            return add_volume(context, of_volume, *find_volume(wanted, step.volume), settings);
        case Kind::Attach:
            return attach(context, of_volume);
        case Kind::DiskOptions: {
            const std::string minor = std::to_string(of_volume.volume->minor.value_or(0));
            for (config::VolumeSettings& volume : settings.volumes) {
                if (volume.number == step.volume) {
                    volume.options = find_volume(wanted, step.volume)->options;
                }
            }
            return change_options(context,
                                  target,
                                  settings,
                                  minor,
                                  "drbdsetup disk-options " + minor + " --set-defaults" +
                                      disk_option_words(context, of_volume));
        }
        case Kind::Disconnect:
            return disconnect(context, target);
        case Kind::Connect:
            return connect(context, target);
        case Kind::NetOptions:
            settings.net = wanted.net;
            return change_options(
                context,
                target,
                settings,
                "??",
                net_options_words(target) + " --set-defaults" + net_option_words(context, target));
    }
    return 0;
}

// Handlers and time limits have no command of the original's that would change them.
bool differs_silently(const config::ResourceSettings& a, const config::ResourceSettings& b) {
    return a.handlers != b.handlers || a.startup != b.startup || a.config_file != b.config_file;
}

void take_silently(config::ResourceSettings& settings, const config::ResourceSettings& wanted) {
    settings.handlers = wanted.handlers;
    settings.startup = wanted.startup;
    settings.config_file = wanted.config_file;
}

// All of the settings go along with it.
bool carries_settings(const AdjustStep& step) {
    return step.kind != Kind::Detach && step.kind != Kind::Disconnect;
}

int adjust_running(Context& context,
                   const Target& target,
                   const config::ResourceSettings& running,
                   const config::ResourceSettings& wanted) {
    const std::string& name = target.resource->name;
    const base::Result<control::Snapshot> status = cli::fetch_status(context.client, name);
    if (!status) {
        return fail_to_ask(status.error());
    }
    if (status->resources.empty()) {
        return fail(10, name + ": No such resource");
    }
    const bool primary = status->resources.front().role == "Primary";
    if (const std::string gone = volumes_gone(running, wanted); primary && !gone.empty()) {
        return fail(10,
                    name + ": volume " + gone +
                        " is not in the file any more, but may be in use: the resource is Primary. "
                        "Nothing was changed; 'drbdadm secondary " +
                        name + "' first");
    }
    const std::vector<AdjustStep> steps =
        adjust_steps(running,
                     wanted,
                     status->resources.front(),
                     {!context.line.skip_disk, !context.line.skip_net});
    int worst = 0;
    config::ResourceSettings settings = running;
    take_silently(settings, wanted);
    for (const AdjustStep& step : steps) {
        worst = std::max(worst, run_step(context, target, wanted, step, settings));
    }
    if (!context.line.dry_run && differs_silently(running, wanted) &&
        std::none_of(steps.begin(), steps.end(), carries_settings)) {
        control::Request request;
        request.command = control::Command::Options;
        request.resource = name;
        request.settings = std::move(settings);
        worst =
            std::max(worst, execute(context, std::move(request), name, "drbdadm adjust " + name));
    }
    return worst;
}

}  // namespace

std::vector<AdjustStep> adjust_steps(const config::ResourceSettings& running,
                                     const config::ResourceSettings& wanted,
                                     const control::ResourceStatus& status,
                                     const AdjustScope& scope) {
    std::vector<AdjustStep> steps;
    if (running.cpu_mask != wanted.cpu_mask || running.on_no_data != wanted.on_no_data) {
        steps.push_back({Kind::ResourceOptions, 0});
    }
    if (scope.disk) {
        add_volume_steps(steps, running, wanted, status);
    }
    // What one volume takes may be what another one had.
    const auto rank = [](const AdjustStep& step) { return std::min(step.kind, Kind::Attach); };
    std::stable_sort(steps.begin(), steps.end(), [&](const AdjustStep& a, const AdjustStep& b) {
        return rank(a) < rank(b);
    });
    if (scope.net) {
        const bool stand_alone =
            status.connections.empty() || status.connections.front().cstate == "StandAlone";
        add_net_steps(steps, running, wanted, stand_alone);
    }
    return steps;
}

bool is_configured(Context& context, const std::string& resource) {
    const auto running = ask_running(context, resource);
    return running && *running;
}

int adjust(Context& context, const Target& target) {
    if (const int exit = check_own_address(context, target); exit != 0) {
        return exit;
    }
    const base::Result<config::ResourceSettings> wanted =
        config::settings_for(context.conf, *target.resource, context.node);
    if (!wanted) {
        return context.line.dry_run ? up(context, target)
                                    : fail(cli::kExitConfig, wanted.error().text);
    }
    const auto running = ask_running(context, target.resource->name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    if (!*running) {
        return up(context, target);
    }
    return adjust_running(context, target, **running, *wanted);
}

}  // namespace drbdadm
