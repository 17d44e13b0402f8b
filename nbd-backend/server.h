// The NBD server of one volume on a unix socket (mode 0600), always running while the volume is up:
// it also accepts while the resource is Secondary, and then refuses GO with the reason in words.
// Everything happens on the resource's thread. Block front ends specification, sections 0.1 and 1.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drbdd/io/block_device.h"
#include "nbd-backend/connection.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace nbd {

struct ServerOptions {
    std::string socket_path;       // RUNDIR/drbdN.nbd
    std::size_t connections = 64;  // that use the export; more are refused in words
    std::size_t handshakes = 32;   // that have not chosen it: a newcomer replaces the oldest
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

    // Binds the socket. One left behind by a dead server is replaced; one that answers is Busy.
    base::Result<void> start();

    // Removes the socket, answers new requests with ESHUTDOWN and calls `stopped` (never from
    // inside) once every client is gone and the device has completed all their requests: frozen I/O
    // has to be thawed or failed by its owner first. Call once, after a successful start().
    void stop(std::function<void()> stopped);

    std::size_t connections() const { return clients_.size(); }

private:
    struct Client {
        std::shared_ptr<Connection> connection;
        bool carrier = false;
    };

    base::Result<void> bind_and_listen();
    base::Result<void> remove_stale_socket() const;
    void wait_acceptable();
    void accept_all();
    void pause_accepting(int error);
    void add_connection(int socket);
    void make_room_for_handshake();
    base::Result<void> admit(bool carrier) const;
    std::size_t count(bool negotiating) const;
    void on_finished(const Connection& connection);
    void close_listener();
    void abort_all();
    void stopped_if_idle();

    boost::asio::io_context& io_;
    io::BlockDevice& device_;
    const ServerOptions options_;
    base::LogSink& log_;

    boost::asio::posix::stream_descriptor listener_;
    boost::asio::steady_timer accept_pause_;
    boost::asio::steady_timer stop_deadline_;
    std::uint64_t socket_inode_ = 0;  // ours, so that we never remove a successor's
    std::vector<Client> clients_;     // the oldest first
    std::function<void()> stopped_;

    // A wait that has ended, but whose handler still stands in the queue of the io_context, must
    // not find a destroyed server.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace nbd
