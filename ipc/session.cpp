#include "ipc/session.h"

#include "base/require.h"
#include "ipc/json.h"
#include "ipc/server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <utility>

namespace ipc {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

}  // namespace

Session::Session(Server& server, asio::local::stream_protocol::socket socket)
    : server_(server), socket_(std::move(socket)), silence_(socket_.get_executor()) {
}

void Session::start() {
    watch_silence();
    go_on();
}

// A client that asks nothing and waits for nothing only takes a place. Half a line is no request.
void Session::watch_silence() {
    silent_since_ = std::chrono::steady_clock::now();
    silence_.expires_after(server_.options_.silence);
    silence_.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
        if (!stopped && self->waiting_ == 0 && !self->subscription_) {
            self->close();
        }
    });
}

// --- Requests -----------------------------------------------------------------------------------

// Takes what has come, then reads on. A client that does not wait for its answers holds up itself
// alone: its further lines stay where they are.
void Session::go_on() {
    if (taking_lines_ || reading_) {
        return;
    }
    take_lines();
    if (!closed_ && !ending_ && waiting_ < server_.options_.requests) {
        read();
    }
}

void Session::take_lines() {
    taking_lines_ = true;
    std::size_t begin = 0;
    std::size_t end = 0;
    while (!closed_ && !ending_ && waiting_ < server_.options_.requests &&
           (end = input_.find('\n', begin)) != std::string::npos) {
        ++waiting_;
        silence_.cancel();
        server_.service_.on_line(shared_from_this(),
                                 std::string_view(input_).substr(begin, end - begin));
        begin = end + 1;
    }
    input_.erase(0, begin);
    taking_lines_ = false;
    if (!closed_ && !ending_ && input_.size() >= kMaxLineBytes) {
        refuse(server_.service_.refusal(Refusal::LineTooLong));
    }
}

void Session::read() {
    reading_ = true;
    const std::size_t before = input_.size();
    input_.resize(before + kReadBytes);
    socket_.async_read_some(asio::buffer(input_.data() + before, kReadBytes),
                            [self = shared_from_this(), before](
                                const boost::system::error_code& error, std::size_t length) {
                                self->reading_ = false;
                                self->input_.resize(before + length);
                                if (error) {
                                    self->close();
                                } else if (!self->closed_) {
                                    self->go_on();
                                }
                            });
}

void Session::answer(std::string line) {
    tell(std::move(line));
    done();
}

void Session::done() {
    REQUIRE(waiting_ > 0);
    --waiting_;
    if (closed_) {
        return;
    }
    if (waiting_ == 0 && !subscription_) {
        watch_silence();
    }
    go_on();
}

void Session::subscribe(Subscription subscription) {
    subscription_ = std::move(subscription);
}

// --- Lines to the client ------------------------------------------------------------------------

void Session::tell(std::string line) {
    if (closed_) {
        return;
    }
    output_bytes_ += line.size();
    output_.push_back(std::move(line));
    if (output_bytes_ > kMaxQueuedBytes) {
        close();
        return;
    }
    write_next();
}

void Session::refuse(std::string line) {
    watch_silence();
    ending_ = true;
    tell(std::move(line));
}

void Session::close_after_writing() {
    ending_ = true;
    write_next();
}

void Session::write_next() {
    if (writing_ || closed_) {
        return;
    }
    if (output_.empty()) {
        if (ending_) {
            close();
        }
        return;
    }
    writing_ = true;
    asio::async_write(
        socket_,
        asio::buffer(output_.front()),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
            self->writing_ = false;
            if (error) {
                self->close();
            }
            if (self->closed_) {
                return;
            }
            self->output_bytes_ -= self->output_.front().size();
            self->output_.pop_front();
            self->write_next();
        });
}

void Session::close() {
    if (std::exchange(closed_, true)) {
        return;
    }
    silence_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    server_.sessions_.erase(shared_from_this());
}

}  // namespace ipc
