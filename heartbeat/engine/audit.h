// The two things that must not be true while both nodes are certain: that both hold a group, or
// that nobody does. Heartbeat specification, section 3.6.
#pragma once

#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"

#include <string>

namespace hb {

struct Core;

class Audit {
public:
    explicit Audit(Core& core) : core_(core) {}

    void on_time();

    Time next() const { return check_.at(); }

    // Looks again soon: messages that are on their way may explain what seems to be wrong.
    void dual_claim_seen();
    void on_address_conflict(const AddressConflict& conflict);

private:
    void check();
    void check_foreign(Hold held);

    Core& core_;
    Timer check_;
    bool dual_before_ = false;
    bool orphan_before_ = false;
    int foreign_orphan_ = 0;  // how often in a row
};

}  // namespace hb
