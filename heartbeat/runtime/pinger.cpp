#include "heartbeat/runtime/pinger.h"

#include "base/result.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/icmp.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr int kPacketsPerTurn = 64;
constexpr std::uint16_t kRecentRequests = 16;
constexpr std::size_t kMaxPacketBytes = 64 * 1024;

const char* protocol_name(IcmpFamily family) {
    return family == IcmpFamily::V4 ? "ICMP" : "ICMPv6";
}

base::Result<FileDescriptor> open_raw(IcmpFamily family) {
    const bool v4 = family == IcmpFamily::V4;
    FileDescriptor socket(
        ::socket(v4 ? AF_INET : AF_INET6,
                 SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6)));
    if (!socket.open()) {
        return base::Error{base::ErrorCode::Permission,
                           base::format("ping: cannot open a raw %s socket: %s",
                                        protocol_name(family),
                                        std::strerror(errno))};
    }
    // Replies only: the filter saves looking at the whole machine's ICMP.
    if (v4) {
        const icmp_filter filter{~(1u << ICMP_ECHOREPLY)};
        ::setsockopt(socket.get(), SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    } else {
        icmp6_filter filter{};
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        ::setsockopt(socket.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    }
    return socket;
}

bool same_host(const sockaddr_storage& a, const sockaddr_storage& b) {
    if (a.ss_family != b.ss_family) {
        return false;
    }
    if (a.ss_family == AF_INET6) {
        return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(&a)->sin6_addr,
                           &reinterpret_cast<const sockaddr_in6*>(&b)->sin6_addr,
                           sizeof(in6_addr)) == 0;
    }
    return reinterpret_cast<const sockaddr_in*>(&a)->sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in*>(&b)->sin_addr.s_addr;
}

}  // namespace

Pinger::Pinger(boost::asio::io_context& io,
               const std::vector<config::HaPing>& pings,
               Callback answered,
               base::LogSink& log)
    : io_(io),
      answered_(std::move(answered)),
      log_(log),
      id_(static_cast<std::uint16_t>(::getpid() & 0xffff)) {
    for (const config::HaPing& ping : pings) {
        Node node;
        node.name = ping.name;
        node.family = ping.v6 ? IcmpFamily::V6 : IcmpFamily::V4;
        for (const std::string& text : ping.addresses) {
            addrinfo hints{};
            hints.ai_family = ping.v6 ? AF_INET6 : AF_INET;
            addrinfo* found = nullptr;
            if (::getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0) {
                log_.write(base::LogLevel::Error, "ping: no address for '" + text + "'");
                continue;
            }
            Target target;
            std::memcpy(&target.address, found->ai_addr, found->ai_addrlen);
            target.length = found->ai_addrlen;
            ::freeaddrinfo(found);
            node.targets.push_back(target);
        }
        nodes_.push_back(std::move(node));
    }
}

std::optional<boost::asio::posix::stream_descriptor>& Pinger::socket_of(IcmpFamily family) {
    return family == IcmpFamily::V4 ? v4_ : v6_;
}

void Pinger::start() {
    for (const Node& node : nodes_) {
        if (!socket_of(node.family)) {
            open(node.family);
        }
    }
}

void Pinger::open(IcmpFamily family) {
    auto socket = open_raw(family);
    if (!socket) {
        log_.write(base::LogLevel::Error, socket.error().text);
        return;
    }
    socket_of(family).emplace(io_, socket->release());
    wait(family);
}

void Pinger::send(const std::string& name, const std::string& data) {
    for (Node& node : nodes_) {
        if (node.name != name || !socket_of(node.family)) {
            continue;
        }
        const std::string packet = encode_echo_request(node.family, {id_, ++node.sent, data});
        for (Target& target : node.targets) {
            const ssize_t sent = ::sendto(socket_of(node.family)->native_handle(),
                                          packet.data(),
                                          packet.size(),
                                          MSG_DONTWAIT,
                                          reinterpret_cast<const sockaddr*>(&target.address),
                                          target.length);
            if (sent < 0 && !target.complained) {
                log_.write(base::LogLevel::Error,
                           "ping " + name + ": cannot send: " + std::strerror(errno));
            }
            target.complained = sent < 0;
        }
    }
}

void Pinger::wait(IcmpFamily family) {
    socket_of(family)->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                  [this, family](const boost::system::error_code& stopped) {
                                      if (!stopped) {
                                          receive(family);
                                          wait(family);
                                      }
                                  });
}

void Pinger::receive(IcmpFamily family) {
    std::array<char, kMaxPacketBytes> buffer;
    for (int i = 0; i < kPacketsPerTurn; ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        const ssize_t got = ::recvfrom(socket_of(family)->native_handle(),
                                       buffer.data(),
                                       buffer.size(),
                                       MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr*>(&from),
                                       &length);
        if (got < 0) {
            return;
        }
        on_reply(family, from, {buffer.data(), static_cast<std::size_t>(got)});
    }
}

void Pinger::on_reply(IcmpFamily family, const sockaddr_storage& from, std::string_view packet) {
    const auto echo = decode_echo_reply(family, packet);
    if (!echo || echo->id != id_) {
        return;  // of another program's ping
    }
    for (Node& node : nodes_) {
        const auto age = static_cast<std::uint16_t>(node.sent - echo->sequence);
        const auto news = static_cast<std::uint16_t>(echo->sequence - node.answered);
        if (node.family != family || age >= kRecentRequests || news == 0 || news > 0x8000u) {
            continue;
        }
        for (const Target& target : node.targets) {
            if (same_host(target.address, from)) {
                node.answered = echo->sequence;
                answered_(node.name, echo->data);
                break;
            }
        }
    }
}

}  // namespace hb
