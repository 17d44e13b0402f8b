#include "heartbeat/agents/address/netlink_answers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <optional>
#include <sys/socket.h>

namespace hb {

namespace {

using Span = std::span<const std::uint8_t>;

constexpr std::size_t kMessageHead = NLMSG_ALIGN(sizeof(nlmsghdr));
constexpr std::size_t kAttributeHead = NLA_ALIGN(sizeof(nlattr));

// The structures of netlink are aligned where the kernel writes them, and need not be where we read
// them.
template <typename T>
std::optional<T> read(Span bytes) {
    if (bytes.size() < sizeof(T)) {
        return std::nullopt;
    }
    T out;
    std::memcpy(&out, bytes.data(), sizeof out);
    return out;
}

Span after(Span bytes, std::size_t size) {
    return bytes.subspan(std::min(bytes.size(), size));
}

// Of these a list goes on to its end, which an attribute may not be cut by.
template <typename Function>
void for_each_attribute(Span bytes, Function function) {
    for (auto head = read<nlattr>(bytes); head; head = read<nlattr>(bytes)) {
        if (head->nla_len < kAttributeHead || head->nla_len > bytes.size()) {
            return;
        }
        function(head->nla_type & NLA_TYPE_MASK,
                 bytes.first(head->nla_len).subspan(kAttributeHead));
        bytes = after(bytes, NLA_ALIGN(head->nla_len));
    }
}

// Only one that is whole.
std::optional<IpAddress> ip_in(Span bytes, bool v6) {
    IpAddress ip;
    ip.v6 = v6;
    if (bytes.size() != ip.size()) {
        return std::nullopt;
    }
    std::copy(bytes.begin(), bytes.end(), ip.bytes.begin());
    return ip;
}

std::string text_in(Span bytes) {
    return {bytes.begin(), std::find(bytes.begin(), bytes.end(), 0)};
}

bool known_family(unsigned family) {
    return family == AF_INET || family == AF_INET6;
}

unsigned bits_of(unsigned family) {
    return family == AF_INET6 ? 128 : 32;
}

void take_address(Span body, NetlinkAnswer& answer) {
    const auto head = read<ifaddrmsg>(body);
    if (!head || !known_family(head->ifa_family) ||
        head->ifa_prefixlen > bits_of(head->ifa_family)) {
        return;
    }
    const bool v6 = head->ifa_family == AF_INET6;
    HeldAddress held;
    held.prefix = head->ifa_prefixlen;
    held.interface_index = head->ifa_index;
    std::optional<IpAddress> local;
    std::optional<IpAddress> address;  // the partner's on a point-to-point link, ours else
    for_each_attribute(after(body, NLMSG_ALIGN(sizeof *head)), [&](unsigned type, Span value) {
        if (type == IFA_LOCAL) {
            local = ip_in(value, v6);
        } else if (type == IFA_ADDRESS) {
            address = ip_in(value, v6);
        } else if (type == IFA_LABEL) {
            held.label = text_in(value);
        }
    });
    if (local || address) {
        held.ip = local ? *local : *address;
        answer.addresses.push_back(std::move(held));
    }
}

void take_route(Span body, NetlinkAnswer& answer) {
    const auto head = read<rtmsg>(body);
    if (!head || head->rtm_type != RTN_UNICAST || !known_family(head->rtm_family) ||
        head->rtm_dst_len > bits_of(head->rtm_family)) {
        return;
    }
    Route route;
    route.network.v6 = head->rtm_family == AF_INET6;
    route.prefix = head->rtm_dst_len;
    bool whole = route.prefix == 0;  // the default route names no network
    for_each_attribute(after(body, NLMSG_ALIGN(sizeof *head)), [&](unsigned type, Span value) {
        if (type == RTA_DST) {
            const auto network = ip_in(value, route.network.v6);
            whole = network.has_value();
            route.network = network.value_or(route.network);
        } else if (type == RTA_OIF) {
            route.interface_index = read<std::uint32_t>(value).value_or(0);
        }
    });
    if (whole && route.interface_index != 0) {
        answer.routes.push_back(route);
    }
}

void end(NetlinkAnswer& answer, int error) {
    answer.ended = true;
    answer.error = error;
}

// What the kernel says is 0 or a negative errno.
void end_with(Span body, NetlinkAnswer& answer) {
    const auto code = read<std::int32_t>(body);
    if (!code || *code > 0 || *code == std::numeric_limits<std::int32_t>::min()) {
        return end(answer, EPROTO);
    }
    end(answer, -*code);
}

void take_message(const nlmsghdr& head, Span body, NetlinkAnswer& answer) {
    switch (head.nlmsg_type) {
        case NLMSG_ERROR:
            return end_with(body, answer);
        case NLMSG_DONE:
            return end(answer, answer.interrupted ? EINTR : 0);
        case NLMSG_OVERRUN:
            return end(answer, ENOBUFS);
        case RTM_NEWADDR:
            return take_address(body, answer);
        case RTM_NEWROUTE:
            return take_route(body, answer);
        default:
            return;
    }
}

}  // namespace

void take_netlink_answer(Span datagram, const NetlinkQuestion& question, NetlinkAnswer& answer) {
    while (!answer.ended && !datagram.empty()) {
        const auto head = read<nlmsghdr>(datagram);
        if (!head || head->nlmsg_len < kMessageHead || head->nlmsg_len > datagram.size()) {
            return end(answer, EPROTO);
        }
        if (head->nlmsg_seq == question.sequence && head->nlmsg_pid == question.port) {
            answer.interrupted |= (head->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            take_message(*head, datagram.first(head->nlmsg_len).subspan(kMessageHead), answer);
        }
        datagram = after(datagram, NLMSG_ALIGN(head->nlmsg_len));
    }
}

}  // namespace hb
