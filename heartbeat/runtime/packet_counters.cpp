#include "heartbeat/runtime/packet_counters.h"

namespace hb {

namespace {

const char* reason_name(base::ErrorCode code) {
    switch (code) {
        case base::ErrorCode::Permission:
            return "bad_signatures";
        case base::ErrorCode::TooBig:
            return "too_big";
        case base::ErrorCode::Unsupported:
            return "unsupported";
        default:
            return "malformed";
    }
}

}  // namespace

void PacketCounters::refused(const std::string& medium,
                             const base::Error& error,
                             std::chrono::milliseconds now) {
    Reason& reason = refused_[reason_name(error.code)];
    ++reason.count;
    ++reason.unlogged;
    if (!log_bad_ || (reason.count > 1 && now < reason.next_log)) {
        return;
    }
    const std::string more =
        reason.unlogged == 1 ? std::string()
                             : base::format(" (and %llu more since the last line)",
                                            static_cast<unsigned long long>(reason.unlogged - 1));
    log_.write(base::LogLevel::Warning,
               "packet from " + medium + " was ignored: " + error.text + more);
    reason.unlogged = 0;
    reason.next_log = now + kLogInterval;
}

std::map<std::string, std::uint64_t> PacketCounters::counters() const {
    std::map<std::string, std::uint64_t> all{{"received", received_}};
    for (const char* name : {"bad_signatures", "malformed", "too_big", "unsupported"}) {
        const auto found = refused_.find(name);
        all[name] = found == refused_.end() ? 0 : found->second.count;
    }
    return all;
}

}  // namespace hb
