// One client of the control socket: lines in, lines out.
#pragma once

#include "heartbeat/control/messages.h"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace hb {

class ControlServer;

class ControlSession : public std::enable_shared_from_this<ControlSession> {
public:
    // The server outlives its sessions' use of it: it closes them all.
    ControlSession(ControlServer& server, boost::asio::local::stream_protocol::socket socket);

    void start();
    void tell(const control::Event& event);
    void refuse(const std::string& why);
    void close();

private:
    void read();
    void take_lines();
    void on_line(std::string_view line);
    void reply(control::Reply reply);
    void send(std::string line);
    void write_next();
    void watch_silence();

    static constexpr std::size_t kMaxWaitingRequests = 32;

    ControlServer& server_;
    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::steady_timer silence_;
    std::string input_;
    std::deque<std::string> output_;
    std::size_t output_bytes_ = 0;
    std::size_t waiting_requests_ = 0;
    std::optional<std::uint64_t> subscription_;  // id of the request
    bool writing_ = false;
    bool closed_ = false;
    bool refused_ = false;
};

}  // namespace hb
