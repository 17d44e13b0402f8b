// Packets that were not taken: counted by reason, and logged now and then, so that a hostile or
// misconfigured sender cannot fill the log.
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace hb {

class PacketCounters {
public:
    static constexpr std::chrono::seconds kLogInterval{60};

    // `log_bad` is ha.cf's log_badpack.
    PacketCounters(bool log_bad, base::LogSink& log) : log_bad_(log_bad), log_(log) {}

    void received() { ++received_; }

    // `now` is monotonic; `medium` names where it came from.
    void refused(const std::string& medium,
                 const base::Error& error,
                 std::chrono::milliseconds now);

    // "received", "bad_signatures", "malformed"...
    std::map<std::string, std::uint64_t> counters() const;

private:
    struct Reason {
        std::uint64_t count = 0;
        std::uint64_t unlogged = 0;
        std::chrono::milliseconds next_log{0};
    };

    const bool log_bad_;
    base::LogSink& log_;
    std::uint64_t received_ = 0;
    std::map<std::string, Reason> refused_;
};

}  // namespace hb
