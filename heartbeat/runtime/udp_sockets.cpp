#include "heartbeat/runtime/udp_sockets.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>
#include <type_traits>
#include <utility>

namespace hb {

namespace {

std::uint16_t port_of(const UdpMediumConfig& medium) {
    return std::visit([](const auto& it) { return it.port; }, medium);
}

bool is_v6(const UdpMediumConfig& medium) {
    return std::visit(
        [](const auto& it) {
            if constexpr (std::is_same_v<std::decay_t<decltype(it)>, config::HaBcast>) {
                return false;
            } else {
                return it.v6;
            }
        },
        medium);
}

base::Error failure(const UdpMediumConfig& medium, const std::string& what, int number) {
    return {base::ErrorCode::Io,
            base::format("%s: cannot %s: %s",
                         description_of(medium).c_str(),
                         what.c_str(),
                         std::strerror(number))};
}

template <typename T>
bool set_option(int socket, int level, int option, const T& value) {
    return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

bool bind_to_interface(int socket, const std::string& interface) {
    return ::setsockopt(socket,
                        SOL_SOCKET,
                        SO_BINDTODEVICE,
                        interface.c_str(),
                        static_cast<socklen_t>(interface.size() + 1)) == 0;
}

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

Address wildcard(bool v6, std::uint16_t port) {
    Address address;
    if (v6) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        std::memcpy(&address.storage, &in6, sizeof in6);
        address.length = sizeof in6;
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&address.storage, &in, sizeof in);
        address.length = sizeof in;
    }
    return address;
}

// Addresses only: looking up a name would stop the loop.
base::Result<Address> resolve(const UdpMediumConfig& medium,
                              const std::string& host,
                              unsigned interface_index) {
    addrinfo hints{};
    hints.ai_family = is_v6(medium) ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(port_of(medium));
    const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) {
        return base::Error{base::ErrorCode::NotFound,
                           description_of(medium) + ": no address of '" + host +
                               "': " + ::gai_strerror(error) +
                               " (names are looked up at the start only; better write an address)"};
    }
    Address address;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    address.length = found->ai_addrlen;
    ::freeaddrinfo(found);
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (in6->sin6_family == AF_INET6 &&
        (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MULTICAST(&in6->sin6_addr))) {
        in6->sin6_scope_id = interface_index;
    }
    return address;
}

base::Result<Address> broadcast_address(const config::HaBcast& medium) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, medium.interface.c_str(), IFNAMSIZ - 1);
    if (::ioctl(socket.get(), SIOCGIFBRDADDR, &request) != 0) {
        return failure(medium, "find the broadcast address of the interface", errno);
    }
    Address address;
    sockaddr_in in{};
    std::memcpy(&in, &request.ifr_broadaddr, sizeof in);
    if (in.sin_addr.s_addr == 0) {
        return base::Error{base::ErrorCode::NotFound,
                           description_of(medium) + ": the interface has no broadcast address"};
    }
    in.sin_family = AF_INET;
    in.sin_port = htons(medium.port);
    std::memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
    return address;
}

base::Result<Address> destination_of(const UdpMediumConfig& medium, unsigned interface_index) {
    if (const auto* bcast = std::get_if<config::HaBcast>(&medium)) {
        return broadcast_address(*bcast);
    }
    if (const auto* mcast = std::get_if<config::HaMcast>(&medium)) {
        return resolve(medium, mcast->group, interface_index);
    }
    return resolve(medium, std::get<config::HaUcast>(medium).peer, interface_index);
}

bool join_group(int socket, const Address& group, unsigned interface_index) {
    if (group.storage.ss_family == AF_INET6) {
        ipv6_mreq request{};
        request.ipv6mr_multiaddr = reinterpret_cast<const sockaddr_in6*>(&group.storage)->sin6_addr;
        request.ipv6mr_interface = interface_index;
        return set_option(socket, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    }
    ip_mreqn request{};
    request.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(&group.storage)->sin_addr;
    request.imr_ifindex = static_cast<int>(interface_index);
    return set_option(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, request);
}

bool set_multicast_sending(int socket, const config::HaMcast& medium, unsigned interface_index) {
    const int ttl = medium.ttl;
    const int loop = medium.loop ? 1 : 0;
    const int index = static_cast<int>(interface_index);
    if (medium.v6) {
        return set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl) &&
               set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop) &&
               set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
    }
    ip_mreqn from{};
    from.imr_ifindex = index;
    return set_option(socket, IPPROTO_IP, IP_MULTICAST_TTL, ttl) &&
           set_option(socket, IPPROTO_IP, IP_MULTICAST_LOOP, loop) &&
           set_option(socket, IPPROTO_IP, IP_MULTICAST_IF, from);
}

base::Result<FileDescriptor> open_receiving(const UdpMediumConfig& medium,
                                            const UdpSockets& sockets) {
    const bool v6 = is_v6(medium);
    FileDescriptor socket(
        ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!socket.open() || !set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, on) ||
        !set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, on) ||
        !bind_to_interface(socket.get(), interface_of(medium)) ||
        (v6 && !set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, on))) {
        return failure(medium, "make the receiving socket", errno);
    }
    const Address address = wildcard(v6, port_of(medium));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) !=
        0) {
        return failure(medium, base::format("bind to port %u", port_of(medium)), errno);
    }
    if (std::holds_alternative<config::HaMcast>(medium) &&
        !join_group(socket.get(),
                    {sockets.destination, sockets.destination_length},
                    sockets.interface_index)) {
        return failure(medium, "join the multicast group", errno);
    }
    return socket;
}

