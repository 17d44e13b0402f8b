// Who holds what, and when it is certain: the resource state machine of auto_failback on and off.
// A hold is a claim, made before the agents run. Heartbeat specification, section 3.6.
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <string_view>

namespace hb {

struct Core;

enum class Phase : std::uint8_t { init, starting, both_starting, received, stable, shutdown };

std::string_view name_of(Phase phase);

class Holdings {
public:
    explicit Holdings(Core& core) : core_(core) {}

    void start();
    void on_time();
    Time next() const;

    void on_communication_up();
    void on_starting(Node& from, const wire::Message& message);
    void on_resource(Node& from, const wire::Message& message);
    void on_shutdone(Node& from);
    // It was dead. `healed`: in the same life; else `in_full_swing`: in one that began while we did
    // not hear it. `both_restart`: an original with which nothing is to be settled.
    void on_partner_returned(bool healed, bool in_full_swing, bool both_restart);
    void on_partner_restarted();
    void on_told_dead();       // we hold nothing, and it may soon hold anything
    void on_partner_proven();  // from now on it is believed: what it said before was not
    void on_looked();          // what runs at our start is known
    void on_looked_again();    // ... or is, only now
    // In legacy mode heartbeats carry the hold, if the partner is of our kind.
    void on_partner_status(const Node& from, const wire::Message& message);

    Hold hold() const { return hold_; }

    // With what has been given away and is still being stopped, or was found and is not settled.
    Hold claimed() const;

    Hold other() const { return other_; }

    Phase phase() const { return phase_; }

    bool other_stable() const { return other_stable_; }

    bool other_left() const { return other_left_; }

    // The partner has told us what it holds since it last started (or since we did).
    bool other_known() const { return other_known_; }

    // Both sides are certain, and nothing is moving.
    bool both_stable() const;

    bool looked() const { return looked_; }  // what runs at our start is known

    // ... and is held, and nothing else is left of it.
    bool settled_in() const { return looked_ && claimed() == hold_; }

    // It lives, and its hold in its present life is not known: it may run anything.
    bool partner_unknown() const;

    // Resource state "transition" of cl_status.
    bool in_transition() const;

    // The takeover has begun: everything is ours now.
    void take_over(bool partner_left);
    void takeover_done();

    bool taking_over() const { return taking_over_; }

    void claim(Hold more);
    void release(Hold less);

    void replace(Hold hold) { hold_ = hold; }  // legacy mode: it follows the groups

    void give_everything_up();
    void begin_shutdown();

    void needs_failback(bool needed) { needs_failback_ = needed; }

    // The partner runs what we gave: a fail-back has come to its end, if it was one.
    void on_went_home(Hold which);

    // The announcement of what we hold. `info` may be empty.
    void report(bool stable, std::string_view info = {});

    void report() { report(phase_ == Phase::stable); }

    void ask_again();  // what the partner holds; ours is said with it

    // Runs what the phase "own groups" asks for, unless the partner has them.
    void acquire_local();
    // The partner reaches the world as well as we do again: groups may go home.
    void retry_failback();
    // The home does not take them: asked again later, and later still.
    void on_offer_refused();
    // ... or at once: it says that what failed there is repaired.
    void on_partner_repaired();
    void partner_is_gone();  // dead: what it held is nobody's now, as far as we may take it

private:
    void become_stable();
    void try_failback();
    void resolve_found();
    void note_received();
    void say_starting();
    void settle_legacy_dual();
    bool may_go_home() const;

    Core& core_;
    Phase phase_ = Phase::init;
    Hold hold_ = Hold::none;
    Hold other_ = Hold::none;  // from the partner's view
    bool other_stable_ = false;
    bool other_known_ = false;
    bool other_left_ = false;     // it has sent "shutdone" in this life
    bool other_leaving_ = false;  // it has said that it stops everything, and does so
    bool taking_over_ = false;
    bool needs_failback_ = false;
    bool looked_ = false;
    bool found_resolved_ = false;
    bool report_owed_ = false;  // the partner asked before we had looked around
    Time unknown_since_{};
    Time failback_pause_{};  // after the last refusal
    Time failback_from_{};   // not offered before
    Timer settle_;           // 10 s in which both sides wait for each other
    Timer failback_;         // try again
    Timer ask_;              // a partner that has returned and has not said yet what it holds
};

}  // namespace hb
