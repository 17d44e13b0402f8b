#include "drbdd/runtime/tcp_transport.h"

#include "base/log.h"
#include "base/require.h"
#include "drbdd/runtime/tcp_socket.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

namespace runtime {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kBacklog = 5;
// Connections of strangers that have not said who they are; the engine closes them in time.
constexpr std::size_t kMaxAcceptedSockets = 16;
constexpr auto kAcceptRetryTime = std::chrono::seconds(1);

tcp::endpoint endpoint(const config::Address& address, boost::system::error_code& error) {
    return {asio::ip::make_address(address.ip, error), address.port};
}

}  // namespace

struct TcpTransport::Listener {
    explicit Listener(asio::io_context& context) : acceptor(context), retry(context) {}

    tcp::acceptor acceptor;
    asio::steady_timer retry;  // after a failed accept (no file descriptors left)
};

TcpTransport::TcpTransport(asio::io_context& context,
                           io::BufferPool& pool,
                           EventSink& events,
                           TcpSettings settings)
    : context_(context), pool_(pool), events_(events), settings_(std::move(settings)) {
}

TcpTransport::~TcpTransport() {
    stop_listening();
    for (const auto& [id, socket] : sockets_) {
        socket->close();
    }
    for (const auto& socket : lingering_) {
        if (const auto alive = socket.lock()) {
            alive->close();
        }
    }
}

void TcpTransport::start_listening() {
    stop_listening();
    const auto listener = std::make_shared<Listener>(context_);
    boost::system::error_code error;
    const tcp::endpoint local = endpoint(settings_.local, error);
    if (!error) {
        listener->acceptor.open(local.protocol(), error);
    }
    if (!error) {
        listener->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error && settings_.rcvbuf_bytes != 0) {
        listener->acceptor.set_option(
            asio::socket_base::receive_buffer_size(static_cast<int>(settings_.rcvbuf_bytes)),
            error);
    }
    if (!error && settings_.sndbuf_bytes != 0) {
        listener->acceptor.set_option(
            asio::socket_base::send_buffer_size(static_cast<int>(settings_.sndbuf_bytes)), error);
    }
    if (!error) {
        listener->acceptor.bind(local, error);
    }
    if (!error) {
        listener->acceptor.listen(kBacklog, error);
    }
    if (error) {
        events_.on_event(
            engine::ListenFailed{base::format("cannot listen on %s: %s",
                                              config::to_string(settings_.local).c_str(),
                                              error.message().c_str()),
                                 error == boost::system::errc::address_not_available});
        return;
    }
    listener_ = listener;
    accept_next(listener);
}

void TcpTransport::stop_listening() {
    if (const auto listener = std::exchange(listener_, nullptr)) {
        boost::system::error_code ignored;
        listener->acceptor.close(ignored);
        listener->retry.cancel();
    }
}

void TcpTransport::accept_next(const std::shared_ptr<Listener>& listener) {
    listener->acceptor.async_accept(
        [this, listener](const boost::system::error_code& error, tcp::socket socket) {
            if (listener != listener_) {
                return;  // stopped meanwhile: the connection is reset
            }
            if (!error) {
                if (accepted_sockets() < kMaxAcceptedSockets) {
                    const engine::SocketId id{engine::kAcceptedSocket | next_accepted_++};
                    events_.on_event(engine::SocketAccepted{id});
                    add_socket(id).adopt(std::move(socket));
                }
                accept_next(listener);
                return;
            }
            listener->retry.expires_after(kAcceptRetryTime);
            listener->retry.async_wait([this, listener](const boost::system::error_code& stopped) {
                if (!stopped && listener == listener_) {
                    accept_next(listener);
                }
            });
        });
}

std::size_t TcpTransport::accepted_sockets() const {
    const engine::SocketId first{engine::kAcceptedSocket};
    return static_cast<std::size_t>(std::distance(sockets_.lower_bound(first), sockets_.end()));
}

TcpSocket& TcpTransport::add_socket(engine::SocketId id) {
    // Those that ended by themselves: the engine knows, and needs not close them.
    std::erase_if(sockets_, [](const auto& entry) { return entry.second->closed(); });
    const auto added =
        sockets_.emplace(id, std::make_shared<TcpSocket>(context_, pool_, events_, id));
    REQUIRE(added.second);  // ids are never used twice
    return *added.first->second;
}

void TcpTransport::connect(engine::SocketId id) {
    boost::system::error_code error;
    tcp::endpoint from = endpoint(settings_.local, error);
    from.port(0);
    boost::system::error_code peer_error;
    const tcp::endpoint to = endpoint(settings_.peer, peer_error);
    if (error || peer_error) {
        events_.on_event(engine::SocketClosed{id, EINVAL});
        return;
    }
    add_socket(id).connect(from, to, settings_.sndbuf_bytes, settings_.rcvbuf_bytes);
}

void TcpTransport::send(engine::Send packet) {
    const auto found = sockets_.find(packet.socket);
    if (found != sockets_.end() && found->second->send(std::move(packet))) {
        unflushed_.push_back(found->second);
    }
}

void TcpTransport::flush() {
    for (const auto& socket : std::exchange(unflushed_, {})) {
        socket->flush();
    }
}

bool TcpTransport::congested() const {
    return std::any_of(sockets_.begin(), sockets_.end(), [](const auto& entry) {
        return entry.second->congested();
    });
}

void TcpTransport::pause_reading(engine::SocketId id, bool paused) {
    const auto found = sockets_.find(id);
    if (found != sockets_.end()) {
        found->second->pause_reading(paused);
    }
}

void TcpTransport::close(engine::SocketId id, bool after_sending) {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) {
        return;
    }
    if (after_sending) {
        std::erase_if(lingering_, [](const auto& socket) { return socket.expired(); });
        lingering_.push_back(found->second);
        found->second->close_after_sending();
    } else {
        found->second->close();
    }
    sockets_.erase(found);
}

}  // namespace runtime
