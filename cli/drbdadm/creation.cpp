#include "cli/drbdadm/creation.h"

#include "cli/common/outcome.h"
#include "cli/drbdadm/adjust.h"
#include "cli/drbdadm/calls.h"

#include <algorithm>
#include <utility>

namespace drbdadm {

namespace {

int fail_unknown(const std::string& object, const std::string& words) {
    control::Reply unknown;
    unknown.code = control::err::kResourceNotKnown;
    return finish(unknown, object, words);
}

bool has_volume(const config::ResourceSettings& settings, std::uint16_t number) {
    return std::any_of(settings.volumes.begin(), settings.volumes.end(), [&](const auto& volume) {
        return volume.number == number;
    });
}

}  // namespace

int make_volumes(Context& context,
                 config::ResourceSettings settings,
                 const std::string& object,
                 const std::string& words) {
    control::Request request;
    request.command = control::Command::NewResource;
    request.resource = settings.name;
    request.settings = std::move(settings);
    return execute(context, std::move(request), object, words);
}

int new_resource(Context& context, const Target& target) {
    const std::string words = new_resource_words(target) + resource_option_words(context, target);
    const auto settings = config::settings_for(context.conf, *target.resource, context.node);
    only_printed(context, words);
    if (!settings) {
        return fail(cli::kExitConfig, settings.error().text);
    }
    if (context.line.dry_run) {
        return 0;
    }
    if (const int exit = ensure_daemon(context); exit != 0) {
        return exit;
    }
    const auto running = ask_running(context, settings->name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    return *running ? 0 : make_volumes(context, *settings, settings->name, words);
}

int new_minor(Context& context, const Target& target) {
    const std::string words = new_minor_words(target, *target.volume);
    if (only_printed(context, words)) {
        return 0;
    }
    const std::string& name = target.resource->name;
    auto running = ask_running(context, name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    if (!*running) {
        return fail_unknown(name, words);
    }
    if (has_volume(**running, target.volume->number)) {
        return 0;
    }
    const auto wanted = config::settings_for(context.conf, *target.resource, context.node);
    if (!wanted) {
        return fail(cli::kExitConfig, wanted.error().text);
    }
    for (const config::VolumeSettings& volume : wanted->volumes) {
        if (volume.number == target.volume->number) {
            (*running)->volumes.push_back(volume);
        }
    }
    std::sort((*running)->volumes.begin(),
              (*running)->volumes.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    return make_volumes(context, std::move(**running), minor_of(*target.volume), words);
}

int del_minor(Context& context, const Target& target) {
    const std::string minor = minor_of(*target.volume);
    const std::string words = "drbdsetup del-minor " + minor;
    if (only_printed(context, words)) {
        return 0;
    }
    auto running = ask_running(context, target.resource->name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    if (!*running || !has_volume(**running, target.volume->number)) {
        control::Reply unknown;
        unknown.code = control::err::kMinorInvalid;
        return finish(unknown, minor, words);
    }
    std::erase_if((*running)->volumes,
                  [&](const auto& volume) { return volume.number == target.volume->number; });
    return make_volumes(context, std::move(**running), minor, words);
}

int del_resource(Context& context, const Target& target) {
    const std::string& name = target.resource->name;
    const std::string words = "drbdsetup del-resource " + name;
    if (only_printed(context, words)) {
        return 0;
    }
    const auto running = ask_running(context, name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    if (!*running) {
        return fail_unknown(name, words);
    }
    control::Request request;
    request.resource = name;
    request.command = control::Command::Down;
    control::Reply in_use;
    in_use.code = control::err::kResourceInUse;
    return (*running)->volumes.empty() ? execute(context, std::move(request), name, words)
                                       : finish(in_use, name, words);
}

}  // namespace drbdadm
