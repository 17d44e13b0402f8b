// From the first heartbeat to "communication is up": everybody heard or given up, the member list
// exchanged. Heartbeat specification, sections 2.6 (reqnodes), 2.10 and 3.3.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

namespace hb {

struct Core;

class Joining {
public:
    explicit Joining(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    bool done() const { return phase_ == Phase::done; }

    void on_reqnodes(const Node& from);
    void on_repnodes(const Node& from, const wire::Message& message);

private:
    enum class Phase { waiting, asking, done };

    void ask();
    void finish();

    Core& core_;
    Phase phase_ = Phase::waiting;
    Timer again_;
};

}  // namespace hb
