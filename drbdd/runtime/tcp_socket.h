// One TCP connection of a TcpTransport.
#pragma once

#include "drbdd/engine/effects.h"
#include "drbdd/engine/peer/packet_stream.h"
#include "drbdd/runtime/event_sink.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace runtime {

// As open(), but no child of ours inherits it.
template <typename Socket>
void open_socket(Socket& socket,
                 const boost::asio::ip::tcp& protocol,
                 boost::system::error_code& error) {
    const int fd = ::socket(protocol.family(), protocol.type() | SOCK_CLOEXEC, protocol.protocol());
    if (fd < 0) {
        error.assign(errno, boost::system::system_category());
        return;
    }
    socket.assign(protocol, fd, error);
    if (error) {
        ::close(fd);
    }
}

// Kept by its transport and by the handlers under way; after close() nothing is told any more.
class TcpSocket : public std::enable_shared_from_this<TcpSocket> {
public:
    TcpSocket(boost::asio::io_context& context,
              io::BufferPool& pool,
              EventSink& events,
              engine::SocketId id);

    // Binds to `from`, an address with port 0, and connects. SocketConnected or SocketClosed
    // follows. Buffer sizes of 0 are left to the operating system.
    void connect(const boost::asio::ip::tcp::endpoint& from,
                 const boost::asio::ip::tcp::endpoint& to,
                 std::uint32_t sndbuf_bytes,
                 std::uint32_t rcvbuf_bytes);

    // Takes an accepted connection. SocketAccepted is the caller's.
    void adopt(boost::asio::ip::tcp::socket accepted);

    // Queued until flush(). True if this is the first since the last flush().
    bool send(engine::Send packet);
    void flush();

    // While paused, what the peer sends stays with the operating system, and then with the peer.
    void pause_reading(bool paused);

    void close();
    // Gives what is queued at most a second to reach the peer.
    void close_after_sending();

    // Ends it, and tells so.
    void fail(int error);

    bool closed() const { return state_ == State::Closed; }

    // Nothing of what has arrived was a packet yet.
    bool silent() const { return !heard_; }

    // More is queued than the operating system takes now.
    bool congested() const { return waiting_for_room_; }

private:
    enum class State { Connecting, Open, Draining, Closed };

    void on_connected(const boost::system::error_code& error);
    void prepare();
    void wait_for_bytes();
    void read_some();
    bool read_once(std::size_t& budget);
    bool deliver(std::size_t count);
    void wait_for_room();
    int write_once();
    void drop_written(std::size_t count);
    void discard_until_end();

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer linger_;
    engine::PacketStream stream_;
    EventSink& events_;
    engine::SocketId id_;
    State state_ = State::Connecting;
    std::deque<engine::Send> queue_;
    std::size_t front_written_ = 0;  // bytes of queue_.front() that have left
    bool unflushed_ = false;
    bool waiting_for_room_ = false;
    bool waiting_for_bytes_ = false;
    bool paused_ = false;
    bool heard_ = false;
    bool broken_ = false;  // the stream cannot be followed any more
    std::uint64_t written_total_ = 0;
    std::vector<engine::Packet> packets_;
};

}  // namespace runtime
