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
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace runtime {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// Whoever fills it keeps the peer out: it has room for what a flood brings in one turn of the loop.
constexpr int kBacklog = 512;
constexpr int kAcceptsPerTurn = 256;
// Connections that have not said who they are; the engine closes them in time.
constexpr std::size_t kMaxAcceptedSockets = 16;
constexpr auto kAcceptRetryTime = std::chrono::seconds(1);
constexpr auto kTellInterval = std::chrono::minutes(1);

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
        open_socket(listener->acceptor, local.protocol(), error);
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
    if (!error) {
        listener->acceptor.non_blocking(true, error);
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
    wait_for_connections(listener);
}

void TcpTransport::stop_listening() {
    if (const auto listener = std::exchange(listener_, nullptr)) {
        boost::system::error_code ignored;
        listener->acceptor.close(ignored);
        listener->retry.cancel();
    }
}

void TcpTransport::wait_for_connections(const std::shared_ptr<Listener>& listener) {
    listener->acceptor.async_wait(tcp::acceptor::wait_read,
                                  [this, listener](const boost::system::error_code& error) {
                                      if (!error && listener == listener_) {
                                          accept_some(listener);
                                      }
                                  });
}

void TcpTransport::accept_some(const std::shared_ptr<Listener>& listener) {
    // The engine may stop listening over what it hears: then the rest is reset.
    for (int count = 0; count < kAcceptsPerTurn && listener == listener_; ++count) {
        tcp::endpoint from;
        auto length = static_cast<socklen_t>(from.capacity());
        const int fd = ::accept4(
            listener->acceptor.native_handle(), from.data(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            from.resize(length);
            on_accepted(fd, from);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(listener);
            return;
        }
    }
    if (listener == listener_) {
        wait_for_connections(listener);
    }
}

// Who waits stays in the backlog, so the listener stays readable: without a pause this would spin.
void TcpTransport::pause_accepting(const std::shared_ptr<Listener>& listener) {
    listener->retry.expires_after(kAcceptRetryTime);
    listener->retry.async_wait([this, listener](const boost::system::error_code& stopped) {
        if (!stopped && listener == listener_) {
            accept_some(listener);
        }
    });
}

void TcpTransport::on_accepted(int fd, const tcp::endpoint& from) {
    if (!is_peer(from.address())) {
        // With a reset, which leaves nothing behind on our side.
        const linger at_once{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ::close(fd);
        turn_away(from.address());
        return;
    }
    boost::system::error_code error;
    tcp::socket socket(context_);
    socket.assign(from.protocol(), fd, error);
    if (error) {
        ::close(fd);
        return;
    }
    forget_closed();
    if (accepted_sockets() >= kMaxAcceptedSockets && !make_room()) {
        return;
    }
    const engine::SocketId id{engine::kAcceptedSocket | next_accepted_++};
    events_.on_event(engine::SocketAccepted{id});
    add_socket(id).adopt(std::move(socket));
}

// The kernel's peers bind their configured address, and so do we. The scope of a link-local address
// counts only where the configuration has one.
bool TcpTransport::is_peer(const asio::ip::address& from) const {
    boost::system::error_code error;
    const asio::ip::address peer = asio::ip::make_address(settings_.peer.ip, error);
    if (settings_.any_peer_address || from == peer) {
        return true;
    }
    return !error && peer.is_v6() && from.is_v6() && peer.to_v6().scope_id() == 0 &&
           peer.to_v6().to_bytes() == from.to_v6().to_bytes();
}

// Of those that have not said a word the oldest goes. It fails for the engine, too.
bool TcpTransport::make_room() {
    for (auto found = sockets_.lower_bound(engine::SocketId{engine::kAcceptedSocket});
         found != sockets_.end();
         ++found) {
        if (found->second->silent()) {
            const auto oldest = found->second;
            oldest->fail(ECONNABORTED);
            sockets_.erase(found);
            return true;
        }
    }
    return false;
}

void TcpTransport::turn_away(const asio::ip::address& from) {
    ++turned_away_;
    const auto now = std::chrono::steady_clock::now();
    if (now < tell_after_ || !settings_.tell) {
        return;
    }
    tell_after_ = now + kTellInterval;
    settings_.tell(
        base::format("event=stranger address=%s connections=%llu: turned away, since the "
                     "peer is %s",
                     from.to_string().c_str(),
                     static_cast<unsigned long long>(turned_away_),
                     settings_.peer.ip.c_str()));
    turned_away_ = 0;
}

std::size_t TcpTransport::accepted_sockets() const {
    const engine::SocketId first{engine::kAcceptedSocket};
    return static_cast<std::size_t>(std::distance(sockets_.lower_bound(first), sockets_.end()));
}

// Those that ended by themselves: the engine knows, and needs not close them.
void TcpTransport::forget_closed() {
    std::erase_if(sockets_, [](const auto& entry) { return entry.second->closed(); });
}

TcpSocket& TcpTransport::add_socket(engine::SocketId id) {
    forget_closed();
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
