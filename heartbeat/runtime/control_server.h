// RUNDIR/heartbeat.sock, where the tools ask: see heartbeat/control/messages.h for what,
// ipc/server.h for how. Everything runs on the daemon's loop.
#pragma once

#include "base/result.h"
#include "heartbeat/control/messages.h"
#include "ipc/server.h"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hb {

class ControlServer : private ipc::Service {
public:
    // Answers a request, at once or later, exactly once.
    using Answer = std::function<void(control::Reply reply)>;
    using Handler = std::function<void(const control::Request& request, Answer answer)>;

    ControlServer(boost::asio::io_context& io, std::string path, Handler handler);

    base::Result<void> start() { return server_.start(); }

    // To all who have subscribed.
    void tell(const control::Event& event);

private:
    void on_line(const std::shared_ptr<ipc::Session>& session, std::string_view line) override;
    std::string refusal(ipc::Refusal why) override;

    Handler handler_;
    ipc::Server server_;
};

}  // namespace hb
