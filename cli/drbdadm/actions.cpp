#include "cli/drbdadm/actions.h"

#include "cli/common/child.h"
#include "cli/common/outcome.h"
#include "cli/drbdadm/calls.h"
#include "cli/drbdadm/grown_disk.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace drbdadm {

namespace {

using control::Command;

control::Request request_for(Command command, const Target& target) {
    control::Request request;
    request.command = command;
    request.resource = target.resource->name;
    if (target.volume != nullptr) {
        request.volume = target.volume->number;
    }
    return request;
}

// Adds the typed settings; 0, or the exit code after saying what is wrong with them.
int add_settings(const Context& context, const Target& target, control::Request& request) {
    base::Result<config::ResourceSettings> settings =
        config::settings_for(context.conf, *target.resource, context.node);
    if (!settings) {
        return fail(cli::kExitConfig, settings.error().text);
    }
    request.settings = std::move(*settings);
    return 0;
}

// A command about one volume that drbdsetup addresses by its minor.
int execute_on_minor(Context& context,
                     const Target& target,
                     control::Request request,
                     const std::string& flags = "") {
    const std::string words = "drbdsetup " + std::string(to_string(request.command)) + " " +
                              minor_of(*target.volume) + flags;
    if (only_printed(context, words)) {
        return 0;
    }
    const base::Result<control::Reply> reply = context.client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    return finish(about_minor(*reply), minor_of(*target.volume), words);
}

void print_up(const Context& context, const Target& target) {
    const std::vector<config::VolumeConf> volumes =
        target.volume == nullptr ? target.host->volumes : std::vector{*target.volume};
    only_printed(context, new_resource_words(target) + resource_option_words(context, target));
    for (const config::VolumeConf& volume : volumes) {
        only_printed(context, new_minor_words(target, volume));
    }
    for (const config::VolumeConf& volume : volumes) {
        only_printed(context, drbdmeta_words(volume, "apply-al"));
        only_printed(context,
                     attach_words(volume) +
                         disk_option_words(context, {target.resource, target.host, &volume}));
    }
    only_printed(context, connect_words(target) + net_option_words(context, target));
}

// The volume that a step of `up` was about; null: the connection.
const config::VolumeConf* volume_of_step(const Target& target, const std::string& object) {
    for (const config::VolumeConf& volume : target.host->volumes) {
        if (std::to_string(volume.minor.value_or(0)) == object) {
            return &volume;
        }
    }
    return nullptr;
}

// The original finds out before it calls drbdsetup: drbdmeta refuses a device that is in use.
int fail_attached(const config::VolumeConf& volume) {
    fail(cli::kExitUsage,
         "Device '" + std::to_string(volume.minor.value_or(0)) + "' is configured!");
    return fail(
        cli::kExitUsage,
        "Command '" + drbdmeta_words(volume, "apply-al") + "' terminated with exit code 20");
}

void print_failures(const Target& target, const std::vector<control::Failure>& failures) {
    bool configured = false;  // then it is no news that it is connected, too
    for (const control::Failure& failure : failures) {
        const config::VolumeConf* volume = volume_of_step(target, failure.object);
        const int exit = cli::exit_code(failure.code);
        if (volume != nullptr && failure.code == control::err::kDiskConfigured) {
            configured = true;
            fail_attached(*volume);
        } else if (volume != nullptr || !configured ||
                   failure.code != control::err::kLocalAddress) {
            fail(exit, cli::failure_text(failure.object, failure.code, failure.text));
            fail(exit,
                 "Command '" + (volume != nullptr ? attach_words(*volume) : connect_words(target)) +
                     "' terminated with exit code " + std::to_string(exit));
        }
    }
}

// The cluster manager's word; without a daemon there is no connection to give up.
int tell_of_peer(Context& context, const Target& target, Command command) {
    const std::string words =
        "drbdsetup " + std::string(to_string(command)) + " " + target.resource->name;
    if (only_printed(context, words)) {
        return 0;
    }
    const base::Result<control::Reply> reply = context.client.call(request_for(command, target));
    if (!reply) {
        return reply.error().code == base::ErrorCode::NotFound ? 0 : fail_to_ask(reply.error());
    }
    return finish(*reply, target.resource->name, words);
}

}  // namespace

// The daemon does as much as it can; the original too goes on after a failure and returns 1 then.
int up(Context& context, const Target& target) {
    if (const int exit = check_own_address(context, target); exit != 0) {
        return exit;
    }
    if (context.line.dry_run) {
        print_up(context, target);
    }
    control::Request request = request_for(Command::Up, target);
    if (const int exit = add_settings(context, target, request); exit != 0) {
        return exit;
    }
    if (context.line.dry_run) {
        return 0;
    }
    print_up(context, target);
    if (const int exit = ensure_daemon(context); exit != 0) {
        return exit;
    }
    warn_of_promotion(context, target);
    if (context.unit_started && is_configured(context, target.resource->name)) {
        return adjust(context, target);
    }
    const base::Result<control::Reply> reply = context.client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    if (cli::exit_code(reply->code) == 0) {
        return 0;
    }
    base::Result<std::vector<control::Failure>> failures = control::failures_from_json(reply->data);
    if (!failures || failures->empty()) {
        failures = std::vector<control::Failure>{{target.resource->name, reply->code, reply->text}};
    }
    std::erase_if(*failures, [&](control::Failure& failure) {
        const config::VolumeConf* volume = volume_of_step(target, failure.object);
        return volume != nullptr && moved_metadata(context, *volume, failure.code) &&
               attach(context, {target.resource, target.host, volume}) == 0;
    });
    print_failures(target, *failures);
    return failures->empty() ? 0 : 1;
}

