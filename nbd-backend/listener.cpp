#include "nbd-backend/listener.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace nbd {

namespace {

constexpr std::chrono::milliseconds kPause{200};

bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

}  // namespace

Listener::Listener(boost::asio::io_context& io,
                   std::string name,
                   unsigned most_a_turn,
                   std::function<void(int)> accepted,
                   base::LogSink& log)
    : socket_(io),
      pause_(io),
      name_(std::move(name)),
      most_a_turn_(most_a_turn),
      accepted_(std::move(accepted)),
      log_(log) {
}

Listener::~Listener() {
    close();
}

base::Result<void> Listener::start(int socket) {
    boost::system::error_code error;
    socket_.assign(socket, error);
    if (error) {
        ::close(socket);
        return base::Error{base::ErrorCode::Io, "watching " + name_ + ": " + error.message()};
    }
    wait();
    return {};
}

void Listener::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    pause_.cancel();
}

void Listener::wait() {
    socket_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& error) {
            if (!error && !alive.expired()) {
                accept_all();
            }
        });
}

void Listener::accept_all() {
    for (unsigned accepted = 0; socket_.is_open();) {
        if (most_a_turn_ != 0 && accepted == most_a_turn_) {
            pause();
            return;
        }
        const int client =
            ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            ++accepted;
            accepted_(client);
        } else if (is_shortage(errno)) {
            log_.write(base::LogLevel::Warning,
                       name_ + ": cannot accept a client now: " + std::strerror(errno));
            pause();
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            wait();
            return;
        }
    }
}

// The client that waits keeps the socket readable: without a pause this would spin.
void Listener::pause() {
    pause_.expires_after(kPause);
    pause_.async_wait(
        [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& cancelled) {
            if (!cancelled && !alive.expired() && socket_.is_open()) {
                accept_all();
            }
        });
}

}  // namespace nbd
