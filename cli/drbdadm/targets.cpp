#include "cli/drbdadm/targets.h"

#include <algorithm>

namespace drbdadm {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

// An operand taken apart. `volume` is null for a whole resource.
struct Named {
    const config::ResourceConf* resource = nullptr;
    const config::HostConf* host = nullptr;
    const config::VolumeConf* volume = nullptr;
};

bool is_number(const std::string& text) {
    return !text.empty() && text.size() <= 8 &&
           text.find_first_not_of("0123456789") == std::string::npos;
}

Error not_defined(const std::string& operand) {
    return {ErrorCode::NotFound, "'" + operand + "' not defined in your config (for this host)."};
}

Result<Named> find_minor(const Context& context, const std::string& operand) {
    const std::string number = operand.substr(std::string("minor-").size());
    for (const config::ResourceConf& resource : context.conf.resources) {
        const config::HostConf* host = resource.find_host(context.node);
        if (host == nullptr) {
            continue;
        }
        for (const config::VolumeConf& volume : host->volumes) {
            if (volume.minor && std::to_string(*volume.minor) == number) {
                return Named{&resource, host, &volume};
            }
        }
    }
    return not_defined(operand);
}

// "r0:beta/1" without the peer: there is one. `peer` is empty where none is named.
std::string without_peer(const std::string& operand, std::string& peer) {
    const std::size_t colon = operand.find(':');
    if (colon == std::string::npos) {
        return operand;
    }
    const std::size_t end = std::min(operand.find('/', colon), operand.size());
    peer = operand.substr(colon + 1, end - colon - 1);
    return operand.substr(0, colon) + operand.substr(end);
}

// By the name of its host, or of the connection.
bool is_peer(const Context& context,
             const config::ResourceConf& resource,
             const std::string& peer) {
    const bool is_connection = std::any_of(resource.connections.begin(),
                                           resource.connections.end(),
                                           [&](const auto& one) { return one.name == peer; });
    const config::HostConf* host = config::find_named(resource, peer);
    return peer.empty() || is_connection ||
           (host != nullptr && host != resource.find_host(context.node));
}

Result<Named> find_operand(const Context& context, const std::string& typed) {
    if (typed.starts_with("minor-")) {
        return find_minor(context, typed);
    }
    std::string peer = context.line.peer;
    const std::string operand = without_peer(typed, peer);
    const std::size_t slash = operand.find('/');
    Named named;
    named.resource = context.conf.find_resource(operand.substr(0, slash));
    if (named.resource != nullptr && !is_peer(context, *named.resource, peer)) {
        return Error{ErrorCode::NotFound,
                     "'" + peer + "' is no peer of resource '" + named.resource->name + "'."};
    }
    if (named.resource == nullptr) {
        return not_defined(operand);
    }
    named.host = named.resource->find_host(context.node);
    if (named.host == nullptr) {
        return Error{ErrorCode::NotFound,
                     "'" + named.resource->name + "' ignored, since this host (" + context.node +
                         ") is not mentioned with an 'on' keyword."};
    }
    if (slash == std::string::npos) {
        return named;
    }
    const std::string number = operand.substr(slash + 1);
    for (const config::VolumeConf& volume : named.host->volumes) {
        if (is_number(number) && std::stoul(number) == volume.number) {
            named.volume = &volume;
            return named;
        }
    }
    return not_defined(operand);
}

void add(std::vector<Target>& targets, const Named& named, Scope scope) {
    if (scope != Scope::Volume || named.volume != nullptr) {
        targets.push_back({named.resource, named.host, named.volume, named.volume == nullptr});
        return;
    }
    for (const config::VolumeConf& volume : named.host->volumes) {
        targets.push_back({named.resource, named.host, &volume});
    }
}

Result<std::vector<Target>> all_targets(const Context& context, Scope scope) {
    std::vector<Target> targets;
    for (const config::ResourceConf& resource : context.conf.resources) {
        const config::HostConf* host = resource.find_host(context.node);
        if (host != nullptr && resource.is_stacked(context.node) == context.line.stacked) {
            add(targets, {&resource, host, nullptr}, scope);
        }
    }
    if (context.conf.resources.empty()) {
        return Error{ErrorCode::NotFound, "no resources defined!"};
    }
    if (targets.empty()) {
        return Error{ErrorCode::NotFound,
                     "WARN: no normal resources defined for this host (" + context.node +
                         ")!?\nMisspelled name of the local machine with the 'on' keyword ?"};
    }
    return targets;
}

}  // namespace

Result<std::vector<Target>> find_targets(const Context& context, Scope scope) {
    std::vector<Target> targets;
    for (const std::string& operand : context.line.operands) {
        if (operand == "all") {
            return all_targets(context, scope);
        }
        Result<Named> named = find_operand(context, operand);
        if (!named) {
            return named.error();
        }
        // "r0/0" of an implicit volume is another name of the resource.
        if (scope != Scope::Volume && named->volume != nullptr) {
            if (!named->volume->implicit && scope == Scope::Resource) {
                return Error{ErrorCode::Invalid,
                             context.line.command +
                                 " operates on whole resources, but you specified a specific "
                                 "volume!"};
            }
            named->volume = named->volume->implicit ? nullptr : named->volume;
        }
        add(targets, *named, scope);
    }
    return targets;
}

}  // namespace drbdadm
