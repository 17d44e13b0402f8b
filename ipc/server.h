// A daemon's local socket, where its tools ask: lines of JSON, see json.h. Mode 0600; a client that
// is neither root nor our own user is sent away. Everything runs on the loop that is given, so the
// number of clients, of bytes and of waiting requests is limited.
#pragma once

#include "base/result.h"
#include "ipc/session.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ipc {

struct ServerOptions {
    std::string path;
    std::string name;                           // "admin socket", for errors
    std::size_t clients = 64;                   // one more takes the place of an idle one
    std::size_t requests = 1;                   // of one client that are worked on at once
    std::chrono::milliseconds silence{60'000};  // of a client that asks nothing
};

enum class Refusal {
    NotAllowed,
    LineTooLong,
};

// What the daemon does with its clients. Called on the loop.
class Service {
public:
    virtual ~Service() = default;

    // A line without its newline. Session::answer() or done() follows for each, now or later.
    virtual void on_line(const std::shared_ptr<Session>& session, std::string_view line) = 0;

    // The last line to a client that is sent away.
    virtual std::string refusal(Refusal why) = 0;
};

class Server {
public:
    // The references outlive the server.
    Server(boost::asio::io_context& io, ServerOptions options, Service& service);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // The run directory is claimed: whatever lies there under our name is of a dead daemon.
    base::Result<void> start();

    // Closes all clients and removes the socket.
    void close();

    // Who wants to be told of `subject`. Telling a client that is too slow closes it.
    std::vector<std::shared_ptr<Session>> subscribers(std::string_view subject) const;

private:
    friend class Session;

    void open_socket(boost::system::error_code& error);
    void wait_for_clients();
    void accept_some();
    void pause();
    bool make_room();
    void adopt(boost::asio::local::stream_protocol::socket socket);

    const ServerOptions options_;
    Service& service_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer accept_pause_;
    std::set<std::shared_ptr<Session>> sessions_;
};

}  // namespace ipc
