// The three-phase hand-over of groups between two live nodes, for operators, fail-back, ipfail and
// failed services. Heartbeat specification, section 3.7.
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <algorithm>
#include <string>
#include <vector>

namespace hb {

struct Core;

// From this node's view: we give (`me`: asked, `giving`: agents stop, `done`: the partner starts),
// or the partner gives (`other`: it stops, `taking`: our agents start).
enum class StandbyPhase : std::uint8_t { idle, me, giving, done, other, taking };

class Standby {
public:
    explicit Standby(Core& core) : core_(core) {}

    void on_time();

    Time next() const { return std::min({timer_.at(), offer_.at(), wished_.at()}); }

    bool idle() const { return phase_ == StandbyPhase::idle; }

    StandbyPhase phase() const { return phase_; }

    // Offers the groups to the partner. The answer is empty, or says why not.
    std::string give(Hold which);
    // Asks the partner to offer its groups to us.
    void wish(Hold which);

    // This command is answered when the hand-over that has just begun, or is wished for, has ended.
    void await(CommandId command) { waiting_.push_back(command); }

    void on_ask(const Node& from, const wire::Message& message);
    void on_partner_unstable();  // it has begun to stop what it gives
    void on_given();             // our agents have stopped them
    void on_taken(bool ok);
    void on_partner_gone();  // dead, left or restarted

    // A group was given up 30 s ago: the partner may have more luck. False: ask again later.
    bool hand_over_failed(const Group& group);

    // A person says that what failed here is repaired.
    void forget_failures() { gave_failed_ = Hold::none; }

private:
    bool can_take_part() const;
    void on_offer(const Node& from, Hold which);
    void accept(const Node& from, Hold which);
    void on_accepted(Hold which);
    void on_partner_stopped(Hold which);
    void on_partner_took(Hold which, bool ok);
    void end(bool ok, const std::string& how);
    void on_time_limit();
    void ask(Hold which, std::string_view phase, std::string_view result = {});
    bool we_failed_lately(Hold ours) const;

    Core& core_;
    StandbyPhase phase_ = StandbyPhase::idle;
    Hold which_ = Hold::none;  // from the giver's view
    Timer timer_;
    Hold offered_ = Hold::none;  // came while we were in transition, until the timer ends
    Timer offer_;
    Timer wished_;  // until then the partner begins to offer what we asked for
    std::vector<CommandId> waiting_;
    Time gave_failed_at_{};  // when we gave groups away because they failed here
    Hold gave_failed_ = Hold::none;
};

}  // namespace hb
