// quorum_ping: with the partner gone, only who still reaches the world may run resources. A node
// that reaches nobody stops its own in time, or resets itself. Heartbeat specification, section 7.
#pragma once

#include "heartbeat/engine/node.h"

namespace hb {

struct Core;

class Isolation {
public:
    explicit Isolation(Core& core) : core_(core) {}

    void on_time();
    Time next() const;
    void on_ping_answer();
    void on_node_dead();
    void on_released();
    void ended();  // the partner is back, or a takeover begins

    // Ping nodes that answered a question asked at `when` or later.
    int answers_since(Time when) const;
    // Enough of them did within the last few keepalives.
    bool quorate() const;

    bool isolated() const { return isolated_; }

private:
    bool watched() const;
    Time window() const;
    void check();

    Core& core_;
    bool isolated_ = false;
    Timer check_;
    Timer limit_;  // what has not stopped by then may be started by the partner
};

}  // namespace hb
