#include "kmod-shim/nbd/control.h"

#include <array>
#include <cerrno>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kFamily = "nbd";
constexpr timeval kAnswerTime{10, 0};

}  // namespace

Result<NbdControl> NbdControl::open() {
    NbdControl control(Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC)));
    if (!control.socket_) {
        return system_error("cannot open a netlink socket");
    }
    ::setsockopt(control.socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime);
    const auto reply = control.ask(netlink::family_request(kFamily, ++control.sequence_),
                                   "cannot look for the kernel's nbd driver");
    if (!reply && reply.error().code != ErrorCode::NotFound) {
        return reply.error();
    }
    if (!reply || !reply->family) {
        return Error{ErrorCode::NotFound,
                     "the kernel's nbd driver is not there (modprobe nbd), or does not answer in "
                     "this network namespace"};
    }
    control.family_ = *reply->family;
    return control;
}

Result<std::uint32_t> NbdControl::connect(netlink::NbdRequest request) {
    request.command = netlink::Command::Connect;
    const auto reply = ask(netlink::nbd_request(request, family_, ++sequence_),
                           "the kernel does not connect an nbd device");
    if (!reply) {
        return reply.error();
    }
    if (!reply->index) {
        return Error{ErrorCode::Io, "the kernel does not say which nbd device it has connected"};
    }
    return *reply->index;
}

Result<void> NbdControl::reconfigure(netlink::NbdRequest request) {
    request.command = netlink::Command::Reconfigure;
    const auto reply =
        ask(netlink::nbd_request(request, family_, ++sequence_),
            "the kernel does not reconfigure nbd" + std::to_string(request.index.value_or(0)));
    return reply ? Result<void>() : reply.error();
}

Result<void> NbdControl::disconnect(std::uint32_t index) {
    netlink::NbdRequest request;
    request.command = netlink::Command::Disconnect;
    request.index = index;
    const auto reply = ask(netlink::nbd_request(request, family_, ++sequence_),
                           "the kernel does not disconnect nbd" + std::to_string(index));
    return reply ? Result<void>() : reply.error();
}

// Until the kernel says that it has finished; what it says before that is put together.
Result<netlink::Reply> NbdControl::ask(const netlink::Message& message, const std::string& what) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(socket_.get(),
                 message.data(),
                 message.size(),
                 0,
                 reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel) != static_cast<ssize_t>(message.size())) {
        return system_error(what);
    }
    netlink::Reply all;
    while (!all.error) {
        std::array<std::uint8_t, 16384> datagram{};
        const ssize_t got = ::recv(socket_.get(), datagram.data(), datagram.size(), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return system_error(what);
        }
        const auto reply = netlink::parse_reply(
            base::ConstBytes(datagram.data(), static_cast<std::size_t>(got)), family_, sequence_);
        if (!reply) {
            return Error{reply.error().code, what + ": " + reply.error().text};
        }
        all.error = reply->error;
        all.family = reply->family ? reply->family : all.family;
        all.index = reply->index ? reply->index : all.index;
    }
    if (*all.error != 0) {
        errno = *all.error;
        return system_error(what + (errno == EPERM ? " (CAP_SYS_ADMIN is needed)" : ""));
    }
    return all;
}

}  // namespace shim
