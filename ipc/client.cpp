#include "ipc/client.h"

#include "ipc/json.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace ipc {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

// Milliseconds for poll(), rounded up so that the last turn does not spin.
int poll_timeout(const std::optional<SteadyTime>& until) {
    if (!until) {
        return -1;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*until - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
}

}  // namespace

Client::Client(DaemonWords words, std::string path)
    : words_(std::move(words)), path_(std::move(path)) {
}

Client::~Client() {
    close();
}

void Client::close() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
    received_.clear();
}

Error Client::failed(const std::string& what, int error) const {
    const std::string text = what + " '" + path_ + "': " + std::strerror(error);
    // A daemon that was killed a moment ago may still reset connections to its socket.
    if (error == ENOENT || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE) {
        return {ErrorCode::NotFound,
                words_.daemon + " is not running here (" + text + "). " + words_.start +
                    "; --run-dir or DRBDD_RUN_DIR name another one."};
    }
    if (error == EACCES || error == EPERM) {
        return {ErrorCode::Permission, text + ". Only root may use the " + words_.socket + "."};
    }
    return {ErrorCode::Io, text};
}

Error Client::no_answer() const {
    return {ErrorCode::Timeout,
            words_.daemon + " does not answer on '" + path_ + "' " + words_.no_answer};
}

bool Client::wait_for(short events, std::optional<SteadyTime> until) const {
    pollfd poll_fd{fd_, events, 0};
    int ready = 0;
    do {
        ready = ::poll(&poll_fd, 1, poll_timeout(until));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

// A local connect succeeds or fails at once; EAGAIN means that the daemon has not accepted for
// long.
Result<void> Client::connect() {
    if (fd_ >= 0) {
        return {};
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        return failed("the path of the " + words_.socket + " is too long:", ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        return failed("no socket for", errno);
    }
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        close();
        return error == EAGAIN ? no_answer() : failed("cannot connect to", error);
    }
    return {};
}

// However long the answer may take, the daemon reads the request at once, or hangs.
Result<void> Client::send(const std::string& line, std::optional<SteadyTime> until) {
    if (const Result<void> connected = connect(); !connected) {
        return connected.error();
    }
    const SteadyTime soon = std::chrono::steady_clock::now() + kAnswerTime;
    const SteadyTime limit = until ? std::min(*until, soon) : soon;
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t count = ::send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            if (!wait_for(POLLOUT, limit)) {
                close();  // or half a request would stand before the next one
                return no_answer();
            }
        } else if (errno != EINTR) {
            return failed("cannot write to", errno);
        }
    }
    return {};
}

Result<std::optional<std::string>> Client::read_line(std::optional<SteadyTime> until) {
    std::size_t searched = 0;
    while (true) {
        if (const std::size_t end = received_.find('\n', searched); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return std::optional(std::move(line));
        }
        searched = received_.size();
        if (searched > kMaxLineBytes) {
            return Error{ErrorCode::Invalid, words_.daemon + " sent a line of more than 1 MiB"};
        }
        if (!wait_for(POLLIN, until)) {
            return std::optional<std::string>();
        }
        std::array<char, 16384> chunk;
        const ssize_t count = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (count > 0) {
            received_.append(chunk.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            return Error{ErrorCode::Io,
                         words_.daemon + " closed the connection on '" + path_ + "'"};
        } else if (errno != EAGAIN && errno != EINTR) {
            return failed("cannot read from", errno);
        }
    }
}

}  // namespace ipc
