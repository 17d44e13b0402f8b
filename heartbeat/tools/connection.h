// A connection to the daemon's control socket.
#pragma once

#include "base/result.h"
#include "heartbeat/control/messages.h"
#include "ipc/client.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace hb::tools {

using ipc::kAnswerTime;

class Connection {
public:
    // `run_dir`/heartbeat.sock is used at the first call.
    explicit Connection(const std::string& run_dir);

    // Fails as ipc::Client::call() does; without a `limit` it waits for ever.
    base::Result<control::Reply> call(control::Request request,
                                      std::optional<std::chrono::milliseconds> limit = kAnswerTime);

    // The next event of a subscription, whenever it comes.
    base::Result<control::Event> next_event();

private:
    ipc::Client client_;
    std::uint64_t last_id_ = 0;
};

base::Result<control::Status> fetch_status(Connection& connection);

}  // namespace hb::tools
