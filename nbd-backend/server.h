// The NBD server of one volume on a unix socket (mode 0600), and on TCP if that is wanted, always
// running while the volume is up: it also accepts while the resource is Secondary, and then refuses
// GO with the reason in words. Everything happens on the resource's thread. Block front ends
// specification, sections 0.1 and 1.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drbdd/io/block_device.h"
#include "nbd-backend/connection.h"
#include "nbd-backend/listener.h"
#include "nbd-backend/tls_context.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace nbd {

// For clients on other machines.
struct NetworkDoor {
    boost::asio::ip::tcp::endpoint where;
    std::shared_ptr<const TlsContext> tls;  // null: everybody may read along, and come in
};

// The limits are for each door: whoever crowds the one keeps nobody out of the other.
struct ServerOptions {
    std::string socket_path;             // RUNDIR/drbdN.nbd
    std::optional<NetworkDoor> network;  // besides
    std::size_t connections = 64;        // that use the export; more are refused in words
    std::size_t handshakes = 32;         // that have not chosen it: a newcomer replaces the oldest
    // Is this process the one that carries the device node? No limit is for that.
    std::function<bool(pid_t)> is_carrier;
    ConnectionOptions connection;
    std::chrono::milliseconds stop_deadline{5'000};  // for clients that do not read their replies
};

// References outlive the server, and its connections' outstanding requests (see stop()).
class NbdServer {
public:
    NbdServer(boost::asio::io_context& io,
              io::BlockDevice& device,
              ServerOptions options,
              base::LogSink& log);
    ~NbdServer();
    NbdServer(const NbdServer&) = delete;
    NbdServer& operator=(const NbdServer&) = delete;

    // Binds the sockets. A unix socket left behind by a dead server is replaced; one that answers
    // is Busy.
    base::Result<void> start();

    // Removes the socket, answers new requests with ESHUTDOWN and calls `stopped` (never from
    // inside) once every client is gone and the device has completed all their requests: frozen I/O
    // has to be thawed or failed by its owner first. Call once, after a successful start().
    void stop(std::function<void()> stopped);

    std::size_t connections() const { return clients_.size(); }

private:
    enum class Door { Carrier, Local, Network };

    struct Client {
        std::shared_ptr<Connection> connection;
        Door door;
    };

    base::Result<void> open_local_door();
    base::Result<void> open_network_door();
    void on_local_client(int socket);
    void on_network_client(int socket);
    void add_connection(int socket, const std::string& who, Door door);
    void make_room_for_handshake(Door door);
    base::Result<void> admit(Door door) const;
    std::size_t count(Door door, bool negotiating) const;
    void on_finished(const Connection& connection);
    void close_listeners();
    void abort_all();
    void stopped_if_idle();

    boost::asio::io_context& io_;
    io::BlockDevice& device_;
    const ServerOptions options_;
    base::LogSink& log_;

    Listener local_;
    std::optional<Listener> network_;
    boost::asio::steady_timer stop_deadline_;
    std::uint64_t socket_inode_ = 0;  // ours, so that we never remove a successor's
    std::vector<Client> clients_;     // the oldest first
    std::function<void()> stopped_;

    // A wait that has ended, but whose handler still stands in the queue of the io_context, must
    // not find a destroyed server.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace nbd
