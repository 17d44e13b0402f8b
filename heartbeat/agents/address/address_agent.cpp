#include "heartbeat/agents/address/address_agent.h"

#include "heartbeat/agents/address/own_addresses.h"

#include <algorithm>
#include <cstdio>

namespace hb {

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongArguments = 2;
constexpr int kNotThere = 3;
constexpr int kUnknown = 4;  // LSB: nothing is known
constexpr std::chrono::milliseconds kProbeWait{240};

base::Error unusable(const std::string& text) {
    return {base::ErrorCode::Invalid, text};
}

// On the loopback interface the address may stand by for LVS: it is not served from there.
bool serves(const AddressCommand& command, const HeldAddress& held) {
    return held.ip == command.spec.ip && (held.interface != "lo" || command.spec.interface == "lo");
}

std::vector<HeldAddress> serving(const AddressCommand& command,
                                 const std::vector<HeldAddress>& held) {
    std::vector<HeldAddress> out;
    std::copy_if(held.begin(), held.end(), std::back_inserter(out), [&](const HeldAddress& one) {
        return serves(command, one);
    });
    return out;
}

void warn(const std::string& text) {
    std::fprintf(stderr, "WARNING: %s\n", text.c_str());
}

// An address that cannot be announced is still better than none: a warning, as in the original.
void announce(const AddressCommand& command, const Interface& interface) {
    if (!interface.announces) {
        return;
    }
    const base::Result<LinkSocket> socket = LinkSocket::open(interface, command.spec.ip);
    if (!socket) {
        warn(socket.error().text);
        return;
    }
    const base::Result<void> begun =
        announce_in_background(*socket, interface, command.spec.ip, plan_of(command.agent));
    if (!begun) {
        warn(begun.error().text);
    }
}

base::Result<void> refuse_if_in_use(const AddressCommand& command, const Interface& interface) {
    if (!command.refuse_duplicate || !interface.announces) {
        return {};
    }
    const base::Result<LinkSocket> socket = LinkSocket::open(interface, command.spec.ip);
    if (!socket) {
        return socket.error();
    }
    if (const auto mac = find_other_owner(*socket, command.spec.ip, interface.mac, kProbeWait)) {
        return base::Error{base::ErrorCode::Busy,
                           to_text(command.spec.ip) + " is in use by another machine, " +
                               to_text(*mac) + ", on the link of " + interface.name +
                               "; it was not set. Turn that machine off, or take `refuse` out of "
                               "haresources"};
    }
    return {};
}

base::Result<std::string> start(const AddressCommand& command, Rtnetlink& kernel) {
    const auto held = kernel.addresses(command.spec.ip.v6);
    const auto routes = kernel.routes(command.spec.ip.v6);
    if (!held || !routes) {
        return held ? routes.error() : held.error();
    }
    const std::vector<HeldAddress> here = serving(command, *held);
    base::Result<HeldAddress> place =
        here.empty() ? place_address(command, *held, *routes) : here.front();
    if (!place) {
        return place.error();
    }
    const base::Result<Interface> interface = find_interface(place->interface);
    if (!interface) {
        return interface.error();
    }
    place->interface_index = interface->index;
    if (const auto up = bring_up(*interface); !up) {
        return up.error();
    }
    if (here.empty()) {
        if (const auto free = refuse_if_in_use(command, *interface); !free) {
            return free.error();
        }
        std::optional<IpAddress> broadcast = command.spec.broadcast;
        if (!broadcast && !place->ip.v6 && place->prefix < 31) {
            broadcast = broadcast_of(place->ip, place->prefix);
        }
        if (const auto noted = note_own_address(place->ip); !noted) {
            return noted.error();
        }
        if (const auto added = kernel.add(*place, broadcast); !added) {
            forget_own_address(place->ip);
            return added.error();
        }
    }
    announce(command, *interface);
    return to_text(place->ip) + "/" + std::to_string(place->prefix) + " is on " +
           (place->label.empty() ? place->interface : place->label);
}

base::Result<std::string> stop(const AddressCommand& command, Rtnetlink& kernel) {
    end_announcer(command.spec.ip);
    const auto held = kernel.addresses(command.spec.ip.v6);
    if (!held) {
        return held.error();
    }
    const std::vector<HeldAddress> here = serving(command, *held);
    const std::string ip = to_text(command.spec.ip);
    if (!here.empty() && !is_own_address(command.spec.ip)) {
        const HeldAddress& one = here.front();
        return ip + " stays on " + one.interface +
               ": it was there before, this agent has not set it. To take it away: ip address "
               "del " +
               ip + "/" + std::to_string(one.prefix) + " dev " + one.interface;
    }
    for (const HeldAddress& one : here) {
        if (const auto removed = kernel.remove(one); !removed) {
            return removed.error();
        }
    }
    forget_own_address(command.spec.ip);
    return ip + " is gone";
}

int unknown(const base::Error& why) {
    std::printf("the status is unknown: %s\n", why.text.c_str());
    return kUnknown;
}

int status(const AddressCommand& command, Rtnetlink& kernel) {
    const auto held = kernel.addresses(command.spec.ip.v6);
    if (!held) {
        return unknown(held.error());
    }
    const std::vector<HeldAddress> here = serving(command, *held);
    const std::string ip = to_text(command.spec.ip);
    if (here.empty()) {
        std::printf("%s is stopped\n", ip.c_str());
        return kNotThere;
    }
    std::printf("%s is running on %s\n", ip.c_str(), here.front().interface.c_str());
    return kDone;
}

base::Result<std::string> announce_only(const AddressCommand& command) {
    if (command.operation == "stop") {
        end_announcer(command.spec.ip);
        return to_text(command.spec.ip) + " is no longer announced";
    }
    const base::Result<Interface> interface = find_interface(command.spec.interface);
    if (!interface) {
        return interface.error();
    }
    announce(command, *interface);
    return to_text(command.spec.ip) + " is announced on " + interface->name;
}

int report(const base::Result<std::string>& result) {
    if (!result) {
        std::fprintf(stderr, "ERROR: %s\n", result.error().text.c_str());
        return kFailed;
    }
    std::printf("INFO: %s\n", result.value().c_str());
    return kDone;
}

int run(const AddressCommand& command) {
    const bool asks = command.operation == "status" || command.operation == "monitor";
    if (command.agent == AddressAgent::SendArp) {
        if (asks) {
            std::printf("SendArp has no state: stopped\n");
            return kNotThere;
        }
        return report(announce_only(command));
    }
    base::Result<Rtnetlink> kernel = Rtnetlink::open();
    if (!kernel) {
        return asks ? unknown(kernel.error()) : report(kernel.error());
    }
    if (asks) {
        return status(command, *kernel);
    }
    return report(command.operation == "start" ? start(command, *kernel) : stop(command, *kernel));
}

base::Result<AddressAgent> agent_of(const std::string& name) {
    if (name == "IPaddr") {
        return AddressAgent::IPaddr;
    }
    if (name == "IPaddr2") {
        return AddressAgent::IPaddr2;
    }
    if (name == "IPv6addr") {
        return AddressAgent::IPv6addr;
    }
    if (name == "SendArp") {
        return AddressAgent::SendArp;
    }
    return unusable(name + " is none of IPaddr, IPaddr2, IPv6addr and SendArp");
}

}  // namespace

