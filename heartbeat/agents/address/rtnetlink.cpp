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

IpAddress ip_in(const nlattr* attribute, bool v6) {
    IpAddress ip;
    ip.v6 = v6;
    const std::size_t size = std::min<std::size_t>(mnl_attr_get_payload_len(attribute), ip.size());
    std::memcpy(ip.bytes.data(), mnl_attr_get_payload(attribute), size);
    return ip;
}

template <typename Function>
void for_each_attribute(const nlmsghdr* message, std::size_t head_bytes, Function function) {
    const auto each = [](const nlattr* attribute, void* data) {
        (*static_cast<Function*>(data))(attribute);
        return MNL_CB_OK;
    };
    mnl_attr_parse(message, static_cast<unsigned>(head_bytes), each, &function);
}

int take_address(const nlmsghdr* message, void* data) {
    auto& out = *static_cast<std::vector<HeldAddress>*>(data);
    const auto* head = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    const bool v6 = head->ifa_family == AF_INET6;
    HeldAddress held;
    held.prefix = head->ifa_prefixlen;
    held.interface_index = head->ifa_index;
    held.interface = name_of_interface(head->ifa_index);
    bool local = false;
    for_each_attribute(message, sizeof(*head), [&](const nlattr* attribute) {
        switch (mnl_attr_get_type(attribute)) {
            case IFA_LOCAL:
                held.ip = ip_in(attribute, v6);
                local = true;
                break;
            case IFA_ADDRESS:  // the partner's on a point-to-point link, ours else
                held.ip = local ? held.ip : ip_in(attribute, v6);
                break;
            case IFA_LABEL:
                held.label = mnl_attr_get_str(attribute);
                break;
            default:
                break;
        }
    });
    out.push_back(held);
    return MNL_CB_OK;
}

int take_route(const nlmsghdr* message, void* data) {
    auto& out = *static_cast<std::vector<Route>*>(data);
    const auto* head = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    Route route;
    route.network.v6 = head->rtm_family == AF_INET6;
    route.prefix = head->rtm_dst_len;
    for_each_attribute(message, sizeof(*head), [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) == RTA_DST) {
            route.network = ip_in(attribute, route.network.v6);
        } else if (mnl_attr_get_type(attribute) == RTA_OIF) {
            route.interface_index = mnl_attr_get_u32(attribute);
        }
    });
    if (route.interface_index != 0 && head->rtm_type == RTN_UNICAST) {
        out.push_back(route);
    }
    return MNL_CB_OK;
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

// 0, or the errno that the kernel answered.
int Rtnetlink::exchange(const void* request, int (*callback)(const void*, void*), void* data) {
    const auto* message = static_cast<const nlmsghdr*>(request);
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) {
        return errno;
    }

    struct Context {
        int (*callback)(const void*, void*);
        void* data;
    } context{callback, data};

    const auto each = [](const nlmsghdr* answer, void* raw) {
        const auto& to = *static_cast<Context*>(raw);
        return to.callback == nullptr ? MNL_CB_OK : to.callback(answer, to.data);
    };
    alignas(nlmsghdr) std::array<char, kBufferBytes> buffer;
    for (;;) {
        const ssize_t got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
        if (got < 0) {
            return errno;
        }
        const int state = mnl_cb_run(buffer.data(),
                                     static_cast<std::size_t>(got),
                                     message->nlmsg_seq,
                                     mnl_socket_get_portid(socket_),
                                     each,
                                     &context);
        if (state <= 0) {
            return state == 0 ? 0 : errno;
        }
    }
}

base::Result<std::vector<HeldAddress>> Rtnetlink::addresses(bool v6) {
    alignas(nlmsghdr) std::array<char, 512> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_GETADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence_;
    auto* head = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    head->ifa_family = v6 ? AF_INET6 : AF_INET;
    std::vector<HeldAddress> out;
    const int error = exchange(
        message,
        [](const void* answer, void* data) {
            return take_address(static_cast<const nlmsghdr*>(answer), data);
        },
        &out);
    if (error != 0) {
        return failed("the addresses of this machine cannot be listed", error);
    }
    return out;
}

base::Result<std::vector<Route>> Rtnetlink::routes(bool v6) {
    alignas(nlmsghdr) std::array<char, 512> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_GETROUTE;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence_;
    auto* head = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
    head->rtm_family = v6 ? AF_INET6 : AF_INET;
    std::vector<Route> out;
    const int error = exchange(
        message,
        [](const void* answer, void* data) {
            return take_route(static_cast<const nlmsghdr*>(answer), data);
        },
        &out);
    if (error != 0) {
        return failed("the routes of this machine cannot be listed", error);
    }
    return out;
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
    const int error = exchange(message, nullptr, nullptr);
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
    const int error = exchange(message, nullptr, nullptr);
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
