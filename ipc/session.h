// One client of a Server: lines in, lines out. Owned by the server and by whoever still has to
// answer it; after close() nothing reaches the client any more, and all may be called as before.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ipc {

class Server;

// What a client wants to be told without asking again.
struct Subscription {
    std::uint64_t request_id = 0;
    std::string subject;  // empty: all
};

class Session : public std::enable_shared_from_this<Session> {
public:
    // The server outlives its sessions' use of it: it closes them all.
    Session(Server& server, boost::asio::local::stream_protocol::socket socket);

    void start();

    // The answer to a request, with its newline; then, or at once if there is none to give, done.
    void answer(std::string line);
    void done();

    // Requests that are not done, that one among them that is just being handled.
    std::size_t waiting() const { return waiting_; }

    // Asks nothing and waits for nothing, since then.
    bool idle() const { return waiting_ == 0 && !subscription_; }

    std::chrono::steady_clock::time_point silent_since() const { return silent_since_; }

    // From now on silence is no reason to be closed, and Server::subscribers() has the client.
    void subscribe(Subscription subscription);

    const std::optional<Subscription>& subscription() const { return subscription_; }

    // A line beside the answers.
    void tell(std::string line);

    // The last line; nothing is read any more.
    void refuse(std::string line);
    void close_after_writing();
    void close();

private:
    void go_on();
    void read();
    void take_lines();
    void write_next();
    void watch_silence();

    Server& server_;
    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::steady_timer silence_;
    std::chrono::steady_clock::time_point silent_since_;
    std::string input_;
    std::deque<std::string> output_;
    std::size_t output_bytes_ = 0;
    std::size_t waiting_ = 0;
    std::optional<Subscription> subscription_;
    bool taking_lines_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool ending_ = false;
    bool closed_ = false;
};

}  // namespace ipc
