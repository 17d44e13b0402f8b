#include "cli/common/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace cli {

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

Client::Client(std::string run_dir, std::chrono::milliseconds answer_time)
    : path_(std::move(run_dir) + "/" + control::kSocketName), answer_time_(answer_time) {
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
                "drbdd is not running here (" + text +
                    "). 'drbdadm up RES' starts it; --run-dir or DRBDD_RUN_DIR name another one."};
    }
    if (error == EACCES || error == EPERM) {
        return {ErrorCode::Permission, text + ". Only root may use the admin socket."};
    }
    return {ErrorCode::Io, text};
}

Error Client::no_answer() const {
    return {ErrorCode::Timeout,
            "drbdd does not answer on '" + path_ +
                "' within one second. Look into its log; if it hangs, end it (SIGKILL is safe: it "
                "recovers at the next 'drbdadm up')."};
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
        return failed("the path of the admin socket is too long:", ENAMETOOLONG);
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

Result<void> Client::send(const std::string& line, SteadyTime until) {
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

Result<std::optional<std::string>> Client::read_line(std::optional<SteadyTime> until) {
    std::size_t searched = 0;
    while (true) {
        if (const std::size_t end = received_.find('\n', searched); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return std::optional(std::move(line));
        }
        searched = received_.size();
        if (searched > control::kMaxLineBytes) {
            return Error{ErrorCode::Invalid, "drbdd sent a line of more than 1 MiB"};
        }
        if (!wait_for(POLLIN, until)) {
            return std::optional<std::string>();
        }
        std::array<char, 16384> chunk;
        const ssize_t count = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (count > 0) {
            received_.append(chunk.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            return Error{ErrorCode::Io, "drbdd closed the connection on '" + path_ + "'"};
        } else if (errno != EAGAIN && errno != EINTR) {
            return failed("cannot read from", errno);
        }
    }
}

Result<control::Reply> Client::call(control::Request request) {
    const SteadyTime until = std::chrono::steady_clock::now() + answer_time_;
    request.id = ++last_id_;
    if (const Result<void> connected = connect(); !connected) {
        return connected.error();
    }
    if (const Result<void> sent = send(control::to_line(request), until); !sent) {
        return sent.error();
    }
    while (true) {
        const Result<std::optional<std::string>> line = read_line(until);
        if (!line) {
            return line.error();
        }
        if (!line->has_value()) {
            close();  // or a late answer would be taken for that of the next request
            return no_answer();
        }
        Result<control::Reply> reply = control::parse_reply(**line);
        if (!reply || reply->id == request.id || reply->id == 0) {
            return reply;
        }
    }
}

Result<std::optional<control::Event>> Client::next_event(std::optional<SteadyTime> until) {
    const Result<std::optional<std::string>> line = read_line(until);
    if (!line) {
        return line.error();
    }
    if (!line->has_value()) {
        return std::optional<control::Event>();
    }
    Result<control::EventMessage> message = control::parse_event(**line);
    if (!message) {
        return message.error();
    }
    return std::optional(std::move(message->event));
}

Result<control::Snapshot> fetch_status(Client& client, const std::string& resource) {
    control::Request request;
    request.command = control::Command::Status;
    request.resource = resource;
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return reply.error();
    }
    if (reply->code == control::err::kResourceNotKnown) {
        return control::Snapshot{};
    }
    if (reply->code != 0) {
        return Error{ErrorCode::State, reply->text};
    }
    if (!reply->text.empty()) {
        std::fprintf(
            stderr, "WARN: %s\n", reply->text.c_str());  // old news of a resource that hangs
    }
    return control::snapshot_from_json(reply->data);
}

}  // namespace cli
