// The TCP connections of one resource, addressed by engine::SocketId. Bytes that arrive are cut
// into packets by engine::PacketStream, payload read straight into its buffers; packets to be sent
// are gathered and leave with one system call a turn. Wire specification, 1.2 and 1.3.
//
// Belongs to the resource's thread. A connection from an address that is not the peer's ends here,
// before it counts for anything. Whom else to believe, and when to give up, is the engine's
// business.
#pragma once

#include "config/settings.h"
#include "drbdd/engine/effects.h"
#include "drbdd/io/buffer.h"
#include "drbdd/runtime/event_sink.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace runtime {

class TcpSocket;

struct TcpSettings {
    config::Address local;
    config::Address peer;
    std::uint32_t sndbuf_bytes = 0;  // 0: left to the operating system
    std::uint32_t rcvbuf_bytes = 0;
    // Connections are taken from whatever address: the peer is behind address translation.
    bool any_peer_address = false;
    // Hears, now and then, of connections that were turned away.
    std::function<void(const std::string& what)> tell;
};

class TcpTransport {
public:
    // All four outlive the transport. Its end closes everything, without an event.
    TcpTransport(boost::asio::io_context& context,
                 io::BufferPool& pool,
                 EventSink& events,
                 TcpSettings settings);
    ~TcpTransport();

    // For connections made from now on.
    void change_settings(TcpSettings settings) { settings_ = std::move(settings); }

    // The effects of the same names. Failures come back as events.
    void start_listening();
    void stop_listening();
    void connect(engine::SocketId id);
    void send(engine::Send packet);
    void pause_reading(engine::SocketId id, bool paused);
    void close(engine::SocketId id, bool after_sending);

    // Writes what was given to send(): to be called at the end of each turn.
    void flush();

    // A socket takes no more for the moment.
    bool congested() const;

private:
    struct Listener;

    void wait_for_connections(const std::shared_ptr<Listener>& listener);
    void accept_some(const std::shared_ptr<Listener>& listener);
    void pause_accepting(const std::shared_ptr<Listener>& listener);
    void on_accepted(int fd, const boost::asio::ip::tcp::endpoint& from);
    bool is_peer(const boost::asio::ip::address& from) const;
    bool make_room();
    void turn_away(const boost::asio::ip::address& from);
    TcpSocket& add_socket(engine::SocketId id);
    std::size_t accepted_sockets() const;
    void forget_closed();

    boost::asio::io_context& context_;
    io::BufferPool& pool_;
    EventSink& events_;
    TcpSettings settings_;
    std::shared_ptr<Listener> listener_;
    std::map<engine::SocketId, std::shared_ptr<TcpSocket>> sockets_;
    std::vector<std::weak_ptr<TcpSocket>> lingering_;  // closed, their last bytes on the way
    std::vector<std::shared_ptr<TcpSocket>> unflushed_;
    std::uint32_t next_accepted_ = 0;
    std::uint64_t turned_away_ = 0;  // strangers that nobody has been told of
    std::chrono::steady_clock::time_point tell_after_;
};

}  // namespace runtime
