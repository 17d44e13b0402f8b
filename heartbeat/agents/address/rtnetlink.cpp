#include "heartbeat/agents/address/rtnetlink.h"

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hb {

namespace {

constexpr std::size_t kBufferBytes = 32768;

base::Error failed(const std::string& what, int error) {
    const base::ErrorCode code =
        error == EPERM || error == EACCES ? base::ErrorCode::Permission : base::ErrorCode::Io;
    return {code, what + ": " + std::strerror(error)};
}

class InterfaceSocket {
public:
    explicit InterfaceSocket(const std::string& name)
        : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        name.copy(request_.ifr_name, IFNAMSIZ - 1);
    }

    ~InterfaceSocket() { ::close(fd_); }

    InterfaceSocket(const InterfaceSocket&) = delete;
    InterfaceSocket& operator=(const InterfaceSocket&) = delete;

    bool ask(unsigned long what) { return ::ioctl(fd_, what, &request_) == 0; }

    ifreq& request() { return request_; }

private:
    int fd_;
    ifreq request_{};
};

}  // namespace

std::string name_of_interface(unsigned index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(index, name.data()) == nullptr ? std::string() : name.data();
}

base::Result<Rtnetlink> Rtnetlink::open() {
    mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (socket == nullptr || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        const int error = errno;
        if (socket != nullptr) {
            mnl_socket_close(socket);
        }
        return failed("rtnetlink cannot be opened", error);
    }
    return Rtnetlink(socket);
}

Rtnetlink::~Rtnetlink() {
    if (socket_ != nullptr) {
        mnl_socket_close(socket_);
    }
}

Rtnetlink::Rtnetlink(Rtnetlink&& other) noexcept
    : socket_(std::exchange(other.socket_, nullptr)), sequence_(other.sequence_) {
}

NetlinkAnswer Rtnetlink::exchange(const void* request) {
    const auto* message = static_cast<const nlmsghdr*>(request);
    NetlinkAnswer answer;
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) {
        answer.error = errno;
        return answer;
    }
    const NetlinkQuestion question{message->nlmsg_seq, mnl_socket_get_portid(socket_)};
    std::array<std::uint8_t, kBufferBytes> buffer;
    while (!answer.ended) {
        const ssize_t got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
        if (got < 0) {
            answer.error = errno;
            return answer;
        }
        take_netlink_answer(
            std::span(buffer).first(static_cast<std::size_t>(got)), question, answer);
    }
    return answer;
}

// What the kernel lists. A list that changes while it is given has holes, and is asked for again.
NetlinkAnswer Rtnetlink::list(std::uint16_t what, bool v6) {
    constexpr int kTries = 5;
    NetlinkAnswer answer;
    for (int tries = 0; tries == 0 || (answer.error == EINTR && tries < kTries); ++tries) {
        alignas(nlmsghdr) std::array<char, 512> buffer{};
        nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
        message->nlmsg_type = what;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        message->nlmsg_seq = ++sequence_;
        // Both begin with the family, and the rest is left open.
        const std::size_t size = what == RTM_GETADDR ? sizeof(ifaddrmsg) : sizeof(rtmsg);
        *static_cast<std::uint8_t*>(mnl_nlmsg_put_extra_header(message, size)) =
            v6 ? AF_INET6 : AF_INET;
        answer = exchange(message);
    }
    return answer;
}

base::Result<std::vector<HeldAddress>> Rtnetlink::addresses(bool v6) {
    NetlinkAnswer answer = list(RTM_GETADDR, v6);
    if (answer.error != 0) {
        return failed("the addresses of this machine cannot be listed", answer.error);
    }
    for (HeldAddress& held : answer.addresses) {
        held.interface = name_of_interface(held.interface_index);
    }
    return std::move(answer.addresses);
}

base::Result<std::vector<Route>> Rtnetlink::routes(bool v6) {
    NetlinkAnswer answer = list(RTM_GETROUTE, v6);
    if (answer.error != 0) {
        return failed("the routes of this machine cannot be listed", answer.error);
    }
    return std::move(answer.routes);
}

