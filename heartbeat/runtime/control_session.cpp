#include "heartbeat/runtime/control_session.h"

#include "heartbeat/runtime/control_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <utility>

namespace hb {

namespace asio = boost::asio;

namespace {

constexpr auto kSilenceLimit = std::chrono::seconds(60);
constexpr std::size_t kReadBytes = 16 * 1024;

}  // namespace

ControlSession::ControlSession(ControlServer& server, asio::local::stream_protocol::socket socket)
    : server_(server), socket_(std::move(socket)), silence_(server.io_) {
}

void ControlSession::start() {
    watch_silence();
    read();
}

// A client that asks nothing and waits for nothing only takes a place.
void ControlSession::watch_silence() {
    silence_.expires_after(kSilenceLimit);
    silence_.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
        if (stopped || self->closed_) {
            return;
        }
        if (self->waiting_requests_ == 0 && !self->subscription_) {
            self->close();
        } else {
            self->watch_silence();
        }
    });
}

void ControlSession::read() {
    const std::size_t before = input_.size();
    input_.resize(before + kReadBytes);
    socket_.async_read_some(asio::buffer(input_.data() + before, kReadBytes),
                            [self = shared_from_this(), before](
                                const boost::system::error_code& error, std::size_t length) {
                                if (self->closed_) {
                                    return;
                                }
                                self->input_.resize(before + length);
                                if (error) {
                                    self->close();
                                    return;
                                }
                                self->watch_silence();
                                self->take_lines();
                                if (!self->closed_ && !self->refused_) {
                                    self->read();
                                }
                            });
}

void ControlSession::take_lines() {
    std::size_t begin = 0;
    std::size_t end = 0;
    while (!closed_ && !refused_ && (end = input_.find('\n', begin)) != std::string::npos) {
        on_line(std::string_view(input_).substr(begin, end - begin));
        begin = end + 1;
    }
    input_.erase(0, begin);
    if (input_.size() >= control::kMaxLineBytes) {
        refuse("the line is too long");
    }
}

void ControlSession::on_line(std::string_view line) {
    const auto request = control::parse_request(line);
    if (!request) {
        refuse(request.error().text);
        return;
    }
    if (waiting_requests_ >= kMaxWaitingRequests) {
        control::Reply busy;
        busy.id = request->id;
        busy.exit = control::kExitRefused;
        busy.text = "too many requests of this client wait for an answer";
        send(control::to_line(busy));
        return;
    }
    ++waiting_requests_;
    if (request->kind == control::RequestKind::Subscribe) {
        control::Reply subscribed;
        subscribed.id = request->id;
        reply(std::move(subscribed));
        subscription_ = request->id;
        return;
    }
    server_.handler_(*request,
                     [self = shared_from_this(), id = request->id](control::Reply answer) {
                         answer.id = id;
                         self->reply(std::move(answer));
                     });
}

void ControlSession::reply(control::Reply reply) {
    --waiting_requests_;
    send(control::to_line(reply));
}

void ControlSession::tell(const control::Event& event) {
    if (subscription_) {
        send(control::event_line(*subscription_, event));
    }
}

void ControlSession::refuse(const std::string& why) {
    refused_ = true;
    control::Reply reply;
    reply.exit = control::kExitBadRequest;
    reply.text = why;
    send(control::to_line(reply));
}

void ControlSession::send(std::string line) {
    if (closed_) {
        return;
    }
    output_bytes_ += line.size();
    output_.push_back(std::move(line));
    if (output_bytes_ > control::kMaxQueuedBytes) {
        close();
        return;
    }
    write_next();
}

void ControlSession::write_next() {
    if (writing_) {
        return;
    }
    if (output_.empty()) {
        if (refused_) {
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
            if (self->closed_) {
                return;
            }
            if (error) {
                self->close();
                return;
            }
            self->output_bytes_ -= self->output_.front().size();
            self->output_.pop_front();
            self->write_next();
        });
}

void ControlSession::close() {
    if (std::exchange(closed_, true)) {
        return;
    }
    silence_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    server_.sessions_.erase(shared_from_this());
}

}  // namespace hb
