// Our own heartbeat: the status message of every keepalive interval, the pings and the watchdog
// that go with it, and the notice that we ourselves stood still. Heartbeat specification, 3.3, 6.4.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <deque>
#include <utility>

namespace hb {

struct Core;

// Until it resets a node that feeds it no more: deadtime + 10 ms, in whole seconds, rounded up.
std::chrono::seconds watchdog_timeout(Time deadtime);

class Heartbeat {
public:
    explicit Heartbeat(Core& core) : core_(core) {}

    void start();
    void on_time();
    Time next() const;

    NodeState state() const { return state_; }

    void become_active();
    void send_status();

    // The partner's heartbeat tells which of ours it has heard last. None: not of our kind.
    void on_heard(Node& partner, const wire::Message& status);

    // Before a restart: the partner is to wait for us longer than usual.
    void announce_pause(Time pause) { pause_ = pause; }

    // How long no heartbeat of ours was sent if that is longer than what we announced; else zero.
    Time stall() const;
    void close_watchdog();

private:
    Time announced() const;

    Core& core_;
    NodeState state_ = NodeState::init;
    Timer beat_;
    Time started_{};
    Time last_sent_{};
    Time pause_{};
    bool watchdog_closed_ = false;
    std::deque<std::pair<std::uint64_t, Time>> statuses_;  // our last ones: number, when sent
};

}  // namespace hb
