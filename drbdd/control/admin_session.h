// One client of the admin socket: lines in, lines out.
#pragma once

#include "drbdd/control/messages.h"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace control {

class AdminServer;

class AdminSession : public std::enable_shared_from_this<AdminSession> {
public:
    // The server outlives its sessions' use of it: it closes them all.
    AdminSession(AdminServer& server, boost::asio::local::stream_protocol::socket socket);

    void start();
    // Says why in one reply, then closes.
    void refuse(const std::string& text);
    void close();
    void close_after_writing();

    // One reply per request; reading goes on when it has been given.
    void reply(const Reply& reply);

    // From now on the client gets the events of `resource` (empty: all).
    void subscribe(std::uint64_t request_id, std::string resource);
    bool wants_events_of(const std::string& resource) const;
    void tell(const Event& event);

private:
    void read_line();
    void on_line(std::size_t length);
    void send(std::string line);
    void write_next();
    void watch_silence();

    AdminServer& server_;
    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::steady_timer silence_;
    std::string input_;
    std::deque<std::string> output_;
    std::size_t output_bytes_ = 0;
    bool writing_ = false;
    bool closed_ = false;
    bool close_when_written_ = false;

    struct Subscription {
        std::uint64_t request_id = 0;
        std::string resource;
    };

    std::optional<Subscription> subscription_;
};

}  // namespace control
