#include "nbd-backend/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace nbd {

namespace {

constexpr int kBacklog = 64;
constexpr std::chrono::milliseconds kAcceptPause{200};

base::Error failed(const std::string& what, int error) {
    return {base::ErrorCode::Io, what + ": " + std::strerror(error)};
}

// The caller has checked that the path fits.
sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

int new_socket() {
    return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// 0: not known.
pid_t client_pid(int socket) {
    ucred peer{};
    socklen_t length = sizeof(peer);
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

std::string describe_client(pid_t pid, const std::string& path) {
    return pid == 0 ? "NBD client of " + path
                    : base::format("NBD client of %s (pid %d)", path.c_str(), pid);
}

}  // namespace

NbdServer::NbdServer(boost::asio::io_context& io,
                     io::BlockDevice& device,
                     ServerOptions options,
                     base::LogSink& log)
    : io_(io),
      device_(device),
      options_(std::move(options)),
      log_(log),
      listener_(io),
      accept_pause_(io),
      stop_deadline_(io) {
}

NbdServer::~NbdServer() {
    close_listener();
    for (const Client& client : clients_) {
        client.connection->abandon();
    }
}

base::Result<void> NbdServer::start() {
    if (options_.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
        return base::Error{base::ErrorCode::TooBig,
                           "the path of the NBD socket, " + options_.socket_path +
                               ", is longer than 107 bytes: choose a shorter run directory"};
    }
    if (auto removed = remove_stale_socket(); !removed) {
        return removed;
    }
    if (auto bound = bind_and_listen(); !bound) {
        return bound;
    }
    wait_acceptable();
    return {};
}

base::Result<void> NbdServer::remove_stale_socket() const {
    const std::string& path = options_.socket_path;

    struct stat found {};

    if (::lstat(path.c_str(), &found) != 0) {
        return {};  // nothing there, or bind() will say what is wrong
    }
    if (!S_ISSOCK(found.st_mode)) {
        return base::Error{base::ErrorCode::Busy,
                           path + " exists and is not a socket: move it away"};
    }
    const int probe = new_socket();
    if (probe < 0) {
        return failed("creating a socket to probe " + path, errno);
    }
    const sockaddr_un address = address_of(path);
    const bool refused =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
        errno == ECONNREFUSED;
    ::close(probe);
    if (!refused) {
        return base::Error{base::ErrorCode::Busy,
                           "another server answers on " + path + ": stop it first"};
    }
    if (::unlink(path.c_str()) != 0) {
        return failed("removing the stale socket " + path, errno);
    }
    return {};
}

base::Result<void> NbdServer::bind_and_listen() {
    const std::string& path = options_.socket_path;
    const int socket = new_socket();
    if (socket < 0) {
        return failed("creating the NBD socket " + path, errno);
    }
    boost::system::error_code error;
    listener_.assign(socket, error);
    if (error) {
        ::close(socket);
        return failed("watching the NBD socket " + path, error.value());
    }
    // The node gets the mode of the unbound socket: at no moment may others connect.
    const sockaddr_un address = address_of(path);

    struct stat bound {};

    if (::fchmod(socket, 0600) != 0 ||
        ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::lstat(path.c_str(), &bound) != 0 || ::listen(socket, kBacklog) != 0) {
        const int reason = errno;
        listener_.close(error);
        return failed("listening on the NBD socket " + path, reason);
    }
    socket_inode_ = bound.st_ino;
    return {};
}

void NbdServer::wait_acceptable() {
    listener_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& error) {
            if (!error && !alive.expired()) {
                accept_all();
            }
        });
}

void NbdServer::accept_all() {
    while (listener_.is_open()) {
        const int socket =
            ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            add_connection(socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            wait_acceptable();
            return;
        }
    }
}

