#include "drbdd/control/admin_session.h"

#include "drbdd/control/admin_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <string_view>
#include <utility>

namespace control {

namespace asio = boost::asio;

AdminSession::AdminSession(AdminServer& server, asio::local::stream_protocol::socket socket)
    : server_(server), socket_(std::move(socket)), silence_(server.context_) {
}

void AdminSession::start() {
    read_line();
}

void AdminSession::read_line() {
    watch_silence();
    asio::async_read_until(
        socket_,
        asio::dynamic_buffer(input_, kMaxLineBytes),
        '\n',
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t length) {
            if (self->closed_) {
                return;
            }
            if (error == asio::error::not_found) {
                self->refuse("a line of more than 1 MiB");
            } else if (error) {
                self->close();
            } else {
                self->on_line(length);
            }
        });
}

// The next line is read when this one has been answered: a client that does not wait for replies
// holds up itself alone.
void AdminSession::on_line(std::size_t length) {
    silence_.cancel();
    const std::string line = input_.substr(0, length);
    input_.erase(0, length);
    base::Result<Request> request = parse_request(line);
    if (!request) {
        Reply refused;
        refused.id = id_of(line);
        refused.code = err::kInvalidRequest;
        refused.text = request.error().text;
        reply(refused);
        return;
    }
    server_.handle(shared_from_this(), std::move(*request));
}

void AdminSession::watch_silence() {
    silence_.expires_after(server_.options_.silence_deadline);
    silence_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) {
            self->close();
        }
    });
}

void AdminSession::reply(const Reply& reply) {
    if (closed_) {
        return;
    }
    send(to_line(reply));
    if (!subscription_ && !close_when_written_) {
        read_line();
    }
}

void AdminSession::refuse(const std::string& text) {
    close_when_written_ = true;
    Reply refused;
    refused.code = err::kPermission;
    refused.text = text;
    send(to_line(refused));
}

void AdminSession::subscribe(std::uint64_t request_id, std::string resource) {
    subscription_ = Subscription{request_id, std::move(resource)};
    // Nothing is expected from the client any more but its end.
    asio::async_read(socket_,
                     asio::dynamic_buffer(input_, kMaxLineBytes),
                     [self = shared_from_this()](const boost::system::error_code&, std::size_t) {
                         self->close();
                     });
}

bool AdminSession::wants_events_of(const std::string& resource) const {
    return subscription_ &&
           (subscription_->resource.empty() || subscription_->resource == resource);
}

void AdminSession::tell(const Event& event) {
    if (subscription_) {
        send(event_line(subscription_->request_id, event));
    }
}

void AdminSession::send(std::string line) {
    if (closed_) {
        return;
    }
    output_bytes_ += line.size();
    output_.push_back(std::move(line));
    if (subscription_ && output_bytes_ > kMaxQueuedEventBytes) {
        close();
        return;
    }
    write_next();
}

void AdminSession::write_next() {
    if (writing_ || output_.empty()) {
        if (output_.empty() && close_when_written_) {
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

void AdminSession::close_after_writing() {
    close_when_written_ = true;
    write_next();
}

void AdminSession::close() {
    if (std::exchange(closed_, true)) {
        return;
    }
    subscription_.reset();
    silence_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    server_.sessions_.erase(shared_from_this());
}

}  // namespace control