base::Result<AddressCommand> parse_address_command(const std::string& agent,
                                                   const std::vector<std::string>& words) {
    constexpr std::array<const char*, 4> kOperations = {"start", "stop", "status", "monitor"};
    const base::Result<AddressAgent> kind = agent_of(agent);
    if (!kind) {
        return kind.error();
    }
    AddressCommand command;
    command.agent = *kind;
    const bool announces = *kind == AddressAgent::SendArp;
    const std::string usage =
        "usage: " + agent +
        (announces ? " ip/interface"
                   : " ip[/mask[/interface[:label]][/broadcast]] [force|refuse]") +
        " start|stop|status|monitor";
    if (words.size() < 2 || words.size() > (announces ? 2U : 3U) ||
        std::find(kOperations.begin(), kOperations.end(), words.back()) == kOperations.end()) {
        return unusable(usage);
    }
    if (words.size() == 3 && words[1] != "force" && words[1] != "refuse") {
        return unusable(words[1] + " is neither force nor refuse; " + usage);
    }
    command.refuse_duplicate = words.size() == 3 && words[1] == "refuse";
    command.operation = words.back();
    const base::Result<AddressSpec> spec =
        announces ? parse_announcement(words[0]) : parse_address(words[0]);
    if (!spec) {
        return spec.error();
    }
    if (!announces && spec->ip.v6 != (*kind == AddressAgent::IPv6addr)) {
        return unusable(words[0] + ": " + agent + " is for the other kind of addresses");
    }
    command.spec = *spec;
    return command;
}

base::Result<HeldAddress> place_address(const AddressCommand& command,
                                        const std::vector<HeldAddress>& held,
                                        const std::vector<Route>& routes) {
    const AddressSpec& spec = command.spec;
    HeldAddress place;
    place.ip = spec.ip;
    place.interface = spec.interface;
    place.prefix = spec.prefix.value_or(0);
    if (spec.interface.empty() || !spec.prefix) {
        const Route* route = best_route(routes, spec.ip);
        if (route == nullptr) {
            return base::Error{base::ErrorCode::NotFound,
                               "no route leads to " + to_text(spec.ip) +
                                   ": write the mask and the interface in haresources"};
        }
        place.interface_index = route->interface_index;
        if (spec.interface.empty()) {
            place.interface = name_of_interface(route->interface_index);
        }
        if (!spec.prefix) {
            place.prefix =
                route->prefix == 0 ? static_cast<unsigned>(spec.ip.size()) * 8 : route->prefix;
        }
    }
    if (!spec.label.empty()) {
        place.label = place.interface + ":" + spec.label;
    } else if (command.agent == AddressAgent::IPaddr) {
        place.label = free_label(place.interface, held);
    }
    return place;
}

AnnouncePlan plan_of(AddressAgent agent) {
    using std::chrono::milliseconds;
    switch (agent) {
        case AddressAgent::IPaddr:
        case AddressAgent::SendArp:
            return {20, milliseconds(250)};
        case AddressAgent::IPaddr2:
            return {10, milliseconds(100)};
        case AddressAgent::IPv6addr:
            return {5, milliseconds(250)};
    }
    return {};
}

int run_address_agent(const std::string& agent, const std::vector<std::string>& words) {
    const base::Result<AddressCommand> command = parse_address_command(agent, words);
    if (!command) {
        std::fprintf(stderr, "ERROR: %s\n", command.error().text.c_str());
        return kWrongArguments;
    }
    return run(*command);
}

}  // namespace hb
