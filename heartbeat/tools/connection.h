// A connection to the daemon's control socket. Nothing here blocks longer than its limit, whatever
// the daemon does.
#pragma once

#include "base/result.h"
#include "heartbeat/control/messages.h"

#include <chrono>
#include <optional>
#include <string>

namespace hb::tools {

using SteadyTime = std::chrono::steady_clock::time_point;

// The daemon answers within a second, or never.
inline constexpr std::chrono::milliseconds kAnswerTime{960};

class Connection {
public:
    // `run_dir`/heartbeat.sock is used at the first call.
    explicit Connection(std::string run_dir);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Fails with NotFound when no daemon runs there, Timeout when it does not answer within
    // `limit` (none: for ever), Permission when we may not ask, Io when it ends meanwhile. The text
    // names the socket and what to do.
    base::Result<control::Reply> call(control::Request request,
                                      std::optional<std::chrono::milliseconds> limit = kAnswerTime);

    // The next event of a subscription, whenever it comes.
    base::Result<control::Event> next_event();

private:
    base::Result<void> connect();
    base::Result<void> send(const std::string& line, SteadyTime until);
    base::Result<std::string> read_line(std::optional<SteadyTime> until);
    bool wait_for(short events, std::optional<SteadyTime> until) const;
    base::Error failed(const std::string& what, int error) const;
    base::Error no_answer() const;

    std::string path_;
    int fd_ = -1;
    std::string received_;
    std::uint64_t last_id_ = 0;
};

base::Result<control::Status> fetch_status(Connection& connection);

}  // namespace hb::tools