// What is not there is down already.
int down(Context& context, const Target& target) {
    const std::string& name = target.resource->name;
    const std::string words = "drbdsetup down " + name;
    if (only_printed(context, words)) {
        return 0;
    }
    const base::Result<control::Reply> reply =
        context.client.call(request_for(Command::Down, target));
    if (!reply) {
        return reply.error().code == base::ErrorCode::NotFound ? 0 : fail_to_ask(reply.error());
    }
    if (reply->code == control::err::kResourceNotKnown) {
        return fail(0, "Resource unknown");
    }
    return finish(*reply, name, words);
}

int attach(Context& context, const Target& target) {
    only_printed(context, drbdmeta_words(*target.volume, "apply-al"));
    only_printed(context, attach_words(*target.volume) + disk_option_words(context, target));
    control::Request request = request_for(Command::Attach, target);
    const int exit = add_settings(context, target, request);
    if (exit != 0 || context.line.dry_run) {
        return exit;
    }
    base::Result<control::Reply> reply = context.client.call(control::Request(request));
    if (reply && moved_metadata(context, *target.volume, reply->code)) {
        reply = context.client.call(std::move(request));
    }
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    return reply->code == control::err::kDiskConfigured
               ? fail_attached(*target.volume)
               : finish(
                     about_minor(*reply), minor_of(*target.volume), attach_words(*target.volume));
}

int detach(Context& context, const Target& target) {
    control::Request request = request_for(Command::Detach, target);
    request.force = context.line.force;
    return execute_on_minor(context, target, request, context.line.force ? " --force" : "");
}

int connect(Context& context, const Target& target) {
    if (const int exit = check_own_address(context, target); exit != 0) {
        return exit;
    }
    const std::string flag = context.line.discard_my_data ? " --discard-my-data" : "";
    only_printed(context, connect_words(target) + net_option_words(context, target) + flag);
    control::Request request = request_for(Command::Connect, target);
    const int exit = add_settings(context, target, request);
    if (exit != 0 || context.line.dry_run) {
        return exit;
    }
    request.discard_my_data = context.line.discard_my_data;
    return execute(
        context, std::move(request), target.resource->name, connect_words(target) + flag);
}

int disconnect(Context& context, const Target& target) {
    control::Request request = request_for(Command::Disconnect, target);
    request.force = context.line.force;
    const std::string words = disconnect_words(target) + (context.line.force ? " --force" : "");
    if (only_printed(context, words)) {
        return 0;
    }
    return execute(context, std::move(request), "??", words);
}

int primary(Context& context, const Target& target) {
    control::Request request = request_for(Command::Primary, target);
    request.force = context.line.force;
    if (request.force && target.whole) {
        request.volume.reset();  // all of them at once: the role is that of the resource
    }
    return execute_on_minor(context, target, request, context.line.force ? " --force" : "");
}

// What the original's boot script asks for, once the peers have been waited for.
int become_primary(Context& context, const Target& target) {
    if (!becomes_primary_here(context, target)) {
        return 0;
    }
    Target first = target;
    first.volume = &target.host->volumes.front();
    return primary(context, first);
}

// A node whose daemon does not run has no Primary.
int secondary(Context& context, const Target& target) {
    const std::string words = "drbdsetup secondary " + minor_of(*target.volume);
    if (only_printed(context, words)) {
        return 0;
    }
    const base::Result<control::Reply> reply =
        context.client.call(request_for(Command::Secondary, target));
    if (!reply) {
        return reply.error().code == base::ErrorCode::NotFound ? 0 : fail_to_ask(reply.error());
    }
    return finish(about_minor(*reply), minor_of(*target.volume), words);
}

// Without an attached disk the metadata itself is told.
int invalidate(Context& context, const Target& target) {
    const std::string words = "drbdsetup invalidate " + minor_of(*target.volume);
    if (!only_printed(context, words)) {
        const base::Result<control::Reply> reply =
            context.client.call(request_for(Command::Invalidate, target));
        if (!reply && reply.error().code != base::ErrorCode::NotFound) {
            return fail_to_ask(reply.error());
        }
        const int exit = reply ? cli::exit_code(reply->code) : cli::kExitUsage;
        if (exit == 0) {
            return 0;
        }
        const bool not_attached = !reply || reply->code == control::err::kResourceNotKnown ||
                                  reply->code == control::err::kMinorInvalid ||
                                  reply->code == control::err::kNoDisk;
        if (!not_attached) {
            return fail(exit,
                        cli::failure_text(minor_of(*target.volume), reply->code, reply->text));
        }
    }
    return run_drbdmeta(context, *target.volume, "invalidate", {}, false);
}

