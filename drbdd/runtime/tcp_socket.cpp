#include "drbdd/runtime/tcp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace runtime {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// What one socket may read in one turn of the loop, so that no peer keeps the others waiting.
constexpr std::size_t kReadBudgetBytes = 1u << 20;
constexpr std::size_t kMaxVectors = 256;
constexpr auto kLingerTime = std::chrono::seconds(1);

std::size_t size_of(const engine::Send& packet) {
    return packet.head.size() + packet.payload.length;
}

}  // namespace

TcpSocket::TcpSocket(asio::io_context& context,
                     io::BufferPool& pool,
                     EventSink& events,
                     engine::SocketId id)
    : socket_(context), linger_(context), stream_(pool), events_(events), id_(id) {
}

void TcpSocket::connect(const tcp::endpoint& from,
                        const tcp::endpoint& to,
                        std::uint32_t sndbuf_bytes,
                        std::uint32_t rcvbuf_bytes) {
    boost::system::error_code error;
    open_socket(socket_, to.protocol(), error);
    if (!error && sndbuf_bytes != 0) {
        socket_.set_option(asio::socket_base::send_buffer_size(static_cast<int>(sndbuf_bytes)),
                           error);
    }
    if (!error && rcvbuf_bytes != 0) {
        socket_.set_option(asio::socket_base::receive_buffer_size(static_cast<int>(rcvbuf_bytes)),
                           error);
    }
    if (!error) {
        socket_.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
        socket_.bind(from, error);
    }
    if (error) {
        fail(error.value());
        return;
    }
    socket_.async_connect(to, [self = shared_from_this()](const boost::system::error_code& result) {
        self->on_connected(result);
    });
}

void TcpSocket::on_connected(const boost::system::error_code& error) {
    if (state_ != State::Connecting) {
        return;
    }
    if (error) {
        fail(error.value());
        return;
    }
    prepare();
    events_.on_event(engine::SocketConnected{id_});
    wait_for_bytes();
}

void TcpSocket::adopt(tcp::socket accepted) {
    socket_ = std::move(accepted);
    prepare();
    wait_for_bytes();
}

void TcpSocket::prepare() {
    boost::system::error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    state_ = State::Open;
}

void TcpSocket::wait_for_bytes() {
    if (std::exchange(waiting_for_bytes_, true)) {
        return;
    }
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->waiting_for_bytes_ = false;
                           if (!error) {
                               self->read_some();
                           }
                       });
}

void TcpSocket::read_some() {
    if (state_ == State::Draining) {
        discard_until_end();
        return;
    }
    std::size_t budget = kReadBudgetBytes;
    while (state_ == State::Open && !paused_ && budget > 0) {
        if (!read_once(budget)) {
            return;
        }
    }
    if (state_ == State::Open && !paused_) {
        wait_for_bytes();
    }
}

void TcpSocket::pause_reading(bool paused) {
    paused_ = paused;
    if (!paused && state_ == State::Open && !broken_) {
        wait_for_bytes();
    }
}

// False: the socket is finished, or its stream is. A budget of 0: nothing more to read for now.
bool TcpSocket::read_once(std::size_t& budget) {
    const engine::PacketStream::Room room = stream_.room();
    std::array<iovec, 2> vectors{};
    int count = 0;
    for (const base::Bytes part : {room.payload, room.head}) {
        if (!part.empty()) {
            vectors[static_cast<std::size_t>(count++)] = {part.data(), part.size()};
        }
    }
    const ssize_t got = ::readv(socket_.native_handle(), vectors.data(), count);
    if (got > 0) {
        const auto bytes = static_cast<std::size_t>(got);
        // Less than there was room for: the socket is empty, no need to hear EAGAIN.
        const bool emptied = bytes < room.payload.size() + room.head.size();
        budget = emptied ? 0 : budget - std::min(budget, bytes);
        return deliver(bytes);
    }
    if (got == 0) {
        fail(0);
        return false;
    }
    if (errno == EAGAIN) {
        budget = 0;
    } else if (errno != EINTR) {
        fail(errno);
        return false;
    }
    return true;
}