// The waiting client stays in the backlog, so the listener stays readable: without a pause this
// would spin.
void NbdServer::pause_accepting(int error) {
    log_.write(base::LogLevel::Warning,
               options_.socket_path + ": cannot accept a client now: " + std::strerror(error));
    accept_pause_.expires_after(kAcceptPause);
    accept_pause_.async_wait(
        [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& cancelled) {
            if (!cancelled && !alive.expired()) {
                accept_all();
            }
        });
}

void NbdServer::add_connection(int socket) {
    const pid_t pid = client_pid(socket);
    const bool carrier = pid > 0 && options_.is_carrier && options_.is_carrier(pid);
    if (!carrier) {
        make_room_for_handshake();
    }
    boost::asio::posix::stream_descriptor watched(io_);
    boost::system::error_code error;
    watched.assign(socket, error);
    if (error) {
        ::close(socket);
        log_.write(base::LogLevel::Warning,
                   options_.socket_path + ": cannot watch a client: " + error.message());
        return;
    }
    ConnectionHooks hooks{[this, carrier] { return admit(carrier); },
                          [this](const Connection& gone) { on_finished(gone); }};
    clients_.push_back({std::make_shared<Connection>(io_,
                                                     std::move(watched),
                                                     describe_client(pid, options_.socket_path),
                                                     device_,
                                                     options_.connection,
                                                     log_,
                                                     std::move(hooks)),
                        carrier});
    clients_.back().connection->start();
}

std::size_t NbdServer::count(bool negotiating) const {
    return static_cast<std::size_t>(
        std::count_if(clients_.begin(), clients_.end(), [negotiating](const Client& client) {
            return !client.carrier && client.connection->negotiating() == negotiating;
        }));
}

// A client that means it is through in a moment: who has been about it for longest goes.
void NbdServer::make_room_for_handshake() {
    if (count(true) < options_.handshakes) {
        return;
    }
    const auto oldest = std::find_if(clients_.begin(), clients_.end(), [](const Client& client) {
        return !client.carrier && client.connection->negotiating();
    });
    log_.write(base::LogLevel::Warning,
               base::format("%s: more than %zu clients that ask for nothing, the oldest goes",
                            options_.socket_path.c_str(),
                            options_.handshakes));
    const std::shared_ptr<Connection> going = oldest->connection;
    going->abort();  // takes itself off the list
}

base::Result<void> NbdServer::admit(bool carrier) const {
    if (carrier || count(false) < options_.connections) {
        return {};
    }
    return base::Error{base::ErrorCode::Busy,
                       base::format("the volume has %zu clients already, which is the most",
                                    options_.connections)};
}

void NbdServer::on_finished(const Connection& connection) {
    std::erase_if(clients_, [&connection](const Client& client) {
        return client.connection.get() == &connection;
    });
    stopped_if_idle();
}

void NbdServer::close_listener() {
    if (!listener_.is_open()) {
        return;
    }

    struct stat found {};

    if (::lstat(options_.socket_path.c_str(), &found) == 0 && found.st_ino == socket_inode_) {
        ::unlink(options_.socket_path.c_str());
    }
    boost::system::error_code ignored;
    listener_.close(ignored);
    accept_pause_.cancel();
}

void NbdServer::stop(std::function<void()> stopped) {
    stopped_ = std::move(stopped);
    close_listener();
    stop_deadline_.expires_after(options_.stop_deadline);
    stop_deadline_.async_wait(
        [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& cancelled) {
            if (!cancelled && !alive.expired()) {
                abort_all();
            }
        });
    const auto current = clients_;
    for (const Client& client : current) {
        client.connection->stop();
    }
    stopped_if_idle();
}

void NbdServer::abort_all() {
    const auto stubborn = clients_;  // each takes itself off the list
    for (const Client& client : stubborn) {
        client.connection->abort();
    }
}

void NbdServer::stopped_if_idle() {
    if (stopped_ && clients_.empty()) {
        stop_deadline_.cancel();
        boost::asio::post(io_, std::exchange(stopped_, nullptr));
    }
}

}  // namespace nbd
