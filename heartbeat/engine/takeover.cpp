#include "heartbeat/engine/takeover.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>
#include <utility>

namespace hb {

namespace {

constexpr Time kFenceAgain{5000};
// With the time between the last heartbeat heard and the last feeding of the watchdog.
constexpr Time kResetTakes{500};
constexpr Time kCutLimit{5000};  // a storage daemon that does not answer has nothing to cut

}  // namespace

bool Takeover::fencing_configured() const {
    return config::stonith_for(core_.settings.ha_cf, core_.settings.node) != nullptr ||
           !core_.settings.policy.fence_command.empty();
}

Time Takeover::quorum_grace() const {
    const Isolation& isolation = core_.isolation;
    // A partner with a longer deadtime of its own gives itself that long.
    const Time stops = std::max(isolation.stop_limit(), core_.members.partner()->deadtime);
    return std::max(Time{core_.settings.policy.takeover_delay}, isolation.detection() + stops);
}

// How long a partner that hangs may still hold everything: its watchdog counts in whole seconds.
// Both nodes have the same ha.cf.
Time Takeover::watchdog_grace() const {
    if (core_.settings.ha_cf.watchdog.empty()) {
        return Time{0};
    }
    const Node& partner = *core_.members.partner();
    const Time reset = partner.last_status + watchdog_timeout(partner.deadtime) + kResetTakes;
    return std::max(Time{0}, reset - core_.now);
}

void Takeover::announce_fencing(std::string_view result) {
    wire::Message message("stonith");
    message.set("node", core_.members.partner()->name).set("result", result);
    core_.messenger.send(std::move(message));
}

// A partner that hears us, but is not heard here, stops everything while we wait.
void Takeover::announce_takeover(Time delay) {
    wire::Message message("takeover_notice");
    message.set("node", core_.members.partner()->name);
    message.set("delay", to_hex(static_cast<std::uint64_t>(delay.count())));
    core_.messenger.send(std::move(message));
}

void Takeover::on_partner_dead(const Node& node) {
    if (core_.shutdown.running()) {
        return;
    }
    decided_ = core_.now;
    left_ = core_.holdings.other_left();
    fenced_ = confirmed_ = delayed_ = quorate_ = false;
    core_.holdings.partner_is_gone();
    const bool all_ours = core_.holdings.hold() == Hold::all;
    const bool holds_nothing = core_.holdings.other_known() && core_.holdings.other() == Hold::none;
    if (left_ || (all_ours && holds_nothing)) {
        core_.journal.info("Node " + node.name + " held nothing: no fencing is needed.");
        announce_fencing("unneeded");
        if (all_ours) {
            core_.groups.clear_failures("", true);
            return;
        }
    }
    step_ = Step::communication;
    go_on();
}

void Takeover::on_partner_left() {
    if (core_.shutdown.running()) {
        return;
    }
    if (core_.holdings.hold() == Hold::all) {
        core_.groups.clear_failures("");  // what it held may have been in the way
        return;
    }
    left_ = true;
    core_.journal.decide("Taking over: the partner has stopped its resources and leaves",
                         fact("hold", word_of(core_.holdings.hold())));
    go_on();
}

void Takeover::on_partner_restarted() {
    if (left_) {
        cancel("node " + core_.members.partner()->name + " has started again");
        left_ = false;
    }
}

bool Takeover::cancel(const std::string& why, bool same_life) {
    if (!pending()) {
        return false;
    }
    step_ = Step::none;
    timer_.clear();
    if (fence_job_ != 0) {
        core_.emit(CancelFence{fence_job_});
        refuted_job_ = same_life ? fence_job_ : 0;
        fence_job_ = 0;
    }
    tell(false, "the takeover is off: " + why);
    core_.journal.decide("The takeover is off: " + why, fact("waited_ms", core_.now - decided_));
    return true;
}

void Takeover::on_communication_up() {
    if (step_ == Step::communication) {
        go_on();
    }
}

// To the next step that is configured and not yet done.
void Takeover::go_on() {
    timer_.clear();
    if (!core_.joining.done()) {
        step_ = Step::communication;
        return;
    }
    if (left_) {
        begin();  // its replication has nothing to fear either
        return;
    }
    const config::HaPolicy& policy = core_.settings.policy;
    if (policy.quorum_ping > 0 && !quorate_) {
        step_ = Step::quorum;
        on_quorum();
        return;
    }
    if (!delayed_) {
        begin_delay();
        return;
    }
    if (policy.takeover == config::Takeover::Manual && !confirmed_) {
        step_ = Step::manual;
        core_.journal.alarm(AlarmKind::takeover,
                            "Node " + core_.members.partner()->name +
                                " is dead. Make sure that it is off, then run hb_takeover");
        return;
    }
    if (fencing_configured() && !fenced_) {
        begin_fencing();
        return;
    }
    if (!fenced_) {
        core_.journal.warning("No STONITH device configured.");
        core_.journal.warning("Shared disks are not protected.");
        announce_fencing("n_stnth");
    }
    begin_cut();
}

void Takeover::on_quorum() {
    if (step_ != Step::quorum) {
        return;
    }
    const int answers = core_.isolation.answers_since(decided_);
    if (answers < static_cast<int>(core_.settings.policy.quorum_ping)) {
        return;
    }
    quorate_ = true;
    core_.journal.decide(
        "Quorum: enough ping nodes answer",
        fact("answers", answers) + fact("needed", core_.settings.policy.quorum_ping));
    go_on();
}

// Lost while we waited: it must come again, and the partner may have had it meanwhile.
void Takeover::look_at_quorum_again() {
    if (quorate_ && !core_.isolation.quorate()) {
        quorate_ = delayed_ = false;
        decided_ = core_.now;
    }
}

void Takeover::begin_delay() {
    delayed_ = true;
    Time delay = core_.settings.policy.takeover_delay;
    // The partner has lost its quorum if it lives; it must have stopped before we start.
    if (quorate_ && !fencing_configured()) {
        delay = quorum_grace();
        announce_takeover(delay);
    }
    if (!fencing_configured()) {
        delay = std::max(delay, watchdog_grace());
    }
    if (delay == Time{0}) {
        go_on();
        return;
    }
    step_ = Step::delay;
    timer_.set(core_.now + delay);
    core_.journal.alarm(AlarmKind::takeover,
                        "Node " + core_.members.partner()->name + " is dead: takeover in " +
                            std::to_string(delay.count()) + " ms unless it returns");
}

// The delay leaves time for people, and one has decided; but a partner that lives without a quorum
// must get its time to stop.
bool Takeover::shortens_delay() const {
    return step_ == Step::delay && (!quorate_ || fencing_configured());
}

std::string Takeover::wrong_node(const std::string& name) const {
    const Node* partner = core_.members.partner();
    if (name.empty() || (partner != nullptr && config::fold_node_name(name) == partner->name)) {
        return {};
    }
    return "node " + name + " is not the one whose takeover waits" +
           (partner == nullptr ? std::string() : ": that is " + partner->name);
}

bool Takeover::confirm() {
    const bool manual = core_.settings.policy.takeover == config::Takeover::Manual;
    if (!pending() || (!manual && !shortens_delay())) {
        return false;
    }
    confirmed_ = true;
    core_.journal.decide("Takeover confirmed by an operator", fact("step", waiting_for()));
    if (step_ == Step::manual) {
        look_at_quorum_again();  // it may have taken hours
    }
    if (step_ == Step::manual || shortens_delay()) {
        go_on();
    }
    return true;
}

void Takeover::tell(bool ok, const std::string& how) {
    for (const CommandId command : std::exchange(waiting_, {})) {
        core_.emit(CommandDone{command, ok ? 0 : 1, how});
    }
}

void Takeover::on_own_taken(bool ok) {
    if (pending()) {
        return;  // they were acquired for another reason
    }
    const bool all = ok && foreign_taken_;
    tell(all,
         all ? "the resources of the dead node are taken over"
             : "taken over, but not all resources could be started: see hb_status");
}

void Takeover::begin_fencing() {
    step_ = Step::fencing;
    fence_job_ = core_.new_job();
    core_.journal.decide("Resetting node " + core_.members.partner()->name,
                         fact("silence_ms", core_.now - core_.members.partner()->last_status));
    refuted_job_ = 0;
    core_.emit(Fence{fence_job_, core_.members.partner()->name});
}

void Takeover::on_fence_done(const FenceDone& done) {
    if (done.job == refuted_job_ && done.job != 0) {
        refuted_job_ = 0;
        const Node* partner = core_.members.partner();
        if (done.ok && partner->alive()) {
            core_.journal.alarm(AlarmKind::fencing,
                                "The fencing device says that " + done.node +
                                    " has been reset, but that node was heard meanwhile: the "
                                    "device does not do what it says");
        }
        return;
    }
    if (step_ != Step::fencing || done.job != fence_job_ || done.job == 0) {
        return;
    }
    fence_job_ = 0;
    const std::string& node = core_.members.partner()->name;
    if (!done.ok) {
        core_.journal.alarm(AlarmKind::fencing,
                            "STONITH of " + node + " failed (" + done.text +
                                "). Retrying; nothing is taken over meanwhile");
        announce_fencing("bad");
        timer_.set(core_.now + kFenceAgain);
        return;
    }
    fenced_ = partner_is_off_ = true;
    core_.journal.decide("Node " + node + " has been reset", fact("text", done.text));
    announce_fencing("OK");
    go_on();
}

void Takeover::begin_cut() {
    step_ = Step::cut;
    core_.emit(CutReplication{});
    timer_.set(core_.now + kCutLimit);
}

void Takeover::on_replication_cut(const ReplicationCut& done) {
    if (step_ != Step::cut) {
        return;
    }
    if (!done.ok) {
        core_.journal.warning("The replication could not be told that the partner is dead: " +
                              done.text);
    }
    begin();
}

void Takeover::begin() {
    step_ = Step::none;
    timer_.clear();
    core_.journal.decide("Taking over from " + core_.members.partner()->name,
                         fact("hold", word_of(core_.holdings.hold())) +
                             fact("partner_held", word_of(core_.holdings.other())) +
                             fact("left", yes_no(left_)) + fact("fenced", yes_no(fenced_)) +
                             fact("pings", core_.members.pings_alive()));
    core_.journal.alarm(AlarmKind::takeover,
                        "Resources of " + core_.members.partner()->name + " are taken over");
    core_.isolation.ended();
    core_.holdings.take_over(left_);
}

void Takeover::on_time() {
    if (!timer_.take(core_.now)) {
        return;
    }
    switch (step_) {
        case Step::delay:
            look_at_quorum_again();
            go_on();
            break;
        case Step::fencing:
            begin_fencing();
            break;
        case Step::cut:
            core_.journal.warning("The replication does not answer; going on without");
            begin();
            break;
        default:
            break;
    }
}

Time Takeover::next() const {
    return timer_.at();
}

std::string Takeover::waiting_for() const {
    switch (step_) {
        case Step::none:
            return {};
        case Step::communication:
            return "communication";
        case Step::quorum:
            return "answers of ping nodes";
        case Step::delay:
            return "takeover delay";
        case Step::manual:
            return "an operator: run hb_takeover";
        case Step::fencing:
            return "fencing";
        case Step::cut:
            return "the replication";
    }
    return {};
}

}  // namespace hb
