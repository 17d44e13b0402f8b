#include "heartbeat/engine/partition.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kRestartAfter{2000};
constexpr Time kRestartWaits{1000};  // for agents that are at work
constexpr Time kAnswerLimit{5000};
constexpr std::string_view kClaim = "partition_claim";  // unknown to the original, which ignores it

}  // namespace

void Partition::on_healed(const Node& node, bool pending) {
    core_.journal.critical("Cluster node " + node.name + " returning after partition.");
    core_.journal.alarm(AlarmKind::partition,
                        "Node " + node.name +
                            " returns after a partition: both nodes may have run the same "
                            "resources; compare the state of the replication");
    const bool gentle = core_.settings.policy.partition_policy == config::PartitionPolicy::Gentle;
    core_.journal.decide("Healed partition",
                         fact("policy", gentle ? "gentle" : "restart") +
                             fact("hold", word_of(core_.holdings.hold())) +
                             fact("takeover_begun", yes_no(!pending)));
    if (core_.shutdown.running()) {
        return;
    }
    core_.heartbeat.send_status();
    if (pending) {
        core_.holdings.report();  // we have not touched anything
        core_.emit(Announce{});
        return;
    }
    if (gentle && !core_.legacy()) {
        answer_.set(core_.now + kAnswerLimit);
        send_claim(true);
        return;
    }
    healed_ = true;
    begin_restart(kRestartAfter);
}

void Partition::begin_restart(Time after) {
    if (!restart_.is_set()) {
        restart_.set(core_.now + after);
    }
}

void Partition::on_time() {
    if (answer_.take(core_.now)) {
        const bool dual = overlaps(core_.holdings.hold(), mirror(core_.holdings.other()));
        if (dual || !core_.holdings.other_known()) {
            core_.journal.warning("The partner does not say how long it has held the resources");
            begin_restart(Time{0});
        }
    }
    if (restart_.is_set() && core_.now >= restart_.at()) {
        if (core_.groups.busy() && core_.now < restart_.at() + core_.shutdown.patience()) {
            return;
        }
        restart_.clear();
        core_.shutdown.begin_restart();
    }
}

Time Partition::next() const {
    Time soonest = std::min(answer_.at(), restart_.at());
    if (restart_.is_set() && restart_.at() <= core_.now) {
        soonest = std::min(answer_.at(), core_.now + kRestartWaits);
    }
    return soonest;
}

void Partition::on_partner_restarted() {
    answer_.clear();
}

// Gone again: what was to be settled with it is ours now.
void Partition::on_partner_dead() {
    answer_.clear();
    restart_.clear();
}

std::optional<Time> Partition::held_for(Hold which) const {
    if (!has(core_.holdings.hold(), which)) {
        return std::nullopt;
    }
    Time longest{0};
    for (const std::size_t index : core_.groups.indexes(which)) {
        const Group& group = core_.groups.all()[index];
        if (group.wanted) {
            longest = std::max(longest, core_.now - group.taken_at);
        }
    }
    return longest;
}

// How long each side has held what: ages, so that no clock is compared.
void Partition::send_claim(bool wants_answer) {
    wire::Message claim(kClaim);
    claim.set("rsc_hold", word_of(core_.holdings.hold())).set("answer", wants_answer ? "1" : "0");
    for (const Hold which : {Hold::local, Hold::foreign}) {
        if (const auto age = held_for(which)) {
            claim.set(word_of(which), to_hex(static_cast<std::uint64_t>(age->count())));
        }
    }
    core_.messenger.send(std::move(claim));
}

void Partition::on_claim(const Node& from, const wire::Message& message) {
    if (core_.shutdown.running() || core_.legacy()) {
        return;
    }
    if (from.alive()) {
        core_.takeover.cancel("the partner lives");
    }
    if (message.get("answer") == "1") {
        send_claim(false);
    }
    answer_.clear();
    settle(message);
    core_.journal.info("The partition with " + from.name + " is settled");
}

