// Whether the peer lives: when it was heard, which pings it owes an answer, and when the next one
// is due. It keeps the count; the connection sends and gives up. Wire specification, section 9.
#pragma once

#include "drbdd/engine/settings.h"
#include "drbdd/io/time.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace engine {

class Liveness {
public:
    // Two new sockets.
    void begin(io::Instant now) { heard_at_ = now; }

    // The handshake is over: pings are counted from here.
    void count_from_zero() { pings_ = pongs_ = 0; }

    // The sockets are gone.
    void end() {
        unanswered_since_.reset();
        wanted_ = false;
    }

    // Something has arrived on either socket.
    void heard(io::Instant now) { heard_at_ = now; }

    // A ping is wanted soon, whatever the interval.
    void want_ping() { wanted_ = true; }

    // A ping leaves now. Its serial, for answered().
    std::uint64_t pinged(io::Instant now, const NetSettings& net) {
        unanswered_since_ = unanswered_since_.value_or(now);
        wanted_ = false;
        deadline_ = now + net.ping_timeout;
        return ++pings_;
    }

    void pong() {
        unanswered_since_.reset();
        pongs_ = std::min(pongs_ + 1, pings_);
    }

    // The peer answers a ping after it has handled everything that we sent on the meta socket
    // before.
    bool answered(std::uint64_t serial) const { return pongs_ >= serial; }

    // When the oldest ping was sent since which none was answered.
    const std::optional<io::Instant>& unanswered_since() const { return unanswered_since_; }

    bool ping_is_due(io::Instant now, const NetSettings& net) const {
        return !unanswered_since_ && (wanted_ || now >= heard_at_ + net.ping_int);
    }

    // The answer is overdue. Anything that arrived restarts the wait: the peer lives, it only has
    // not come to answering.
    bool is_dead(io::Instant now, const NetSettings& net) {
        if (!unanswered_since_ || now < deadline_) {
            return false;
        }
        deadline_ = heard_at_ + net.ping_timeout;
        return now >= deadline_;
    }

    io::Instant next_deadline(const NetSettings& net) const {
        return unanswered_since_ ? deadline_ : heard_at_ + net.ping_int;
    }

private:
    io::Instant heard_at_{};
    std::optional<io::Instant> unanswered_since_;
    io::Instant deadline_ = io::kNever;
    bool wanted_ = false;
    std::uint64_t pings_ = 0;
    std::uint64_t pongs_ = 0;
};

}  // namespace engine