bool TcpSocket::deliver(std::size_t count) {
    packets_.clear();
    const base::Result<void> committed = stream_.commit(count, packets_);
    for (engine::Packet& packet : packets_) {
        heard_ = true;
        events_.on_event(engine::PacketArrived{id_, std::move(packet)});
    }
    packets_.clear();
    if (!committed) {
        broken_ = true;
        events_.on_event(engine::StreamBroken{id_, committed.error().text});
        return false;
    }
    return true;
}

bool TcpSocket::send(engine::Send packet) {
    if (state_ != State::Open || size_of(packet) == 0) {
        return false;
    }
    queue_.push_back(std::move(packet));
    return !std::exchange(unflushed_, true);
}

void TcpSocket::flush() {
    unflushed_ = false;
    if (waiting_for_room_ || (state_ != State::Open && state_ != State::Draining)) {
        return;
    }
    const std::uint64_t before = written_total_;
    int error = 0;
    while (error == 0 && !queue_.empty()) {
        error = write_once();
    }
    if (written_total_ != before && state_ == State::Open) {
        events_.on_event(engine::SocketWritten{id_, written_total_});
    }
    if (error == EAGAIN) {
        wait_for_room();
    } else if (error != 0) {
        fail(error);
    } else if (state_ == State::Draining) {
        // All has been written. Closing now, with bytes of the peer's unread, would make the kernel
        // reset the connection and the peer lose what is still on its way: say "end", and read
        // until it does.
        boost::system::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        discard_until_end();
    }
}

// 0 or errno.
int TcpSocket::write_once() {
    std::array<iovec, kMaxVectors> vectors;
    std::size_t count = 0;
    std::size_t skip = front_written_;
    const auto add = [&](std::uint8_t* data, std::size_t size) {
        const std::size_t skipped = std::min(skip, size);
        skip -= skipped;
        if (size > skipped) {
            vectors[count++] = {data + skipped, size - skipped};
        }
    };
    for (engine::Send& packet : queue_) {
        if (count + 2 > kMaxVectors) {
            break;
        }
        add(packet.head.data(), packet.head.size());
        const base::Bytes payload = packet.payload.bytes();
        add(payload.data(), payload.size());
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        return errno == EINTR ? 0 : errno;
    }
    drop_written(static_cast<std::size_t>(sent));
    return 0;
}

void TcpSocket::drop_written(std::size_t count) {
    written_total_ += count;
    front_written_ += count;
    while (!queue_.empty() && front_written_ >= size_of(queue_.front())) {
        front_written_ -= size_of(queue_.front());
        queue_.pop_front();
    }
}

void TcpSocket::wait_for_room() {
    waiting_for_room_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->waiting_for_room_ = false;
                           if (!error) {
                               self->flush();
                           }
                       });
}

void TcpSocket::fail(int error) {
    const bool tell = state_ == State::Connecting || state_ == State::Open;
    close();
    if (tell) {
        events_.on_event(engine::SocketClosed{id_, error});
    }
}

void TcpSocket::close() {
    state_ = State::Closed;
    queue_.clear();
    boost::system::error_code ignored;
    socket_.close(ignored);
    linger_.cancel();
}

void TcpSocket::close_after_sending() {
    if (state_ != State::Open) {
        close();
        return;
    }
    state_ = State::Draining;
    linger_.expires_after(kLingerTime);
    linger_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) {
            self->close();
        }
    });
    flush();
}

void TcpSocket::discard_until_end() {
    std::array<std::uint8_t, 4096> scrap;
    for (int turns = 0; turns < 64; ++turns) {
        const ssize_t got =
            ::recv(socket_.native_handle(), scrap.data(), scrap.size(), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            close();
            return;
        }
        if (got < 0 && errno == EAGAIN) {
            break;
        }
    }
    wait_for_bytes();
}

}  // namespace runtime
