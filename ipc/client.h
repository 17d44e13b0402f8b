// A tool's connection to its daemon's local socket. Nothing here blocks longer than its limit,
// whatever the daemon does.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace ipc {

using SteadyTime = std::chrono::steady_clock::time_point;

// The daemons answer within 840 ms, and be it with "not now"; the rest is for machines that are
// busy.
inline constexpr std::chrono::milliseconds kAnswerTime{905};

// The words in which a failure is told.
struct DaemonWords {
    std::string daemon;     // "drbdd"
    std::string socket;     // "admin socket"
    std::string start;      // "'drbdadm up RES' starts it"
    std::string no_answer;  // what follows "drbdd does not answer on 'PATH' "
};

class Client {
public:
    // The socket at `path` is used at the first call.
    Client(DaemonWords words, std::string path);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const std::string& path() const { return path_; }

    // What `parse` makes of the line that answers `request`: a Result of something with an `id`,
    // which is that of the request, or 0 if the daemon could not read it. Fails with NotFound when
    // no daemon runs there, Timeout when it does not answer until then (none: for ever), Permission
    // when we may not ask, Io when it ends meanwhile; the text names the socket and what to do.
    template <typename Parse>
    std::invoke_result_t<Parse, std::string_view> call(const std::string& request,
                                                       std::uint64_t id,
                                                       std::optional<SteadyTime> until,
                                                       Parse parse) {
        if (const base::Result<void> sent = send(request, until); !sent) {
            return sent.error();
        }
        while (true) {
            const base::Result<std::optional<std::string>> line = read_line(until);
            if (!line) {
                return line.error();
            }
            if (!line->has_value()) {
                close();  // or a late answer would be taken for that of the next request
                return no_answer();
            }
            auto reply = parse(std::string_view(**line));
            if (!reply || reply->id == id || reply->id == 0) {
                return reply;
            }
        }
    }

    // Without its newline; nothing when `until` has passed.
    base::Result<std::optional<std::string>> read_line(std::optional<SteadyTime> until);

private:
    base::Result<void> connect();
    base::Result<void> send(const std::string& line, std::optional<SteadyTime> until);
    bool wait_for(short events, std::optional<SteadyTime> until) const;
    base::Error failed(const std::string& what, int error) const;
    base::Error no_answer() const;
    void close();

    const DaemonWords words_;
    const std::string path_;
    int fd_ = -1;
    std::string received_;
};

}  // namespace ipc
