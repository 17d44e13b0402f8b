#include "nbd-backend/server.h"

#include "nbd-backend/sockets.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace nbd {

namespace {

// A handshake of TLS takes a millisecond or two of the resource's thread: strangers may have about
// one twentieth of its time.
constexpr unsigned kNetworkClientsATurn = 6;

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

std::string describe_network_client(int socket, const std::string& door) {
    boost::asio::ip::tcp::endpoint from;
    auto length = static_cast<socklen_t>(from.capacity());
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(from.data()), &length) != 0) {
        return "NBD client of " + door;
    }
    from.resize(length);
    return "NBD client " + to_text(from) + " of " + door;
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
      local_(
          io, options_.socket_path, 0, [this](int socket) { on_local_client(socket); }, log),
      stop_deadline_(io) {
    if (options_.network) {
        network_.emplace(
            io,
            to_text(options_.network->where),
            kNetworkClientsATurn,
            [this](int socket) { on_network_client(socket); },
            log);
    }
}

NbdServer::~NbdServer() {
    close_listeners();
    for (const Client& client : clients_) {
        client.connection->abandon();
    }
}

base::Result<void> NbdServer::start() {
    auto opened = open_local_door();
    if (opened && network_) {
        opened = open_network_door();
    }
    if (!opened) {
        close_listeners();
    }
    return opened;
}

base::Result<void> NbdServer::open_local_door() {
    const auto bound = listen_unix(options_.socket_path);
    if (!bound) {
        return bound.error();
    }
    socket_inode_ = bound->inode;
    return local_.start(bound->descriptor);
}

base::Result<void> NbdServer::open_network_door() {
    const auto bound = listen_tcp(options_.network->where);
    if (!bound) {
        return bound.error();
    }
    const std::string what = device_.info().name + " is served on " + network_->name();
    if (options_.network->tls) {
        log_.write(base::LogLevel::Info, what + " with TLS");
    } else {
        log_.write(base::LogLevel::Warning, what + " without TLS, to everybody who can reach it");
    }
    return network_->start(*bound);
}

void NbdServer::on_local_client(int socket) {
    const pid_t pid = client_pid(socket);
    const bool carrier = pid > 0 && options_.is_carrier && options_.is_carrier(pid);
    add_connection(
        socket, describe_client(pid, options_.socket_path), carrier ? Door::Carrier : Door::Local);
}

void NbdServer::on_network_client(int socket) {
    prepare_tcp_client(socket);
    add_connection(socket, describe_network_client(socket, network_->name()), Door::Network);
}

void NbdServer::add_connection(int socket, const std::string& who, Door door) {
    make_room_for_handshake(door);
    boost::asio::posix::stream_descriptor watched(io_);
    boost::system::error_code error;
    watched.assign(socket, error);
    if (error) {
        ::close(socket);
        log_.write(base::LogLevel::Warning, who + ": cannot be watched: " + error.message());
        return;
    }
    ConnectionOptions options = options_.connection;
    if (door == Door::Network) {
        options.tls = options_.network->tls;
    }
    ConnectionHooks hooks{[this, door] { return admit(door); },
                          [this](const Connection& gone) { on_finished(gone); }};
    clients_.push_back({std::make_shared<Connection>(
                            io_, std::move(watched), who, device_, options, log_, std::move(hooks)),
                        door});
    clients_.back().connection->start();
}

std::size_t NbdServer::count(Door door, bool negotiating) const {
    return static_cast<std::size_t>(
        std::count_if(clients_.begin(), clients_.end(), [=](const Client& client) {
            return client.door == door && client.connection->negotiating() == negotiating;
        }));
}

// A client that means it is through in a moment: who has been about it for longest goes.
void NbdServer::make_room_for_handshake(Door door) {
    if (door == Door::Carrier || count(door, true) < options_.handshakes) {
        return;
    }
    const auto oldest =
        std::find_if(clients_.begin(), clients_.end(), [door](const Client& client) {
            return client.door == door && client.connection->negotiating();
        });
    log_.write(base::LogLevel::Warning,
               base::format("%s: more than %zu clients that ask for nothing, the oldest goes",
                            (door == Door::Network ? *network_ : local_).name().c_str(),
                            options_.handshakes));
    const std::shared_ptr<Connection> going = oldest->connection;
    going->abort();  // takes itself off the list
}

base::Result<void> NbdServer::admit(Door door) const {
    if (door == Door::Carrier || count(door, false) < options_.connections) {
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

void NbdServer::close_listeners() {
    if (network_) {
        network_->close();
    }
    if (!local_.is_open()) {
        return;
    }

    struct stat found {};

    if (::lstat(options_.socket_path.c_str(), &found) == 0 && found.st_ino == socket_inode_) {
        ::unlink(options_.socket_path.c_str());
    }
    local_.close();
}

void NbdServer::stop(std::function<void()> stopped) {
    stopped_ = std::move(stopped);
    close_listeners();
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
