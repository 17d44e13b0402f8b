#include "heartbeat/engine/holdings.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kSettle{10'000};
constexpr Time kFailbackAgain{1000};
constexpr Time kRefusedFirst{5000};  // doubled by each refusal
constexpr Time kRefusedLongest{600'000};
constexpr Time kUnknownTold{60'000};
constexpr Time kAskReturnedAgain{5000};

}  // namespace

std::string_view name_of(Phase phase) {
    switch (phase) {
        case Phase::init:
            return "init";
        case Phase::starting:
            return "starting";
        case Phase::both_starting:
            return "both-starting";
        case Phase::received:
            return "received";
        case Phase::stable:
            return "stable";
        case Phase::shutdown:
            return "shutdown";
    }
    return "init";
}

// After a quick restart the resources have gone on running.
void Holdings::start() {
    hold_ = core_.start.restart_hold;
    needs_failback_ = has(hold_, Hold::foreign);
    unknown_since_ = core_.now;
    std::vector<std::size_t> held = core_.groups.indexes(hold_);
    std::erase_if(held, [this](std::size_t index) {
        const std::vector<std::string>& given = core_.start.given;
        return std::find(given.begin(), given.end(), core_.groups.all()[index].key()) !=
               given.end();
    });
    core_.groups.inherit(held);
    for (const std::size_t index : held) {
        core_.groups.take(Purpose::adopt, {index});
    }
    core_.groups.look();
}

bool Holdings::both_stable() const {
    return phase_ == Phase::stable && other_stable_ && !taking_over_;
}

bool Holdings::in_transition() const {
    return phase_ != Phase::stable || !other_stable_ || taking_over_ || core_.groups.busy() ||
           !core_.standby.idle();
}

Hold Holdings::claimed() const {
    return hold_ | core_.groups.leaving(hold_);
}

bool Holdings::partner_unknown() const {
    return core_.members.partner_alive() && !other_known_ && !core_.legacy();
}

// "Stable" is said when the work has ended: as long as something that we do not hold any more is
// being stopped, it is still claimed, so that nobody starts it. But for the two announcements of
// the original that are made before the stops.
void Holdings::report(bool stable, std::string_view info) {
    if (core_.legacy()) {
        return;
    }
    const Hold leaving = core_.groups.leaving(hold_);
    const bool announced = info == "standby" || info == "shutdown";
    wire::Message message("resource");
    message.set("rsc_hold", word_of(announced ? hold_ : hold_ | leaving))
        .set("rtype", "full")
        .set("isstable", stable && leaving == Hold::none ? "1" : "0");
    if (!info.empty()) {
        message.set("info", info);
    }
    core_.messenger.send(std::move(message));
}

void Holdings::on_communication_up() {
    if (core_.shutdown.running()) {
        return;  // we were told to go before we had come up
    }
    if (core_.legacy()) {
        phase_ = Phase::stable;
        other_stable_ = true;
        // The original does not say what it holds; it asks for what it wants.
        const Node* partner = core_.members.partner();
        other_known_ = other_known_ || partner == nullptr || !partner->ours;
        resolve_found();
        return;
    }
    phase_ = Phase::starting;
    say_starting();
    if (core_.members.partner() == nullptr) {
        other_stable_ = other_known_ = true;
        resolve_found();
        note_received();
    }
}

// The original's question; ours carries what we run, once we know it.
void Holdings::say_starting() {
    wire::Message message("starting");
    if (looked_) {
        message.set("rsc_hold", word_of(claimed()));
    }
    core_.messenger.send(std::move(message));
}

void Holdings::on_starting(Node& from, const wire::Message& message) {
    core_.journal.info("remote resource transition: " + from.name + " is starting");
    if (phase_ == Phase::starting) {
        phase_ = Phase::both_starting;
    }
    // Messages overtake each other: a later report is the truth.
    if (from.sequence.current > from.sequence.report) {
        other_stable_ = false;
        other_left_ = other_leaving_ = false;  // of an earlier life that we have hardly heard
        if (const auto hold = hold_of(message.get("rsc_hold")); hold) {
            from.sequence.report = from.sequence.current;
            other_ = *hold;
            other_known_ = true;
            resolve_found();
            core_.partition.on_partner_reported();
        }
    }
    // Who has not looked around does not know what it holds.
    report_owed_ = !looked_;
    if (looked_) {
        report();
    }
    note_received();  // our own report counts, too
}

void Holdings::on_partner_status(const Node& from, const wire::Message& message) {
    const auto hold = hold_of(message.get("rsc_hold"));
    if (core_.legacy() && &from == core_.members.partner() && hold && from.believed()) {
        other_ = *hold;
        other_known_ = true;
        resolve_found();
        settle_legacy_dual();
    }
}

// Both run the partner's groups, as after a cut that nobody noticed: its home is there.
void Holdings::settle_legacy_dual() {
    const Hold both = hold_ & mirror(other_) & Hold::foreign;
    if (both == Hold::none || other_left_ || core_.shutdown.running() || core_.takeover.pending()) {
        return;
    }
    core_.journal.alarm(AlarmKind::dual_claim,
                        "Both nodes hold the groups of " + core_.members.partner()->name +
                            ": they are stopped here");
    core_.groups.give(Purpose::conflict, core_.groups.indexes(both));
    release(both);
}

void Holdings::note_received() {
    if (phase_ == Phase::starting || phase_ == Phase::both_starting) {
        phase_ = Phase::received;
        settle_.set(core_.now + kSettle);
    }
}

void Holdings::on_resource(Node& from, const wire::Message& message) {
    const auto word = hold_of(message.get("rsc_hold"));
    if (!word) {
        core_.messenger.count_dropped();
        core_.journal.error("node " + from.name + " reports a hold of [" +
                            std::string(message.get("rsc_hold").substr(0, 40)) + "]");
        return;
    }
    const bool full = message.get("rtype") == "full";
    if (from.sequence.current < from.sequence.report) {
        return;  // overtaken by a later one
    }
    from.sequence.report = from.sequence.current;
    other_ = full || *word == Hold::none ? *word : other_ | *word;
    other_known_ = true;
    other_leaving_ = other_leaving_ || message.get("info") == "shutdown";
    resolve_found();
    note_received();
    core_.partition.on_partner_reported();
    const std::string_view stable = message.get("isstable");
    if (stable == "0") {
        other_stable_ = false;
        core_.standby.on_partner_unstable();
        return;
    }
    if (stable != "1") {
        return;  // a script's message, says nothing about it
    }
    const bool newly = !other_stable_;
    other_stable_ = true;
    if (newly) {
        core_.journal.info("remote resource transition completed.");
        report();
    }
    if (phase_ != Phase::stable && phase_ != Phase::shutdown && phase_ != Phase::init) {
        become_stable();
    }
    core_.standby.on_partner_stable(mirror(other_));
    try_failback();
    core_.ipfail.on_partner_stable();
    if (newly) {
        core_.groups.on_partner_stable();
    }
    if (message.get("info") == "repaired") {
        on_partner_repaired();
    }
}

void Holdings::become_stable() {
    if (!looked_ || core_.takeover.pending() || core_.isolation.isolated()) {
        settle_.set(core_.now + kFailbackAgain);  // what is ours is not known yet
        return;
    }
    if (core_.members.partner_alive() && other_leaving_) {
        settle_.set(core_.now + kFailbackAgain);  // it says goodbye when it has stopped everything
        return;
    }
    if (core_.isolation.unheard()) {
        on_told_dead();  // its notice may be lost
    }
    if (partner_unknown()) {
        settle_.set(core_.now + kFailbackAgain);
        say_starting();
        if (core_.now - unknown_since_ >= kUnknownTold) {
            core_.journal.alarm(AlarmKind::resource,
                                "Node " + core_.members.partner()->name +
                                    " does not say what it holds: nothing is started here. Do both "
                                    "nodes have the same auto_failback?");
        }
        return;
    }
    settle_.clear();
    const bool acquire = !has(hold_, Hold::local) && !has(other_, Hold::foreign);
    if (acquire) {
        hold_ = hold_ | Hold::local;
    }
    phase_ = Phase::stable;
    core_.journal.info("local resource transition completed.");
    report(true);
    if (acquire) {
        core_.groups.take(Purpose::own, core_.groups.indexes(Hold::local));
    } else {
        core_.groups.start_what_is_held(
            false);  // a file that was read anew since may have more of it
    }
}

void Holdings::acquire_local() {
    hold_ = hold_ | Hold::local;
    report();
    core_.groups.take(Purpose::own, core_.groups.indexes(Hold::local));
}

void Holdings::on_time() {
    if (settle_.is_set() && core_.now >= settle_.at()) {
        if (looked_ && phase_ == Phase::received) {
            become_stable();
        } else if (phase_ == Phase::received) {
            settle_.set(core_.now + kFailbackAgain);
        } else {
            settle_.clear();
        }
    }
    if (failback_.take(core_.now)) {
        try_failback();
    }
    if (phase_ != Phase::stable || !partner_unknown()) {
        ask_.clear();  // it is known, or we are not certain ourselves and ask for that
        return;
    }
    if (ask_.take(core_.now)) {
        ask_again();
    } else if (!ask_.is_set()) {
        ask_.set(core_.now + kAskReturnedAgain);
    }
}

Time Holdings::next() const {
    return std::min({settle_.at(), failback_.at(), ask_.at()});
}

bool Holdings::may_go_home() const {
    const bool dual = overlaps(hold_, mirror(other_));  // to be settled first
    return !dual && both_stable() && core_.standby.idle() && !core_.groups.busy() &&
           !core_.takeover.pending() && !core_.partition.unsettled();
}

// We hold the partner's groups only because it was gone.
void Holdings::try_failback() {
    if (core_.settings.ha_cf.auto_failback != config::AutoFailback::On || !needs_failback_ ||
        !has(hold_, Hold::foreign) || phase_ == Phase::shutdown || core_.shutdown.running() ||
        !core_.members.partner_alive() || other_left_) {
        failback_.clear();
        return;
    }
    if (may_go_home() && core_.now >= failback_from_) {
        core_.journal.decide("Groups of " + core_.members.partner()->name + " go home",
                             fact("auto_failback", "on") + fact("hold", word_of(hold_)) +
                                 fact("partner_hold", word_of(other_)));
        core_.standby.give(Hold::foreign);
    }
    // Also after an offer: it may be lost, or come at a moment when the partner cannot take it.
    failback_.set(std::max(core_.now + kFailbackAgain, failback_from_));
}

// What comes back to us from now on was wanted here: it is not sent home again.
void Holdings::on_went_home(Hold which) {
    if (has(which, Hold::foreign)) {
        needs_failback_ = false;
        failback_.clear();
    }
}

void Holdings::on_offer_refused() {
    failback_pause_ = std::clamp(failback_pause_ * 2, kRefusedFirst, kRefusedLongest);
    failback_from_ = core_.now + failback_pause_;
    if (failback_.is_set()) {
        failback_.set(failback_from_);
    }
}

void Holdings::on_partner_repaired() {
    failback_pause_ = failback_from_ = Time{0};
    try_failback();
}

void Holdings::retry_failback() {
    needs_failback_ = needs_failback_ || has(hold_, Hold::foreign);
    try_failback();
}

// The partner has stopped all of its groups and leaves: no fencing, no waiting.
void Holdings::on_shutdone(Node& from) {
    core_.journal.info("Received shutdown notice from '" + from.name + "'.");
    from.sequence.report = std::max(from.sequence.report, from.sequence.current);
    other_ = Hold::none;
    other_stable_ = true;
    other_known_ = true;
    other_left_ = true;
    other_leaving_ = false;
    core_.standby.on_partner_gone();
    core_.takeover.on_partner_left();
}

// It was gone when we said that we start, or we were for it.
void Holdings::on_partner_returned(bool healed, bool in_full_swing, bool both_restart) {
    // What it said before is of no use: it may have given away, or taken, anything since. Who is
    // not certain itself asks when it would be.
    if (healed && !core_.legacy()) {
        other_known_ = other_stable_ = false;
        unknown_since_ = core_.now;
    }
    if (healed && phase_ == Phase::stable && !core_.legacy()) {
        if (both_restart) {
            ask_.set(core_.now + kAskReturnedAgain);  // it is asked if it does not, after all
        } else {
            ask_again();
        }
    } else if (phase_ == Phase::starting || phase_ == Phase::both_starting) {
        say_starting();
    } else if (in_full_swing && phase_ != Phase::init && phase_ != Phase::shutdown) {
        report();  // it will not ask what we hold, and may hold the same
    }
    resolve_found();  // if it waited for the end of a takeover that is off now
}

void Holdings::ask_again() {
    ask_.set(core_.now + kAskReturnedAgain);
    say_starting();
    report();
}

void Holdings::on_partner_restarted() {
    other_stable_ = core_.legacy();
    other_left_ = other_leaving_ = false;
    other_known_ = false;
    unknown_since_ = core_.now;
    failback_pause_ = failback_from_ = Time{0};  // a new life, a new try
}

// Nothing is acquired before it says what it holds: after its takeover, or when it hears us again.
void Holdings::on_told_dead() {
    if (other_known_) {
        unknown_since_ = core_.now;
    }
    other_stable_ = core_.legacy();
    other_known_ = false;
}

void Holdings::on_partner_proven() {
    const bool asking = phase_ == Phase::starting || phase_ == Phase::both_starting ||
                        phase_ == Phase::received || phase_ == Phase::stable;
    if (asking && !other_known_ && !core_.legacy() && !core_.shutdown.running()) {
        say_starting();
    }
}

void Holdings::partner_is_gone() {
    other_stable_ = true;
    resolve_found();
}

void Holdings::take_over(bool partner_left) {
    other_ = Hold::none;
    other_stable_ = true;
    other_left_ = partner_left;
    other_leaving_ = false;
    hold_ = Hold::all;
    taking_over_ = true;
    needs_failback_ = true;
    failback_pause_ = failback_from_ = Time{0};
    found_resolved_ = true;
    core_.groups.found_is_settled();
    core_.groups.take(Purpose::takeover, core_.groups.indexes(Hold::foreign));
    core_.groups.take(Purpose::own, core_.groups.indexes(Hold::local));
    note_received();
}

void Holdings::takeover_done() {
    taking_over_ = false;
    if (!core_.legacy()) {
        wire::Message message("resource");
        message.set("rsc_hold", "foreign").set("info", "mach_down");
        core_.messenger.send(std::move(message));
    }
    core_.journal.info("mach_down takeover complete.");
    core_.emit(Announce{});
    try_failback();
}

void Holdings::give_everything_up() {
    hold_ = Hold::none;
    taking_over_ = false;
    needs_failback_ = false;
    core_.takeover.on_given_up();
    other_left_ = false;  // the goodbye of a node that we would not hear any more is worth nothing
}

void Holdings::claim(Hold more) {
    hold_ = hold_ | more;
}

void Holdings::release(Hold less) {
    hold_ = without(hold_, less);
}

void Holdings::begin_shutdown() {
    phase_ = Phase::shutdown;
    hold_ = Hold::none;
    taking_over_ = false;
    settle_.clear();
    failback_.clear();
}

void Holdings::on_looked() {
    looked_ = true;
    resolve_found();
    if (report_owed_) {
        report_owed_ = false;
        report();
    }
}

void Holdings::on_looked_again() {
    found_resolved_ = false;
    resolve_found();
    if (phase_ == Phase::stable) {
        report();  // what was claimed since an agent was at work may be free now
    }
}

// Something of ours runs already: this daemon was killed and has come back. The partner may have
// taken it over meanwhile; then ours must stop. Otherwise it goes on under our care.
void Holdings::resolve_found() {
    const Hold found = without(core_.groups.found(), hold_);
    if (found_resolved_ || !looked_ || core_.shutdown.running()) {
        return;
    }
    if (core_.isolation.isolated()) {
        core_.isolation.on_found();
        return;
    }
    const bool alone = core_.joining.done() && !core_.members.partner_alive();
    if ((!other_known_ && !alone) || core_.takeover.pending()) {
        return;
    }
    found_resolved_ = true;
    core_.groups.found_is_settled();
    if (found == Hold::none) {
        return;
    }
    // In legacy mode what is at home at a living partner runs there: it would have asked for it.
    const bool home_lives = core_.legacy() && core_.members.partner_alive();
    const Hold theirs = found & (mirror(other_) | (home_lives ? Hold::foreign : Hold::none));
    const Hold ours = without(found, theirs);
    // What runs here and is not held is claimed to the partner: from now on it is held, or stops.
    core_.journal.decide("Resources were found running at our start",
                         fact("found", word_of(found)) + fact("partner_holds", word_of(theirs)) +
                             fact("adopted", word_of(ours)));
    if (theirs != Hold::none) {
        core_.journal.alarm(AlarmKind::dual_claim,
                            "Resources ran here at our start although the partner holds them: "
                            "they are stopped here");
        core_.groups.give(Purpose::conflict, core_.groups.indexes(theirs));
    }
    if (ours != Hold::none) {
        hold_ = hold_ | ours;
        needs_failback_ = needs_failback_ || has(ours, Hold::foreign);
        core_.groups.take(Purpose::adopt, core_.groups.indexes(ours));
        report();
    }
}

}  // namespace hb
