// RUNDIR/heartbeat.sock, where the tools ask: JSON lines, see heartbeat/control/messages.h. Mode
// 0600; a client that is neither root nor our own user is sent away. Everything runs on the
// daemon's loop, so the number of clients, of bytes and of waiting requests is limited.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "heartbeat/control/messages.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace hb {

class ControlSession;

class ControlServer {
public:
    // Answers a request, at once or later, exactly once.
    using Answer = std::function<void(control::Reply reply)>;
    using Handler = std::function<void(const control::Request& request, Answer answer)>;

    ControlServer(boost::asio::io_context& io,
                  std::string path,
                  Handler handler,
                  base::LogSink& log);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    base::Result<void> start();
    // To all who have subscribed.
    void tell(const control::Event& event);

private:
    friend class ControlSession;

    static constexpr std::size_t kMaxClients = 64;

    void accept_next();

    boost::asio::io_context& io_;
    const std::string path_;
    Handler handler_;
    base::LogSink& log_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer accept_pause_;
    std::set<std::shared_ptr<ControlSession>> sessions_;
};

}  // namespace hb
