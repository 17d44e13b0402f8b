// The three-phase hand-over of groups between two live nodes, for operators, fail-back, ipfail and
// failed services. Heartbeat specification, section 3.7. Each has an identity, which the original
// ignores: between nodes of our kind both sides learn of its end, whoever ends it and whatever
// words are lost, and a late word is answered by "that one has ended".
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
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

    Time next() const { return std::min({timer_.at(), offer_.at(), wished_.at(), again_.at()}); }

    bool idle() const { return phase_ == StandbyPhase::idle; }

    // Agents have to do with it, or soon will; an offer alone moves nothing.
    bool moving() const { return !idle() && phase_ != StandbyPhase::me; }

    StandbyPhase phase() const { return phase_; }

    // Offers the groups to the partner. The answer is empty, or says why not. `failed`: since they
    // could not be started here.
    std::string give(Hold which, bool failed = false);
    // Asks the partner to offer its groups to us.
    void wish(Hold which);

    // This command is answered when the hand-over that has just begun, or is wished for, has ended.
    void await(CommandId command) { waiting_.push_back(command); }

    void on_ask(const Node& from, const wire::Message& message);
    void on_partner_unstable();  // it has begun to stop what it gives
    void on_ended(const Node& from, const wire::Message& message);  // the partner's last word on it
    // Our agents have stopped them. False: for a hand-over that has ended.
    bool on_given();
    void on_taken(bool ok);
    void on_partner_gone();               // dead, left or restarted
    void on_partner_stable(Hold theirs);  // what it holds, from our view

    // A group could not be started: the partner may have more luck.
    void offer_failed(const Group& group);

    // What failed here is repaired, a person says: the partner may offer it again.
    // `tell`: also if nothing is remembered here.
    void forget_failures(bool tell = false);

private:
    bool can_take_part() const;
    std::string new_identity();

    struct Offer {
        Hold which = Hold::none;
        std::string id;
        bool failed = false;  // the giver could not start them
    };

    struct Failure {
        Time at{};
        unsigned times = 0;
    };

    void on_offer(const Node& from, const Offer& offer);
    void accept(const Node& from, const Offer& offer);
    void on_late_word(const std::string& id, std::string_view info);
    void say_ended(const std::string& id, std::string_view reason);
    void take_back(const std::string& why);
    void on_repeat();
    bool repeats() const;
    void on_accepted(Hold which);
    void on_partner_stopped(Hold which);
    void on_partner_took(Hold which, bool ok);
    void end(bool ok, const std::string& how);
    void on_time_limit();
    void ask(std::string_view phase, std::string_view result = {});
    bool we_failed_lately(const Offer& offer) const;

    Core& core_;
    StandbyPhase phase_ = StandbyPhase::idle;
    Hold which_ = Hold::none;  // from the giver's view
    Hold gave_ = Hold::none;   // of that, what we held: `all` may be offered by who holds less
    Timer timer_;
    std::string id_;            // of the hand-over that is under way; empty: the original's
    bool failed_here_ = false;  // it is given since it could not be started
    bool cancelled_ = false;    // by the taker, while our agents stop
    std::uint64_t number_ = 0;  // of our last offer
    std::string last_id_;       // of the last that we took, for a giver that asks again
    std::string last_result_;
    Hold last_which_ = Hold::none;
    Timer again_;                  // the last word is repeated, in case it was lost or is void
    std::optional<Time> asked_;    // an original that should have taken them: since then
    std::optional<Time> unaware_;  // ... it says that it has not, and nothing is under way
    Offer offered_;                // came while we were in transition, until the timer ends
    Timer offer_;
    Timer wished_;  // until then the partner begins to offer what we asked for
    std::vector<CommandId> waiting_;
    std::array<Failure, 2> failures_;  // of local and of foreign groups that we gave away as failed
};

}  // namespace hb
