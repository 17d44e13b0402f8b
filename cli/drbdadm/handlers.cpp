#include "cli/drbdadm/handlers.h"

#include "cli/common/child.h"
#include "cli/common/outcome.h"
#include "cli/drbdadm/calls.h"
#include "config/link.h"
#include "config/options.h"

#include <cstdlib>
#include <cstring>
#include <string>

namespace drbdadm {

namespace {

// As the kernel calls these, the peer's address may have been said already.
void set_unless_there(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 0);
}

void set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);
}

std::string all_minors(const config::HostConf& host) {
    std::string text;
    for (const config::VolumeConf& volume : host.volumes) {
        text += (text.empty() ? "" : " ") + minor_of(volume);
    }
    return text;
}

void set_peer(const Target& target) {
    const config::HostConf* peer = config::peer_of(*target.resource, *target.host);
    if (peer == nullptr) {
        return;
    }
    if (!peer->floating) {
        set("DRBD_PEER", peer->names.front());
        std::string names;
        for (const std::string& name : peer->names) {
            names += (names.empty() ? "" : " ") + name;
        }
        set("DRBD_PEERS", names);
    }
    const auto link = config::link_between(*target.resource, *target.host, *peer);
    if (link) {
        set_unless_there("DRBD_PEER_AF", link->peer_address_family);
        set_unless_there("DRBD_PEER_ADDRESS", link->peer_address.ip);
    }
}

// drbdadm ends when the handler has: its own environment may become the handler's.
void set_environment(const Context& context, const Target& target) {
    set("DRBD_RESOURCE", target.resource->name);
    set("DRBD_CONF", context.conf.file);
    set("DRBD_MINOR",
        target.volume == nullptr ? all_minors(*target.host) : minor_of(*target.volume));
    if (target.volume != nullptr) {
        set("DRBD_VOLUME", std::to_string(target.volume->number));
        set("DRBD_LL_DISK", target.volume->disk);
    }
    set_peer(target);
    const char* path = std::getenv("PATH");
    set("PATH",
        std::string(path == nullptr ? "/sbin:/usr/sbin:/bin:/usr/bin" : path) + ":/lib/drbd");
}

}  // namespace

bool is_handler(std::string_view command) {
    return config::find_option(config::Section::Handlers, command) != nullptr;
}

int run_handler(Context& context, const Target& target) {
    const config::OptionSpec* spec =
        config::find_option(config::Section::Handlers, context.line.command);
    const config::Options handlers =
        config::effective_options(context.conf, *target.resource, config::Section::Handlers);
    const config::Option* handler = config::last_of(handlers, spec->name);
    if (handler == nullptr || only_printed(context, handler->value)) {
        return 0;
    }
    set_environment(context, target);
    const cli::ChildResult child = cli::run_child({"/bin/sh", "-c", handler->value}, {});
    if (child.end == cli::ChildResult::End::NotStarted) {
        return fail(cli::kExitUsage,
                    "cannot run '/bin/sh': " + std::string(std::strerror(child.error)));
    }
    return child.exit;
}

}  // namespace drbdadm