base::Result<FileDescriptor> open_sending(const UdpMediumConfig& medium,
                                          const UdpSockets& sockets) {
    const bool v6 = is_v6(medium);
    FileDescriptor socket(
        ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int low_delay = IPTOS_LOWDELAY;
    const int on = 1;
    const bool good = socket.open() && bind_to_interface(socket.get(), interface_of(medium)) &&
                      (v6 ? set_option(socket.get(), IPPROTO_IPV6, IPV6_TCLASS, low_delay)
                          : set_option(socket.get(), IPPROTO_IP, IP_TOS, low_delay)) &&
                      (!std::holds_alternative<config::HaBcast>(medium) ||
                       set_option(socket.get(), SOL_SOCKET, SO_BROADCAST, on));
    if (!good) {
        return failure(medium, "make the sending socket", errno);
    }
    if (const auto* mcast = std::get_if<config::HaMcast>(&medium);
        mcast != nullptr && !set_multicast_sending(socket.get(), *mcast, sockets.interface_index)) {
        return failure(medium, "set up multicast", errno);
    }
    return socket;
}

}  // namespace

const std::string& interface_of(const UdpMediumConfig& medium) {
    return std::visit([](const auto& it) -> const std::string& { return it.interface; }, medium);
}

std::string description_of(const UdpMediumConfig& medium) {
    const std::string port = std::to_string(port_of(medium));
    const std::string six = is_v6(medium) ? "6 " : " ";
    if (const auto* ucast = std::get_if<config::HaUcast>(&medium)) {
        return "ucast" + six + ucast->interface + " " + ucast->peer + ":" + port;
    }
    if (const auto* mcast = std::get_if<config::HaMcast>(&medium)) {
        return "mcast" + six + mcast->interface + " " + mcast->group + ":" + port;
    }
    return "bcast " + interface_of(medium) + ":" + port;
}

void look_up_peer(UdpMediumConfig& medium) {
    auto* ucast = std::get_if<config::HaUcast>(&medium);
    if (ucast == nullptr) {
        return;
    }
    addrinfo hints{};
    hints.ai_family = ucast->v6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(ucast->peer.c_str(), nullptr, &hints, &found) != 0) {
        return;
    }
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(found->ai_addr,
                      found->ai_addrlen,
                      text.data(),
                      text.size(),
                      nullptr,
                      0,
                      NI_NUMERICHOST) == 0) {
        ucast->peer = text.data();
    }
    ::freeaddrinfo(found);
}

base::Result<UdpSockets> open_udp_sender(const UdpMediumConfig& medium) {
    UdpSockets sockets;
    sockets.interface_index = ::if_nametoindex(interface_of(medium).c_str());
    if (sockets.interface_index == 0) {
        return base::Error{base::ErrorCode::NotFound,
                           description_of(medium) + ": there is no such interface"};
    }
    const auto destination = destination_of(medium, sockets.interface_index);
    if (!destination) {
        return destination.error();
    }
    sockets.destination = destination->storage;
    sockets.destination_length = destination->length;
    auto sending = open_sending(medium, sockets);
    if (!sending) {
        return sending.error();
    }
    sockets.sending = std::move(*sending);
    return sockets;
}

base::Result<UdpSockets> open_udp_sockets(const UdpMediumConfig& medium) {
    auto sockets = open_udp_sender(medium);
    if (!sockets) {
        return sockets;
    }
    auto receiving = open_receiving(medium, *sockets);
    if (!receiving) {
        return receiving.error();
    }
    sockets->receiving = std::move(*receiving);
    return sockets;
}

base::Result<void> check_interface(const UdpMediumConfig& medium, const UdpSockets& sockets) {
    const unsigned index = ::if_nametoindex(interface_of(medium).c_str());
    if (index != sockets.interface_index) {
        return base::Error{
            base::ErrorCode::NotFound,
            description_of(medium) +
                (index == 0 ? ": the interface is gone" : ": the interface is another one")};
    }
    ifreq request{};
    std::strncpy(request.ifr_name, interface_of(medium).c_str(), IFNAMSIZ - 1);
    if (::ioctl(sockets.sending.get(), SIOCGIFFLAGS, &request) != 0 ||
        (request.ifr_flags & IFF_UP) == 0) {
        return base::Error{base::ErrorCode::State,
                           description_of(medium) + ": the interface is down"};
    }
    if (const auto* bcast = std::get_if<config::HaBcast>(&medium)) {
        const auto now = broadcast_address(*bcast);
        if (!now) {
            return now.error();
        }
        if (std::memcmp(&now->storage, &sockets.destination, now->length) != 0) {
            return base::Error{base::ErrorCode::State,
                               description_of(medium) + ": the interface has another address"};
        }
    }
    return {};
}

}  // namespace hb
