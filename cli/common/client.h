// A connection to the daemon's admin socket. Nothing here blocks longer than its deadline, whatever
// the daemon does.
#pragma once

#include "base/result.h"
#include "drbdd/control/messages.h"

#include <chrono>
#include <optional>
#include <string>

namespace cli {

using SteadyTime = std::chrono::steady_clock::time_point;

// The daemon answers every command after 900 ms at the latest, and be it with "not now"; what comes
// later comes never.
inline constexpr std::chrono::milliseconds kAnswerTime{960};

class Client {
public:
    // `run_dir`/drbdd.sock is used at the first call.
    explicit Client(std::string run_dir, std::chrono::milliseconds answer_time = kAnswerTime);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const std::string& socket_path() const { return path_; }

    // Fails with NotFound when no daemon runs there, Timeout when it does not answer in time,
    // Permission when we may not ask; the text names the socket and what to do.
    base::Result<control::Reply> call(control::Request request);

    // The next event after a successful events2; nothing when `until` has passed.
    base::Result<std::optional<control::Event>> next_event(std::optional<SteadyTime> until);

private:
    base::Result<void> connect();
    base::Result<void> send(const std::string& line, SteadyTime until);
    // Without its newline; nothing when `until` has passed.
    base::Result<std::optional<std::string>> read_line(std::optional<SteadyTime> until);
    bool wait_for(short events, std::optional<SteadyTime> until) const;
    base::Error failed(const std::string& what, int error) const;
    base::Error no_answer() const;
    void close();

    std::string path_;
    std::chrono::milliseconds answer_time_;
    int fd_ = -1;
    std::string received_;
    std::uint64_t last_id_ = 0;
};

// The state of `resource`, or of all if it is empty.
base::Result<control::Snapshot> fetch_status(Client& client, const std::string& resource);

}  // namespace cli