base::Result<void> Rtnetlink::add(const HeldAddress& address,
                                  const std::optional<IpAddress>& broadcast) {
    alignas(nlmsghdr) std::array<char, 512> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_NEWADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    message->nlmsg_seq = ++sequence_;
    auto* head = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    head->ifa_family = address.ip.v6 ? AF_INET6 : AF_INET;
    head->ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
    head->ifa_flags = address.ip.v6 ? IFA_F_NODAD : 0;
    head->ifa_index = address.interface_index;
    mnl_attr_put(message, IFA_LOCAL, address.ip.size(), address.ip.bytes.data());
    mnl_attr_put(message, IFA_ADDRESS, address.ip.size(), address.ip.bytes.data());
    if (broadcast) {
        mnl_attr_put(message, IFA_BROADCAST, broadcast->size(), broadcast->bytes.data());
    }
    if (!address.label.empty() && !address.ip.v6) {
        mnl_attr_put_strz(message, IFA_LABEL, address.label.c_str());
    }
    const int error = exchange(message).error;
    if (error != 0 && error != EEXIST) {
        return failed(to_text(address.ip) + " cannot be added to " + address.interface, error);
    }
    return {};
}

base::Result<void> Rtnetlink::remove(const HeldAddress& address) {
    alignas(nlmsghdr) std::array<char, 512> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_DELADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = ++sequence_;
    auto* head = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    head->ifa_family = address.ip.v6 ? AF_INET6 : AF_INET;
    head->ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
    head->ifa_index = address.interface_index;
    mnl_attr_put(message, IFA_LOCAL, address.ip.size(), address.ip.bytes.data());
    const int error = exchange(message).error;
    if (error != 0 && error != EADDRNOTAVAIL) {
        return failed(to_text(address.ip) + " cannot be removed from " + address.interface, error);
    }
    return {};
}

base::Result<Interface> find_interface(const std::string& name) {
    InterfaceSocket socket(name);
    if (name.empty() || name.size() >= IFNAMSIZ || !socket.ask(SIOCGIFFLAGS)) {
        return base::Error{base::ErrorCode::NotFound, "there is no interface " + name};
    }
    const int flags = socket.request().ifr_flags;
    Interface out;
    out.name = name;
    out.index = ::if_nametoindex(name.c_str());
    if (socket.ask(SIOCGIFHWADDR) && socket.request().ifr_hwaddr.sa_family == ARPHRD_ETHER) {
        std::memcpy(out.mac.data(), socket.request().ifr_hwaddr.sa_data, out.mac.size());
        out.announces = (flags & IFF_NOARP) == 0;
    }
    return out;
}

bool is_own(const MacAddress& mac) {
    struct if_nameindex* const all = ::if_nameindex();
    bool found = false;
    for (auto* one = all; one != nullptr && one->if_index != 0 && !found; ++one) {
        const base::Result<Interface> interface = find_interface(one->if_name);
        found = interface && interface->announces && interface->mac == mac;
    }
    ::if_freenameindex(all);
    return found;
}

base::Result<void> bring_up(const Interface& interface) {
    InterfaceSocket socket(interface.name);
    if (!socket.ask(SIOCGIFFLAGS)) {
        return failed("interface " + interface.name, errno);
    }
    const int flags = socket.request().ifr_flags;
    if ((flags & IFF_UP) != 0) {
        return {};
    }
    socket.request().ifr_flags = static_cast<short>(flags | IFF_UP);
    if (!socket.ask(SIOCSIFFLAGS)) {
        return failed("interface " + interface.name + " is down and cannot be brought up", errno);
    }
    return {};
}

const Route* best_route(const std::vector<Route>& routes, const IpAddress& ip) {
    const Route* best = nullptr;
    for (const Route& route : routes) {
        const bool leads = route.network.v6 == ip.v6 &&
                           (route.prefix == 0 || same_network(route.network, ip, route.prefix));
        if (leads && (best == nullptr || route.prefix > best->prefix)) {
            best = &route;
        }
    }
    return best;
}

std::string free_label(const std::string& interface, const std::vector<HeldAddress>& held) {
    for (unsigned number = 0;; ++number) {
        std::string label = interface + ":" + std::to_string(number);
        if (std::none_of(held.begin(), held.end(), [&](const HeldAddress& address) {
                return address.label == label;
            })) {
            return label;
        }
    }
}

}  // namespace hb
