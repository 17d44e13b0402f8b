// A node that comes back and was never gone, or that finds out it was gone itself: both nodes may
// run the same groups. Heartbeat specification, sections 3.3 (own heartbeat), 3.5 and 7.
#pragma once

#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <optional>

namespace hb {

struct Core;

class Partition {
public:
    explicit Partition(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    // The partner, declared dead, speaks on in the same life. `pending`: we had begun nothing yet.
    void on_healed(const Node& node, bool pending);
    void on_partner_restarted();
    void on_partner_dead();
    void on_claim(const Node& from, const wire::Message& message);  // the partner's side
    void on_partner_reported();
    // The partner tells the cluster that it declared a node dead.
    void on_fencing_told(const Node& from, const wire::Message& message);
    // ... or that it will take over from us after a while, since it does not hear us.
    void on_takeover_notice(const Node& from, const wire::Message& message);
    // No heartbeat of ours has left for so long that the partner may have taken over.
    void on_stall(Time silence);
    // Another machine answers for an address of ours, or the partner claims what we hold.
    void on_dual_claim();

    // Between the healing and the decision who keeps what.
    bool unsettled() const { return restart_.is_set() || answer_.is_set(); }

private:
    void begin_restart(Time after);
    void send_claim(bool wants_answer);
    void settle(const wire::Message& message);
    void taken_for_dead(const Node& from, const std::string& facts);
    std::optional<Time> held_for(Hold which) const;
    bool we_lose(std::optional<Time> ours, std::optional<Time> theirs, const Node& from) const;

    Core& core_;
    bool healed_ = false;  // the restart is because of a healed partition
    Timer restart_;
    Timer answer_;  // of a partner of our kind
};

}  // namespace hb
