#include "heartbeat/agents/address/link_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;

// Of all IPv6 traffic only neighbour advertisements may wake us. Offsets count from the Ethernet
// header: next header at 20, ICMPv6 type at 54.
int let_only_advertisements_pass(int fd) {
    std::array<sock_filter, 6> code = {{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    }};
    const sock_fprog program{code.size(), code.data()};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace

base::Result<LinkSocket> LinkSocket::open(const Interface& interface, const IpAddress& ip) {
    // Protocol 0: nothing is received before the filter is in place.
    LinkSocket out(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ip.v6 ? ETH_P_IPV6 : ETH_P_ARP);
    address.sll_ifindex = static_cast<int>(interface.index);
    packet_mreq all_multicast{};  // advertisements to other groups than ours
    all_multicast.mr_ifindex = address.sll_ifindex;
    all_multicast.mr_type = PACKET_MR_ALLMULTI;
    const bool ready =
        out.fd_ >= 0 && (!ip.v6 || let_only_advertisements_pass(out.fd_) == 0) &&
        (!ip.v6 ||
         ::setsockopt(
             out.fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all_multicast, sizeof all_multicast) ==
             0) &&
        ::bind(out.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!ready) {
        const int error = errno;
        return base::Error{error == EPERM ? base::ErrorCode::Permission : base::ErrorCode::Io,
                           std::string("a packet socket on ") + interface.name +
                               " cannot be opened: " + std::strerror(error)};
    }
    return out;
}

LinkSocket::~LinkSocket() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

LinkSocket::LinkSocket(LinkSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {
}

int LinkSocket::send(const Frame& frame) const {
    const ssize_t sent = ::send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(frame.size()) ? 0 : errno;
}

std::optional<AddressClaim> LinkSocket::next_claim() const {
    std::array<std::uint8_t, 256> frame{};
    for (;;) {
        const ssize_t got = ::recv(fd_, frame.data(), frame.size(), 0);
        if (got < 0) {
            return std::nullopt;
        }
        if (const auto claim = claim_in(std::span(frame).first(static_cast<std::size_t>(got)))) {
            return claim;
        }
    }
}

std::optional<MacAddress> wait_for_claim(const LinkSocket& socket,
                                         const IpAddress& ip,
                                         Clock::time_point deadline) {
    for (;;) {
        while (const auto claim = socket.next_claim()) {
            if (claim->ip == ip && !is_own(claim->mac)) {
                return claim->mac;
            }
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{socket.fd(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
            return std::nullopt;
        }
    }
}

std::optional<MacAddress> find_other_owner(const LinkSocket& socket,
                                           const IpAddress& ip,
                                           const MacAddress& own,
                                           std::chrono::milliseconds wait) {
    constexpr int kProbes = 3;
    const Frame probe = ip.v6 ? neighbour_probe(ip, own) : arp_probe(ip, own);
    for (int number = 0; number < kProbes; ++number) {
        socket.send(probe);
        if (const auto mac = wait_for_claim(socket, ip, Clock::now() + wait / kProbes)) {
            return mac;
        }
    }
    return std::nullopt;
}

}  // namespace hb
