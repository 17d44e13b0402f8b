#include "heartbeat/tools/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace hb::tools {

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

Connection::Connection(std::string run_dir)
    : path_(std::move(run_dir) + "/" + control::kSocketName) {
}

Connection::~Connection() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Error Connection::failed(const std::string& what, int error) const {
    const std::string text = what + " '" + path_ + "': " + std::strerror(error);
    if (error == ENOENT || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE) {
        return {ErrorCode::NotFound,
                "heartbeat is not running here (" + text +
                    "). 'systemctl start heartbeat' starts it; --run-dir or DRBDD_RUN_DIR name "
                    "another one."};
    }
    if (error == EACCES || error == EPERM) {
        return {ErrorCode::Permission, text + ". Only root may use the control socket."};
    }
    return {ErrorCode::Io, text};
}

Error Connection::no_answer() const {
    return {ErrorCode::Timeout,
            "heartbeat does not answer on '" + path_ + "' in time. Look into its log."};
}

bool Connection::wait_for(short events, std::optional<SteadyTime> until) const {
    pollfd poll_fd{fd_, events, 0};
    int ready = 0;
    do {
        ready = ::poll(&poll_fd, 1, poll_timeout(until));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

// A local connect succeeds or fails at once; EAGAIN means that the daemon has not accepted for
// long.
Result<void> Connection::connect() {
    if (fd_ >= 0) {
        return {};
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        return failed("the path of the control socket is too long:", ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        return failed("no socket for", errno);
    }
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(fd_);
        fd_ = -1;
        return error == EAGAIN ? no_answer() : failed("cannot connect to", error);
    }
    return {};
}

Result<void> Connection::send(const std::string& line, SteadyTime until) {
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t count = ::send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            if (!wait_for(POLLOUT, until)) {
                return no_answer();
            }
        } else if (errno != EINTR) {
            return failed("cannot write to", errno);
        }
    }
    return {};
}

Result<std::string> Connection::read_line(std::optional<SteadyTime> until) {
    std::size_t searched = 0;
    while (true) {
        if (const std::size_t end = received_.find('\n', searched); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        searched = received_.size();
        if (searched > control::kMaxLineBytes) {
            return Error{ErrorCode::Invalid, "heartbeat sent a line of more than 1 MiB"};
        }
        if (!wait_for(POLLIN, until)) {
            return no_answer();
        }
        std::array<char, 16384> chunk;
        const ssize_t count = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (count > 0) {
            received_.append(chunk.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            return Error{ErrorCode::Io, "heartbeat closed the connection on '" + path_ + "'"};
        } else if (errno != EAGAIN && errno != EINTR) {
            return failed("cannot read from", errno);
        }
    }
}

Result<control::Reply> Connection::call(control::Request request,
                                        std::optional<std::chrono::milliseconds> limit) {
    const SteadyTime now = std::chrono::steady_clock::now();
    request.id = ++last_id_;
    if (const Result<void> connected = connect(); !connected) {
        return connected.error();
    }
    if (const Result<void> sent = send(control::to_line(request), now + kAnswerTime); !sent) {
        return sent.error();
    }
    while (true) {
        const Result<std::string> line =
            read_line(limit ? std::optional(now + *limit) : std::nullopt);
        if (!line) {
            return line.error();
        }
        Result<control::Reply> reply = control::parse_reply(*line);
        if (!reply || reply->id == request.id || reply->id == 0) {
            return reply;
        }
    }
}

Result<control::Event> Connection::next_event() {
    const Result<std::string> line = read_line(std::nullopt);
    if (!line) {
        return line.error();
    }
    return control::parse_event(*line);
}

Result<control::Status> fetch_status(Connection& connection) {
    const Result<control::Reply> reply = connection.call({});
    if (!reply) {
        return reply.error();
    }
    if (reply->exit != 0) {
        return Error{ErrorCode::State, reply->text};
    }
    return control::status_from_json(reply->data);
}

}  // namespace hb::tools
