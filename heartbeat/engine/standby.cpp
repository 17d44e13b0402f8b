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
// A group that failed here is not taken back from a partner on which it fails, too, before this.
constexpr Time kFailureRemembered{600'000};
constexpr const char* kFailed = "bad";  // the original does not say, nor look at it

}  // namespace

void Standby::ask(Hold which, std::string_view phase, std::string_view result) {
    wire::Message message("ask_resources");
    message.set("rsc_hold", word_of(which)).set("info", phase);
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

std::string Standby::give(Hold which) {
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
    phase_ = StandbyPhase::me;
    timer_.set(core_.now + kReplyLimit);
    ask(which, "me");
    return {};
}

void Standby::on_ask(const Node& from, const wire::Message& message) {
    const auto which = hold_of(message.get("rsc_hold"));
    const std::string_view info = message.get("info");
    if (!which || *which == Hold::none || core_.legacy() || core_.shutdown.running()) {
        return;
    }
    if (info == "me") {
        on_offer(from, *which);
    } else if (info == "other") {
        on_accepted(*which);
    } else if (info == "done" && phase_ == StandbyPhase::other) {
        on_partner_stopped(*which);
    } else if (info == "done" && phase_ == StandbyPhase::done) {
        on_partner_took(*which, message.get("result") != kFailed);
    }
}

bool Standby::can_take_part() const {
    return core_.holdings.both_stable() && !core_.groups.busy() && !core_.takeover.pending() &&
           !core_.partition.unsettled() && !core_.shutdown.requested();
}

void Standby::on_offer(const Node& from, Hold which) {
    // Both asked at once: the one with the lesser name goes first, the other's wish is void.
    const bool yield = phase_ == StandbyPhase::me && from.name < core_.settings.node;
    if (phase_ == StandbyPhase::other && which == which_) {
        ask(which, "other");  // our first answer did not arrive, or too late
        return;
    }
    if ((idle() || yield) && can_take_part()) {
        accept(from, which);
        return;
    }
    // The message that ends our transition may have been overtaken by this one.
    core_.journal.info("standby request of " + from.name + " waits: in transition");
    offered_ = which;
    offer_.set(core_.now + kOfferKept);
}

void Standby::accept(const Node& from, Hold which) {
    if (we_failed_lately(mirror(which))) {
        gave_failed_at_ = core_.now;
        core_.journal.alarm(AlarmKind::resource,
                            "Node " + from.name +
                                " offers groups that have failed here: not taken. Repair them and "
                                "run hb_takeover");
        return;
    }
    core_.journal.info(from.name + " wants to go standby [" + std::string(word_of(which)) + "]");
    if (phase_ == StandbyPhase::me) {
        end(false, from.name + " wanted to give resources away at the same time, and goes first");
    }
    wished_.clear();
    phase_ = StandbyPhase::other;
    which_ = which;
    timer_.set(core_.now + kGiverBegins);
    ask(which, "other");
}

void Standby::on_accepted(Hold which) {
    if (phase_ != StandbyPhase::me || which != which_) {
        return;
    }
    offer_.clear();  // it has given up a wish of its own for ours
    core_.journal.decide(
        "Giving resources to the partner",
        fact("which", word_of(which)) + fact("hold", word_of(core_.holdings.hold())));
    phase_ = StandbyPhase::giving;
    timer_.clear();
    core_.holdings.release(which);
    core_.holdings.report(false, "standby");
    core_.groups.give(Purpose::standby_give, core_.groups.indexes(which));
}

void Standby::on_partner_unstable() {
    if (phase_ == StandbyPhase::other) {
        timer_.set(core_.now + kWorkLimit);
    }
}

void Standby::on_given() {
    if (phase_ != StandbyPhase::giving) {
        return;
    }
    phase_ = StandbyPhase::done;
    timer_.set(core_.now + kWorkLimit);
    ask(which_, "done");
}

void Standby::on_partner_stopped(Hold which) {
    if (which != which_) {
        return;
    }
    const Hold ours = mirror(which);
    phase_ = StandbyPhase::taking;
    timer_.clear();
    core_.holdings.claim(ours);
    core_.groups.take(Purpose::standby_take, core_.groups.indexes(ours));
}

void Standby::on_taken(bool ok) {
    if (phase_ != StandbyPhase::taking) {
        return;
    }
    ask(which_, "done", ok ? "" : kFailed);
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
    const std::string why =
        core_.shutdown.running() ? "this node releases its resources" : "the other node is gone";
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

bool Standby::we_failed_lately(Hold ours) const {
    return gave_failed_ != Hold::none && overlaps(gave_failed_, ours) &&
           core_.now - gave_failed_at_ < kFailureRemembered;
}

// False: not now.
bool Standby::hand_over_failed(const Group& group) {
    const Hold which = group.local ? Hold::local : Hold::foreign;
    if (!has(core_.holdings.hold(), which)) {
        return true;  // it is the partner's by now
    }
    const std::string refused = give(which);
    if (!refused.empty()) {
        core_.journal.alarm(AlarmKind::resource,
                            "Resource group " + group.key() + " stays down: " + refused);
        return false;
    }
    gave_failed_ = gave_failed_ | which;
    gave_failed_at_ = core_.now;
    return false;  // until it is gone
}

}  // namespace hb
