#include "heartbeat/runtime/udp_medium.h"

#include "base/log.h"
#include "heartbeat/runtime/boot_timer.h"
#include "heartbeat/runtime/source_filter.h"
#include "heartbeat/wire/message.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace hb {

namespace {

constexpr auto kCheckInterval = std::chrono::milliseconds(500);
// Per turn of the loop: a flood must not keep our own heartbeat from being sent.
constexpr int kDatagramsPerTurn = 64;

}  // namespace

UdpMedium::UdpMedium(boost::asio::io_context& io, UdpMediumConfig config, MediumEvents& events)
    : io_(io),
      config_(std::move(config)),
      description_(description_of(config_)),
      events_(events),
      link_(*this, events),
      check_(io),
      pause_(io),
      buffer_(wire::kMaxMessageBytes + 1) {
}

void UdpMedium::start() {
    look_up_peer(config_);
    open();
    look_after();
}

void UdpMedium::open() {
    auto sockets = open_udp_sockets(config_);
    if (!sockets) {
        link_.down(sockets.error().text);
        return;
    }
    if (auto good = check_interface(config_, *sockets); !good) {
        link_.down(good.error().text);
        return;
    }
    sockets_ = std::move(*sockets);
    filtered_ = false;
    if (std::holds_alternative<config::HaUcast>(config_)) {
        gate_.expect(source_of(sockets_->destination));
    }
    receiving_.emplace(io_, sockets_->receiving.release());
    wait_for_bytes();
    link_.up();
}

void UdpMedium::close(const std::string& why) {
    pause_.cancel();
    receiving_.reset();
    sockets_.reset();
    link_.down(why);
}

void UdpMedium::look_after() {
    check_.expires_after(kCheckInterval);
    check_.async_wait([this](const boost::system::error_code& stopped) {
        if (stopped) {
            return;
        }
        if (!sockets_) {
            open();
        } else if (auto good = check_interface(config_, *sockets_); !good) {
            close(good.error().text);
        }
        look_after();
    });
}

void UdpMedium::send(const Outgoing& message) {
    if (!sockets_) {
        return;
    }
    const ssize_t sent = ::sendto(sockets_->sending.get(),
                                  message.netstring.data(),
                                  message.netstring.size(),
                                  MSG_DONTWAIT,
                                  reinterpret_cast<const sockaddr*>(&sockets_->destination),
                                  sockets_->destination_length);
    if (sent >= 0) {
        link_.up();
    } else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) {
        // Tried again with the next message; nothing has to be opened anew.
        link_.down(description_ + ": cannot send: " + std::strerror(errno));
    }
}

void UdpMedium::wait_for_bytes() {
    receiving_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& stopped) {
                               if (stopped || !receiving_) {
                                   return;
                               }
                               poll();
                               guard_against_floods();
                           });
}

void UdpMedium::poll() {
    for (int i = 0; i < kDatagramsPerTurn && receiving_ && read_one(); ++i) {
    }
}

bool UdpMedium::read_one() {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(receiving_->native_handle(),
                                   buffer_.data(),
                                   buffer_.size(),
                                   MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from),
                                   &length);
    if (got < 0) {
        return false;  // nothing more, or an ICMP error of an earlier send: the next send tells
    }
    const auto bytes = static_cast<std::size_t>(got);
    const bool good = events_.on_bytes(*this, {buffer_.data(), bytes});
    gate_.note(source_of(from), good, bytes, boot_time());
    return true;
}

// Called after each turn, and while the gate is closed twice a second.
void UdpMedium::guard_against_floods() {
    if (!receiving_) {
        return;
    }
    const auto& only = gate_.only(boot_time());
    if (only.empty() == filtered_) {
        const bool v6 = sockets_->destination.ss_family == AF_INET6;
        const bool done = filter_sources(receiving_->native_handle(), v6, only);
        if (done && !filtered_) {
            events_.on_flood(*this,
                             "flooded with datagrams that no node of ours has signed: for some "
                             "seconds only those from the addresses of our nodes are read");
        }
        filtered_ = done && !only.empty();
    }
    const auto pause = gate_.pause(boot_time());
    if (pause <= pause.zero()) {
        wait_for_bytes();
        return;
    }
    pause_.expires_after(pause);
    pause_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped && receiving_) {
            wait_for_bytes();
        }
    });
}

}  // namespace hb
