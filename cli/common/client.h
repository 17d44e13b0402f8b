// A connection to the daemon's admin socket.
#pragma once

#include "base/result.h"
#include "drbdd/control/messages.h"
#include "ipc/client.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace cli {

using ipc::SteadyTime;

class Client {
public:
    // `run_dir`/drbdd.sock is used at the first call.
    explicit Client(const std::string& run_dir,
                    std::chrono::milliseconds answer_time = ipc::kAnswerTime);

    // Fails as ipc::Client::call() does.
    base::Result<control::Reply> call(control::Request request);

    // The next event after a successful events2; nothing when `until` has passed.
    base::Result<std::optional<control::Event>> next_event(std::optional<SteadyTime> until);

private:
    ipc::Client client_;
    std::chrono::milliseconds answer_time_;
    std::uint64_t last_id_ = 0;
};

// The state of `resource`, or of all if it is empty.
base::Result<control::Snapshot> fetch_status(Client& client, const std::string& resource);

}  // namespace cli
