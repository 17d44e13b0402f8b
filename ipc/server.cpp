#include "ipc/server.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace ipc {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 64;
constexpr auto kAcceptPause = std::chrono::milliseconds(200);

// The tools run as root; a daemon of a test as its user.
bool is_allowed(stream_protocol::socket& socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

Server::Server(asio::io_context& io, ServerOptions options, Service& service)
    : options_(std::move(options)), service_(service), acceptor_(io), accept_pause_(io) {
}

Server::~Server() {
    close();
}

void Server::close() {
    while (!sessions_.empty()) {
        const auto session = *sessions_.begin();
        session->close();
    }
    accept_pause_.cancel();
    if (acceptor_.is_open()) {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        ::unlink(options_.path.c_str());
    }
}

base::Result<void> Server::start() {
    const std::string& path = options_.path;
    const auto failure = [this](const std::string& reason) {
        return base::Error{
            base::ErrorCode::Io,
            "cannot make the " + options_.name + " " + options_.path + ": " + reason};
    };
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return failure(std::strerror(errno));
    }
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return failure("the name is too long");
    }
    boost::system::error_code error;
    open_socket(error);
    // Before it has a name, so that there is no moment in which others could connect.
    if (!error && ::fchmod(acceptor_.native_handle(), 0600) != 0) {
        return failure(std::strerror(errno));
    }
    if (!error) {
        acceptor_.bind(stream_protocol::endpoint(path), error);
    }
    if (!error) {
        acceptor_.listen(kBacklog, error);
    }
    if (error) {
        return failure(error.message());
    }
    wait_for_clients();
    return {};
}

// As open() of the library, but no child of the daemon inherits it.
void Server::open_socket(boost::system::error_code& error) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error.assign(errno, boost::system::system_category());
        return;
    }
    acceptor_.assign(stream_protocol(), fd, error);
    if (error) {
        ::close(fd);
    }
}

void Server::wait_for_clients() {
    acceptor_.async_wait(stream_protocol::acceptor::wait_read,
                         [this](const boost::system::error_code& error) {
                             if (!error) {
                                 accept_some();
                             }
                         });
}

void Server::accept_some() {
    for (int count = 0; count < kBacklog; ++count) {
        const int fd =
            ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno == EAGAIN) {
            break;
        }
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED) {  // no descriptors left
            pause();
            return;
        }
        boost::system::error_code error;
        stream_protocol::socket socket(acceptor_.get_executor());
        if (fd >= 0) {
            socket.assign(stream_protocol(), fd, error);
            if (error) {
                ::close(fd);
            } else {
                adopt(std::move(socket));
            }
        }
    }
    wait_for_clients();
}

void Server::pause() {
    accept_pause_.expires_after(kAcceptPause);
    accept_pause_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped) {
            accept_some();
        }
    });
}

void Server::adopt(stream_protocol::socket socket) {
    if (sessions_.size() >= options_.clients && !make_room()) {
        return;
    }
    const bool allowed = is_allowed(socket);
    const auto session = std::make_shared<Session>(*this, std::move(socket));
    sessions_.insert(session);
    if (allowed) {
        session->start();
    } else {
        session->refuse(service_.refusal(Refusal::NotAllowed));
    }
}

// Of the clients that want nothing the one that has been silent for longest goes, so that a crowd
// of them keeps no tool out. False: all are waiting for something.
bool Server::make_room() {
    std::shared_ptr<Session> idlest;
    for (const auto& session : sessions_) {
        if (session->idle() &&
            (idlest == nullptr || session->silent_since() < idlest->silent_since())) {
            idlest = session;
        }
    }
    if (idlest != nullptr) {
        idlest->close();
    }
    return idlest != nullptr;
}

std::vector<std::shared_ptr<Session>> Server::subscribers(std::string_view subject) const {
    std::vector<std::shared_ptr<Session>> found;
    for (const auto& session : sessions_) {
        const auto& wanted = session->subscription();
        if (wanted && (wanted->subject.empty() || wanted->subject == subject)) {
            found.push_back(session);
        }
    }
    return found;
}

}  // namespace ipc
