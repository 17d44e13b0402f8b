#include "heartbeat/engine/standby.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <utility>

namespace hb {

namespace {

constexpr Time kReplyLimit{10'000};
constexpr Time kGiverBegins{15'000};  // after the taker's answer; then it says that it is unstable
constexpr Time kOfferKept{2000};      // well below the giver's reply limit
constexpr Time kWishLimit{5000};      // for the first word of the giver that we asked
constexpr Time kWorkLimit{3'600'000};
constexpr Time kRepeat{5000};
// An original is asked what it holds, then again; a word of ours that it still lacks has come by
// then, or never will.
constexpr Time kOriginalTakes{30'000};
constexpr Time kAskOriginal{15'000};
constexpr Time kUnaware{10'000};
// Groups that failed here and run at the partner are not taken back before this, doubled by each
// failure; those that fail there, too, after this.
constexpr Time kFailureRemembered{600'000};
constexpr Time kBothFailed{60'000};
constexpr unsigned kDoublings = 5;
constexpr const char* kFailed = "bad";  // the original does not say, nor look at it

constexpr std::string_view kIdentity = "handover";  // a field that the original ignores
constexpr std::string_view kReason = "reason";
constexpr std::string_view kEnded = "handover_ended";  // a message that the original ignores

std::string words_for(std::string_view reason) {
    if (reason == "failed") {
        return "these resources have failed there: repair them, then run hb_takeover there";
    }
    if (reason == "busy") {
        return "its resources are in transition: try again";
    }
    if (reason == "leaving") {
        return "it shuts down";
    }
    return "it knows nothing of this hand-over any more";
}

}  // namespace

void Standby::ask(std::string_view phase, std::string_view result) {
    wire::Message message("ask_resources");
    message.set("rsc_hold", word_of(which_)).set("info", phase);
    if (!id_.empty()) {
        message.set(kIdentity, id_);
    }
    if (phase == "me" && failed_here_) {
        message.set(kReason, "failed");
    }
    if (!result.empty()) {
        message.set("result", result);
    }
    core_.messenger.send(std::move(message));
}

// The only place where the phase becomes idle: who waits for the end hears of it.
void Standby::end(bool ok, const std::string& how) {
    phase_ = StandbyPhase::idle;
    timer_.clear();
    wished_.clear();
    again_.clear();
    id_.clear();
    asked_.reset();
    unaware_.reset();
    cancelled_ = failed_here_ = false;
    for (const CommandId command : std::exchange(waiting_, {})) {
        core_.emit(CommandDone{command, ok ? 0 : 1, how});
    }
}

void Standby::wish(Hold which) {
    wire::Message request("hb_takeover");
    request.set("rsc_hold", word_of(which));
    core_.messenger.send(std::move(request));
    wished_.set(core_.now + kWishLimit);
}

std::string Standby::give(Hold which, bool failed) {
    if (core_.legacy()) {
        return "auto_failback legacy knows no standby: set it to on or off";
    }
    if (!core_.members.partner_alive() || core_.holdings.other_left()) {
        return "there is no other node to take the resources";
    }
    if (!idle() || !can_take_part()) {
        return "resources are in transition: try again when `cl_status rscstatus` shows none, "
               "local, foreign or all";
    }
    core_.journal.info(core_.settings.node + " wants to go standby [" +
                       std::string(word_of(which)) + "]");
    which_ = which;
    failed_here_ = failed;
    id_ = new_identity();
    phase_ = StandbyPhase::me;
    timer_.set(core_.now + kReplyLimit);
    ask("me");
    return {};
}

// Both nodes may have the same generation, so who gives belongs to it.
std::string Standby::new_identity() {
    const bool lesser = core_.settings.node < core_.members.partner()->name;
    return to_hex(core_.start.generation) + "." + to_hex(++number_) + (lesser ? ".1" : ".2");
}

void Standby::on_ask(const Node& from, const wire::Message& message) {
    const auto which = hold_of(message.get("rsc_hold"));
    const std::string_view info = message.get("info");
    const std::string id(message.get(kIdentity).substr(0, 40));
    if (!which || *which == Hold::none || core_.legacy()) {
        return;
    }
    if (info == "me") {
        on_offer(from, {*which, id, message.get(kReason) == "failed"});
    } else if (idle() || (!id.empty() && !id_.empty() && id != id_)) {
        on_late_word(id, info);
    } else if (info == "other") {
        on_accepted(*which);
    } else if (info == "done" && phase_ == StandbyPhase::other) {
        on_partner_stopped(*which);
    } else if (info == "done" && phase_ == StandbyPhase::done) {
        on_partner_took(*which, message.get("result") != kFailed);
    }
}

// A word about a hand-over that we do not know any more: who waits must not wait for ever.
void Standby::on_late_word(const std::string& id, std::string_view info) {
    if (id.empty() || (info != "other" && info != "done")) {
        return;
    }
    if (id == last_id_) {
        wire::Message message("ask_resources");
        message.set("rsc_hold", word_of(last_which_)).set("info", "done").set(kIdentity, id);
        if (!last_result_.empty()) {
            message.set("result", last_result_);
        }
        core_.messenger.send(std::move(message));
        return;
    }
    say_ended(id, core_.shutdown.running() ? "leaving" : "unknown");
}

void Standby::say_ended(const std::string& id, std::string_view reason) {
    if (id.empty()) {
        return;  // the original learns by its time limits
    }
    wire::Message message(kEnded);
    message.set(kIdentity, id).set(kReason, reason);
    message.set("rsc_hold", word_of(core_.holdings.claimed()));
    core_.messenger.send(std::move(message));
}

void Standby::on_ended(const Node& from, const wire::Message& message) {
    if (idle() || message.get(kIdentity) != id_) {
        return;
    }
    const std::string why =
        "node " + from.name + " has ended the hand-over: " + words_for(message.get(kReason));
    const Hold theirs = mirror(hold_of(message.get("rsc_hold")).value_or(Hold::none));
    core_.journal.warning(why);
    switch (phase_) {
        case StandbyPhase::me:
            core_.holdings.on_offer_refused();
            end(false, why);
            break;
        case StandbyPhase::other:
            end(false, why);
            break;
        case StandbyPhase::giving:
            cancelled_ = !overlaps(theirs, gave_);
            break;
        case StandbyPhase::done:
            if (overlaps(theirs, gave_) || gave_ == Hold::none) {
                end(true, from.name + " runs the resources");
                core_.holdings.report();
            } else {
                take_back(why);
            }
            break;
        default:
            break;  // our agents start them: the partner learns that from our report
    }
}

// An original that has lost touch for a moment has forgotten the hand-over, and says so to nobody.
void Standby::on_partner_stable(Hold theirs) {
    if (phase_ != StandbyPhase::done || !asked_ || repeats()) {
        return;
    }
    const std::string& node = core_.members.partner()->name;
    if (overlaps(theirs, gave_) || gave_ == Hold::none) {
        end(true, node + " runs the resources");
        core_.holdings.report();
        return;
    }
    unaware_ = unaware_.value_or(core_.now);
    if (core_.now - *unaware_ >= kUnaware) {
        take_back("node " + node + " has taken nothing, and knows nothing of the hand-over");
    }
}

// They are stopped here, and the partner will not start them.
void Standby::take_back(const std::string& why) {
    const Hold which = gave_;
    core_.journal.decide("Taking back what the partner did not take",
                         fact("which", word_of(which)));
    end(false, why + "; they are started here again");
    core_.holdings.claim(which);
    core_.holdings.report();
    core_.groups.take(Purpose::take_back, core_.groups.indexes(which));
}

bool Standby::can_take_part() const {
    return core_.holdings.both_stable() && !core_.groups.busy() && !core_.takeover.pending() &&
           !core_.partition.unsettled() && !core_.shutdown.requested();
}

void Standby::on_offer(const Node& from, const Offer& offer) {
    if (core_.shutdown.running()) {
        say_ended(offer.id, "leaving");
        return;
    }
    // Both asked at once: the one with the lesser name goes first, the other's wish is void.
    const bool yield = phase_ == StandbyPhase::me && from.name < core_.settings.node;
    if (phase_ == StandbyPhase::other && offer.which == which_ && offer.id == id_) {
        ask("other");  // our first answer did not arrive, or too late
        return;
    }
    if (phase_ == StandbyPhase::other && !offer.id.empty() && offer.id != id_) {
        end(false, from.name + " has begun another hand-over");
    }
    if ((idle() || yield) && can_take_part()) {
        accept(from, offer);
        return;
    }
    // The message that ends our transition may have been overtaken by this one.
    core_.journal.info("standby request of " + from.name + " waits: in transition");
    offered_ = offer;
    offer_.set(core_.now + kOfferKept);
}

void Standby::accept(const Node& from, const Offer& offer) {
    if (we_failed_lately(offer)) {
        core_.journal.alarm(AlarmKind::resource,
                            "Node " + from.name +
                                " offers groups that have failed here: not taken. Repair them and "
                                "run hb_takeover");
        say_ended(offer.id, "failed");
        return;
    }
    core_.journal.info(from.name + " wants to go standby [" + std::string(word_of(offer.which)) +
                       "]");
    if (phase_ == StandbyPhase::me) {
        end(false, from.name + " wanted to give resources away at the same time, and goes first");
    }
    wished_.clear();
    phase_ = StandbyPhase::other;
    which_ = offer.which;
    id_ = offer.id;
    timer_.set(core_.now + kGiverBegins);
    again_.set(core_.now + kRepeat);
    ask("other");
}

void Standby::on_accepted(Hold which) {
    if (phase_ == StandbyPhase::done && which == which_ && !id_.empty()) {
        ask("done");  // the taker still waits for it
        return;
    }
    if (phase_ != StandbyPhase::me || which != which_) {
        return;
    }
    offer_.clear();  // it has given up a wish of its own for ours
    core_.journal.decide(
        "Giving resources to the partner",
        fact("which", word_of(which)) + fact("hold", word_of(core_.holdings.hold())));
    phase_ = StandbyPhase::giving;
    timer_.clear();
    gave_ = which & core_.holdings.hold();
    core_.holdings.release(which);
    core_.holdings.report(false, "standby");
    core_.groups.give(Purpose::standby_give, core_.groups.indexes(which));
}

void Standby::on_partner_unstable() {
    if (phase_ == StandbyPhase::other) {
        timer_.set(core_.now + kWorkLimit);
    }
}

bool Standby::on_given() {
    if (phase_ != StandbyPhase::giving) {
        return false;
    }
    if (cancelled_) {
        take_back("the partner has ended the hand-over");
        return true;
    }
    phase_ = StandbyPhase::done;
    timer_.set(core_.now + kWorkLimit);
    again_.set(core_.now + (repeats() ? kRepeat : kOriginalTakes));
    ask("done");
    return true;
}

// To a partner of our kind, which answers if it does not know what we speak of.
bool Standby::repeats() const {
    const Node* partner = core_.members.partner();
    return partner != nullptr && partner->ours && !id_.empty();
}

// The original answers to one question only: what do you hold?
void Standby::on_repeat() {
    if (!repeats()) {
        if (phase_ == StandbyPhase::done && core_.members.partner_alive()) {
            asked_ = asked_.value_or(core_.now);
            core_.holdings.ask_again();
            again_.set(core_.now + kAskOriginal);
        }
        return;
    }
    if (phase_ == StandbyPhase::other) {
        ask("other");
    } else if (phase_ == StandbyPhase::done) {
        ask("done");
    } else {
        return;
    }
    again_.set(core_.now + kRepeat);
}

void Standby::on_partner_stopped(Hold which) {
    if (which != which_) {
        return;
    }
    const Hold ours = mirror(which);
    phase_ = StandbyPhase::taking;
    timer_.clear();
    again_.clear();
    core_.holdings.claim(ours);
    core_.groups.take(Purpose::standby_take, core_.groups.indexes(ours));
}

void Standby::on_taken(bool ok) {
    if (phase_ != StandbyPhase::taking) {
        return;
    }
    last_id_ = id_;
    last_which_ = which_;
    last_result_ = ok ? "" : kFailed;
    ask("done", last_result_);
    const std::string how = ok ? "Took resources from the partner"
                               : "Took resources from the partner, but not all of them could be "
                                 "started";
    end(ok, how);
    core_.holdings.report(true);
    core_.journal.decide(how, fact("which", word_of(mirror(which_))));
}

void Standby::on_partner_took(Hold which, bool ok) {
    if (which != which_) {
        return;
    }
    const std::string& node = core_.members.partner()->name;
    if (ok) {
        core_.holdings.on_went_home(which);
        end(true, node + " runs the resources");
    } else {
        core_.journal.warning(node + " could not start all that it took");
        end(false, node + " could not start all of the resources: look there with hb_status");
    }
    core_.journal.info("Standby resource acquisition done [" + std::string(word_of(which)) + "].");
    core_.holdings.report(true);
}

void Standby::on_time() {
    if (offer_.is_set() && idle() && can_take_part() && core_.members.partner_alive()) {
        offer_.clear();
        accept(*core_.members.partner(), offered_);
    } else if (offer_.take(core_.now)) {
        core_.journal.warning("standby request of the partner ignored: in transition");
        say_ended(offered_.id, "busy");
    }
    if (again_.take(core_.now)) {
        on_repeat();
    }
    if (wished_.take(core_.now) && idle()) {
        end(false, "the partner has offered nothing within 5 s: its log says why");
    }
    if (timer_.take(core_.now)) {
        on_time_limit();
    }
}

void Standby::on_time_limit() {
    if (phase_ == StandbyPhase::other) {
        core_.journal.warning("The partner does not begin to stop what it offered");
        end(false, "the partner does not begin to stop what it offered");
    } else if (phase_ == StandbyPhase::me) {
        core_.journal.alarm(AlarmKind::resource,
                            "No reply to standby request. Standby request cancelled.");
        core_.holdings.on_offer_refused();
        end(false, "the partner does not answer: nothing was moved");
    } else {
        core_.journal.alarm(AlarmKind::resource,
                            "The hand-over of resources did not end within an hour: look at both "
                            "nodes with hb_status");
        end(false, "it did not end within an hour: look at both nodes with hb_status");
    }
}

void Standby::on_partner_gone() {
    offer_.clear();
    const bool ours = core_.shutdown.running() || core_.isolation.isolated();
    const std::string why = ours ? "this node releases its resources" : "the other node is gone";
    if (idle()) {
        end(false, why);  // nobody waits, or it was wished for only
        return;
    }
    core_.journal.warning("Standby cancelled: " + why);
    if (phase_ == StandbyPhase::taking) {
        core_.holdings.report(true);
    }
    end(false, why);
}

bool Standby::we_failed_lately(const Offer& offer) const {
    const Hold ours = mirror(offer.which);
    for (const Hold which : {Hold::local, Hold::foreign}) {
        const Failure& failure = failures_[which == Hold::local ? 0 : 1];
        if (!has(ours, which) || failure.times == 0) {
            continue;
        }
        const unsigned doublings = std::min(failure.times - 1, kDoublings);
        const Time limit = offer.failed ? kBothFailed : kFailureRemembered * (1u << doublings);
        if (core_.now - failure.at < limit) {
            return true;
        }
    }
    return false;
}

void Standby::offer_failed(const Group& group) {
    const Hold which = group.local ? Hold::local : Hold::foreign;
    const std::string refused = give(which, true);
    if (!refused.empty()) {
        core_.journal.alarm(AlarmKind::resource,
                            "Resource group " + group.key() + " stays down: " + refused);
        return;
    }
    Failure& failure = failures_[which == Hold::local ? 0 : 1];
    failure.times = failure.at == group.failed_at ? failure.times : failure.times + 1;
    failure.at = group.failed_at;
}

void Standby::forget_failures(bool tell) {
    for (const Failure& failure : std::exchange(failures_, {})) {
        tell = tell || failure.times > 0;
    }
    if (tell && core_.members.partner_alive() && !core_.shutdown.running()) {
        core_.holdings.report(core_.holdings.phase() == Phase::stable, "repaired");
    }
}

}  // namespace hb
