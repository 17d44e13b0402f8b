// quorum_ping: who is not heard by the partner, or does not hear it, may run resources only while
// it reaches the world. A node that does not stops its own in time, or resets itself. Heartbeat
// specification, section 7.
#pragma once

#include "heartbeat/engine/node.h"

namespace hb {

struct Core;

class Isolation {
public:
    explicit Isolation(Core& core) : core_(core) {}

    // An earlier life that was isolated had begun to stop everything: that goes on.
    void start();
    void on_time();
    Time next() const;
    void on_ping_answer();
    void on_node_dead();
    void on_partner_status();
    void on_found();  // something that runs here, which nobody knew when it began
    // We stood still, and sent nothing since then: what runs must stop within the partner's grace.
    void on_stall(Time last_heartbeat);
    void on_released();
    void ended();  // the partner is back, or a takeover begins

    // Ping nodes that answered a question asked at `when` or later.
    int answers_since(Time when) const;
    // Enough of them did within the last few keepalives.
    bool quorate() const;

    bool isolated() const { return isolated_; }

    // We hear the partner, and it says that it has not heard us for so long that it takes us for
    // dead.
    bool unheard() const;

    // The time by which the stops of an isolated node must have ended; never: there are none.
    Time stops_until() const { return limit_.at(); }

    // From the deadtime of an isolated node until it begins to stop its resources, at the most; and
    // how long they may take to stop before it resets itself.
    Time detection() const;
    Time stop_limit() const;

private:
    bool out_of_touch() const;
    Time last_touch() const;
    Time declared_dead(Time last_heartbeat) const;
    Time listening() const;
    Time time_to_stop() const;
    bool blip() const;
    bool watched() const;
    Time window() const;
    void check();
    void stop_everything();
    void limit_shutdown();
    void reconsider();

    Core& core_;
    bool isolated_ = false;
    Time began_{};   // this life
    Time looked_{};  // when it was asked last whether we are in touch
    Timer check_;
    Timer limit_;  // what has not stopped by then may be started by the partner
};

}  // namespace hb
