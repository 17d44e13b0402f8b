// Addresses, routes and interfaces of this network namespace, over rtnetlink.
#pragma once

#include "heartbeat/agents/address/address_spec.h"
#include "heartbeat/agents/address/link_packets.h"
#include "heartbeat/agents/address/netlink_answers.h"

#include <optional>
#include <string>
#include <vector>

struct mnl_socket;

namespace hb {

struct Interface {
    unsigned index = 0;
    std::string name;
    MacAddress mac{};
    bool announces = false;  // has an Ethernet address and speaks ARP
};

// Empty when there is none of this number any more.
std::string name_of_interface(unsigned index);

class Rtnetlink {
public:
    static base::Result<Rtnetlink> open();
    ~Rtnetlink();
    Rtnetlink(Rtnetlink&& other) noexcept;
    Rtnetlink& operator=(Rtnetlink&&) = delete;

    base::Result<std::vector<HeldAddress>> addresses(bool v6);

    // Of the main and the local tables, those with an interface.
    base::Result<std::vector<Route>> routes(bool v6);

    // An address that is there already is no error. IPv6: usable at once, without the kernel's own
    // duplicate address detection.
    base::Result<void> add(const HeldAddress& address, const std::optional<IpAddress>& broadcast);

    // An address that is not there is no error.
    base::Result<void> remove(const HeldAddress& address);

private:
    explicit Rtnetlink(mnl_socket* socket) : socket_(socket) {}

    // Asks, and waits for the whole answer.
    NetlinkAnswer exchange(const void* request);
    NetlinkAnswer list(std::uint16_t what, bool v6);

    mnl_socket* socket_ = nullptr;
    unsigned sequence_ = 0;
};

// NotFound: no such interface.
base::Result<Interface> find_interface(const std::string& name);

// Whether an interface of ours has this MAC. A machine with two interfaces on one link answers for
// its address on both: that is no other owner.
bool is_own(const MacAddress& mac);

// If it is down.
base::Result<void> bring_up(const Interface& interface);

// The most specific route that leads to the address; a default route only if there is no other.
const Route* best_route(const std::vector<Route>& routes, const IpAddress& ip);

// The first of INTERFACE:0, INTERFACE:1... that no address has.
std::string free_label(const std::string& interface, const std::vector<HeldAddress>& held);

}  // namespace hb