int invalidate_remote(Context& context, const Target& target) {
    return execute_on_minor(context, target, request_for(Command::InvalidateRemote, target), "");
}

int new_current_uuid(Context& context, const Target& target) {
    control::Request request = request_for(Command::NewCurrentUuid, target);
    request.clear_bitmap = context.line.clear_bitmap;
    return execute_on_minor(
        context, target, request, context.line.clear_bitmap ? " --clear-bitmap" : "");
}

int verify(Context& context, const Target& target) {
    control::Request request = request_for(Command::Verify, target);
    std::string words;
    for (const std::string& option : context.line.for_drbdsetup) {
        if (option == "--repair") {
            request.repair = true;
            words += " " + option;
            continue;
        }
        const bool is_start = option.starts_with("--start=");
        if (!is_start && !option.starts_with("--stop=")) {
            continue;
        }
        const std::string value = option.substr(option.find('=') + 1);
        const config::Number number = config::parse_number(value, 's');
        if (number.problem != config::Number::Problem::None) {
            return fail(cli::kExitUsage, "drbdadm: verify: '" + value + "' is no sector");
        }
        (is_start ? request.start : request.stop) = number.value;
        words += " " + option;
    }
    return execute_on_minor(context, target, request, words);
}

int pause_sync(Context& context, const Target& target) {
    return execute_on_minor(context, target, request_for(Command::PauseSync, target), "");
}

int resume_sync(Context& context, const Target& target) {
    return execute_on_minor(context, target, request_for(Command::ResumeSync, target), "");
}

// To the `size` of the command line, or that of the file, or all that both disks have.
int resize(Context& context, const Target& target) {
    control::Request request = request_for(Command::Resize, target);
    std::string words;
    for (const std::string& option : context.line.for_drbdsetup) {
        words += " " + option;
        request.assume_peer_has_space |= option == "--assume-peer-has-space";
        request.assume_clean |= option == "--assume-clean";
    }
    const base::Result<config::ResourceSettings> settings =
        config::settings_for(context.conf, *target.resource, context.node);
    if (!settings && !context.line.dry_run) {
        return fail(cli::kExitConfig, settings.error().text);
    }
    if (settings) {
        for (const config::VolumeSettings& volume : settings->volumes) {
            if (volume.number == target.volume->number) {
                request.size_sectors = volume.options.size_sectors;
            }
        }
    }
    for (const config::Option& option : context.line.options) {
        const config::Number number = config::parse_number(option.value, 's');
        if (number.problem != config::Number::Problem::None) {
            return fail(cli::kExitBadName, "drbdadm: resize: '" + option.value + "' is no size");
        }
        request.size_sectors = number.value;
    }
    if (request.size_sectors != 0) {
        words += " --size=" + std::to_string(request.size_sectors) + "s";
    }
    const int exit = execute_on_minor(context, target, request, words);
    if (context.line.dry_run) {
        only_printed(context, "drbdsetup check-resize " + minor_of(*target.volume));
    }
    return exit;
}

int suspend_io(Context& context, const Target& target) {
    return execute_on_minor(context, target, request_for(Command::SuspendIo, target), "");
}

int resume_io(Context& context, const Target& target) {
    return execute_on_minor(context, target, request_for(Command::ResumeIo, target), "");
}

// 0, 5 (the data are worse than outdated) or 17 (it is Primary): fence-peer handlers count on it.
int outdate(Context& context, const Target& target) {
    const std::string words = "drbdsetup outdate " + minor_of(*target.volume);
    if (!only_printed(context, words)) {
        const base::Result<control::Reply> reply =
            context.client.call(request_for(Command::Outdate, target));
        if (!reply && reply.error().code != base::ErrorCode::NotFound) {
            return fail_to_ask(reply.error());
        }
        const int exit = reply ? cli::exit_code(reply->code) : cli::kExitUsage;
        const bool not_attached = !reply || reply->code == control::err::kResourceNotKnown ||
                                  reply->code == control::err::kMinorInvalid ||
                                  reply->code == control::err::kNoDisk;
        if (!not_attached) {
            return exit == 0 ? 0
                             : fail(exit,
                                    cli::failure_text(
                                        minor_of(*target.volume), reply->code, reply->text));
        }
    }
    return run_drbdmeta(context, *target.volume, "outdate", {}, false);
}

int peer_suspect(Context& context, const Target& target) {
    return tell_of_peer(context, target, Command::PeerSuspect);
}

int peer_dead(Context& context, const Target& target) {
    return tell_of_peer(context, target, Command::PeerDead);
}

int create_md(Context& context, const Target& target) {
    std::vector<std::string> options = context.line.for_drbdmeta;
    if (context.line.force) {
        options.emplace_back("--force");
    }
    return run_drbdmeta(context, *target.volume, "create-md", options, false);
}

int meta_command(Context& context, const Target& target) {
    std::vector<std::string> options = context.line.for_drbdmeta;
    if (context.line.force) {
        options.emplace_back("--force");
    }
    return run_drbdmeta(context, *target.volume, context.line.command, options, false);
}

}  // namespace drbdadm