// The later taker loses. Each side comes to the same result from the same two ages.
bool Partition::we_lose(std::optional<Time> ours,
                        std::optional<Time> theirs,
                        const Node& from) const {
    if (!ours || !theirs) {
        return false;
    }
    // Ages travel for a moment; what differs by less than this was taken at the same time.
    constexpr Time kSame{200};
    if (*ours > *theirs + kSame || *theirs > *ours + kSame) {
        return *ours < *theirs;
    }
    return core_.settings.node > from.name;
}

void Partition::settle(const wire::Message& message) {
    const Node& from = *core_.members.partner();
    const auto age_of = [&](Hold which) -> std::optional<Time> {
        const auto age = parse_hex(message.get(word_of(which)));
        return age ? std::optional(Time{static_cast<Time::rep>(*age & 0xffff'ffff'ffff)})
                   : std::nullopt;
    };
    Hold lost = Hold::none;
    for (const Hold which : {Hold::local, Hold::foreign}) {
        if (we_lose(held_for(which), age_of(mirror(which)), from)) {
            lost = lost | which;
        }
    }
    core_.journal.decide(
        lost == Hold::none ? "We keep what we hold" : "The partner keeps what it held first",
        fact("released", word_of(lost)));
    if (lost == Hold::none) {
        core_.emit(Announce{});
        core_.holdings.report();
        return;
    }
    core_.standby.on_partner_gone();
    core_.holdings.release(lost);
    if (has(lost, Hold::foreign)) {
        core_.holdings.needs_failback(false);
    }
    core_.holdings.report(false);
    core_.groups.give(Purpose::conflict, core_.groups.indexes(lost));
}

void Partition::on_partner_reported() {
    if (overlaps(core_.holdings.hold(), mirror(core_.holdings.other()))) {
        core_.audit.dual_claim_seen();
    } else if (healed_ && restart_.is_set()) {
        healed_ = false;
        restart_.clear();
        core_.journal.decide("No restart after the partition: nothing ran twice",
                             fact("hold", word_of(core_.holdings.hold())) +
                                 fact("partner_hold", word_of(core_.holdings.other())));
        core_.emit(Announce{});
        core_.holdings.report();
    }
}

// We hear that the partner takes us for dead: what it says is true of our cable, or of our speech.
void Partition::on_fencing_told(const Node& from, const wire::Message& message) {
    const std::string_view result = message.get("result");
    if (message.get("node") == core_.settings.node && (result == "n_stnth" || result == "OK")) {
        taken_for_dead(from, fact("result", result));
    }
}

void Partition::on_takeover_notice(const Node& from, const wire::Message& message) {
    if (message.get("node") == core_.settings.node) {
        taken_for_dead(from, fact("takes_over_in_ms", message.get("delay")));
    }
}

// It starts what we run: nothing is waited for, not even agents that are at work.
void Partition::taken_for_dead(const Node& from, const std::string& facts) {
    const bool idle = core_.holdings.claimed() == Hold::none && !core_.groups.busy();
    if (core_.shutdown.running()) {
        return;
    }
    if (idle) {
        core_.holdings.on_told_dead();
        return;
    }
    core_.journal.alarm(
        AlarmKind::partition,
        "Node " + from.name + " does not hear us and takes over: resources are stopped here");
    core_.journal.decide("The partner takes us for dead", facts);
    healed_ = false;
    answer_.clear();
    restart_.clear();
    core_.shutdown.begin_restart();
}

void Partition::on_stall(Time silence) {
    if (core_.shutdown.running()) {
        return;  // everything is being stopped
    }
    core_.journal.critical("No local heartbeat. Forcing restart.");
    core_.journal.alarm(AlarmKind::stall,
                        "This node stood still for " + std::to_string(silence.count()) +
                            " ms: the partner may have taken over, resources are stopped here");
    core_.journal.decide(
        "Own heartbeat missing",
        fact("silence_ms", silence) + fact("hold", word_of(core_.holdings.hold())));
    core_.messenger.be_silent();
    core_.shutdown.begin_restart();
}

void Partition::on_dual_claim() {
    if (core_.members.partner_alive() && !core_.legacy() && !unsettled() &&
        !core_.shutdown.running()) {
        answer_.set(core_.now + kAnswerLimit);
        send_claim(true);
    }
}

}  // namespace hb
