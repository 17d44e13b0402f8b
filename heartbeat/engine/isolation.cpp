#include "heartbeat/engine/isolation.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

// What was given up is given up: no hold is inherited.
void Isolation::start() {
    began_ = looked_ = core_.now;
    if (!core_.start.stops_left) {
        return;
    }
    isolated_ = true;
    limit_.set(core_.now + std::max(*core_.start.stops_left, Time{0}));
    core_.journal.decide("Isolated when the daemon before this one was killed: the stops go on",
                         fact("left_ms", limit_.at() - core_.now));
    core_.groups.give(Purpose::isolation, core_.groups.indexes(Hold::all));
}

int Isolation::answers_since(Time when) const {
    const auto& nodes = core_.members.nodes();
    return static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [&](const Node& node) {
        return node.ping && node.state == NodeState::ping && node.answered_sent >= when;
    }));
}

Time Isolation::window() const {
    return core_.settings.ha_cf.keepalive * 5 / 2;
}

bool Isolation::quorate() const {
    return answers_since(core_.now - window()) >=
           static_cast<int>(core_.settings.policy.quorum_ping);
}

// What the last heartbeat that the partner heard has to do with the beginning of the stops: it
// takes deadtime to know that none has come since, a keepalive for the partner's word that it heard
// none, one until we look, and as much again for messages on their way.
Time Isolation::detection() const {
    return core_.settings.ha_cf.keepalive * 4;
}

Time Isolation::stop_limit() const {
    const config::HaPolicy& policy = core_.settings.policy;
    const Time configured = policy.stop_timeout.value_or(Time{0});
    return std::max(
        {configured, core_.settings.ha_cf.deadtime, Time{policy.takeover_delay} - detection()});
}

// We do not hear the partner, or it does not hear us: it takes us for dead then, although we hear
// it. Measured by our own deadtime: a partner that announced a longer one, because it restarts,
// does not wait any longer itself before it takes over from us.
bool Isolation::out_of_touch() const {
    const Node& partner = *core_.members.partner();
    const config::HaCf& conf = core_.settings.ha_cf;
    if (core_.now < began_ + listening()) {
        return isolated_;  // nobody has had time to speak to this life
    }
    const Time silence = partner.heard ? Time{0} : core_.start.silence;
    const bool deaf = core_.now - partner.last_status + silence >= conf.deadtime;
    const bool mute = unheard();
    return deaf || mute;
}

bool Isolation::unheard() const {
    const Node* partner = core_.members.partner();
    const config::HaCf& conf = core_.settings.ha_cf;
    return partner != nullptr && partner->ours && partner->alive() &&
           core_.now - partner->heard_us >= conf.deadtime + conf.keepalive;
}

// After an earlier life of which something is counted in, a heartbeat of the partner is waited for,
// and one that names ours; all but a total loss of touch shows by then.
Time Isolation::listening() const {
    const bool inherited = core_.start.silence > Time{0} || core_.start.unheard > Time{0};
    return inherited ? core_.settings.ha_cf.keepalive * 3 / 2 : Time{0};
}

// Who has not been in touch since then may be declared dead a deadtime later.
Time Isolation::last_touch() const {
    const Node& partner = *core_.members.partner();
    const Time heard =
        partner.heard ? partner.last_status : partner.last_status - core_.start.silence;
    return partner.ours && partner.alive() ? std::min(heard, partner.heard_us) : heard;
}

// A life that has begun since then notices late, and so does one that has not looked for a while:
// the time of the stops ends with the partner's grace.
Time Isolation::time_to_stop() const {
    const Time keepalive = core_.settings.ha_cf.keepalive;
    const Time grace_ends =
        last_touch() + core_.settings.ha_cf.deadtime + detection() - keepalive + stop_limit();
    const bool late = last_touch() < began_ || core_.now - looked_ >= keepalive * 2;
    return late && grace_ends > core_.now ? std::min(stop_limit(), grace_ends - core_.now)
                                          : stop_limit();
}

// The partner said goodbye, so it cannot run anything yet: started without a link to us it waits
// for initdead first. A ping node that is away for less than that changes nothing.
bool Isolation::blip() const {
    const Time when = core_.now - core_.settings.ha_cf.initdead;
    const auto& nodes = core_.members.nodes();
    const auto seen = std::count_if(nodes.begin(), nodes.end(), [&](const Node& node) {
        return node.ping && node.heard && node.answered_sent >= when;
    });
    return core_.holdings.other_left() && seen >= core_.settings.policy.quorum_ping;
}

// Who knows that the partner is off, or that it would reset us first, needs no ping node.
bool Isolation::watched() const {
    return core_.settings.policy.quorum_ping > 0 && core_.members.partner() != nullptr &&
           out_of_touch() && !core_.takeover.partner_is_off() &&
           !(core_.holdings.other_left() && core_.takeover.fencing_configured());
}

void Isolation::on_node_dead() {
    if (watched()) {
        check();
    }
}

void Isolation::on_ping_answer() {
    core_.takeover.on_quorum();
}

// What is being stopped anyway must have ended in time.
void Isolation::limit_shutdown() {
    if (!limit_.is_set() && core_.groups.busy() && !quorate() && !blip()) {
        core_.journal.alarm(
            AlarmKind::partition,
            "Neither the partner nor enough ping nodes can be reached: the stops must "
            "end in time");
        limit_.set(core_.now + time_to_stop());
    }
}

void Isolation::check() {
    if (core_.shutdown.running()) {
        limit_shutdown();
        return;
    }
    if (isolated_ || quorate() || blip()) {
        return;
    }
    isolated_ = true;
    const bool holding = core_.holdings.hold() != Hold::none || core_.groups.anything_up();
    if (holding) {
        stop_everything();
    }
}

void Isolation::stop_everything() {
    core_.journal.decide("Isolated: the resources are stopped here",
                         fact("answers", answers_since(core_.now - window())) +
                             fact("needed", core_.settings.policy.quorum_ping) +
                             fact("hold", word_of(core_.holdings.hold())));
    core_.journal.alarm(AlarmKind::partition,
                        "Neither the partner nor enough ping nodes can be reached: resources are "
                        "stopped here, the partner may start them");
    // Stops of an isolation before this one, which the partner may not have seen the end of, are as
    // late as they were.
    limit_.set(std::min(limit_.at(), core_.now + time_to_stop()));
    core_.standby.on_partner_gone();  // what is under way with it is dropped below
    core_.holdings.give_everything_up();
    core_.groups.found_is_settled();  // it is stopped with the rest
    core_.groups.abandon();
    core_.groups.kill_agent();
    // Ends at once where nothing runs: the limit is none for a node that has nothing to stop.
    core_.groups.give_what_runs(Purpose::isolation);
    core_.holdings.report();
    if (!core_.takeover.pending() && core_.members.partner()->state == NodeState::dead) {
        core_.takeover.on_partner_dead(*core_.members.partner());
    }
}

void Isolation::on_found() {
    if (core_.groups.found() == Hold::none) {
        return;
    }
    core_.groups.found_is_settled();
    if (!limit_.is_set()) {
        limit_.set(core_.now + time_to_stop());
    }
    core_.groups.give_what_runs(Purpose::isolation);
}

// What runs, or still stops, must have stopped by then. Where that is past the partner runs it by
// now, unless it is off: the limit ends with this very step, and nothing is as quick as a reset.
void Isolation::on_stall(Time last_heartbeat) {
    const bool holding = core_.holdings.hold() != Hold::none || core_.groups.anything_up();
    if (core_.settings.policy.quorum_ping == 0 || core_.members.partner() == nullptr || !holding ||
        core_.takeover.partner_is_off()) {
        return;
    }
    const Time grace_ends =
        declared_dead(last_heartbeat) + detection() - core_.settings.ha_cf.keepalive + stop_limit();
    limit_.set(std::min(limit_.at(), grace_ends));
}

// When the partner can have begun its grace, at the earliest. One that is not in touch with us may
// have waited for a ping node only, and reached it as soon as we were silent; one that has left
// waits for us first when it starts.
Time Isolation::declared_dead(Time last_heartbeat) const {
    const config::HaCf& conf = core_.settings.ha_cf;
    if (core_.holdings.other_left()) {
        return last_heartbeat + conf.initdead;
    }
    if (!core_.members.partner_alive()) {
        return last_heartbeat;
    }
    return std::min(last_heartbeat, last_touch()) + conf.deadtime;
}

void Isolation::on_released() {
    limit_.clear();
}

void Isolation::ended() {
    isolated_ = false;  // what is being stopped has its limit all the same
}

void Isolation::on_partner_status() {
    if (isolated_) {
        reconsider();  // the partner waits for our word before it decides about itself
    }
}

void Isolation::reconsider() {
    if (watched()) {
        check();
    } else if (isolated_ && core_.members.partner_alive()) {
        isolated_ = false;  // in touch again before anybody was declared dead
        core_.holdings.report();
        core_.legacy_mode.on_partner_returned(false);
    }
}

void Isolation::on_time() {
    if (core_.settings.policy.quorum_ping > 0 && (!check_.is_set() || check_.take(core_.now))) {
        const Time heard_enough = began_ + listening();
        check_.set(core_.now < heard_enough ? heard_enough
                                            : core_.now + core_.settings.ha_cf.keepalive);
        reconsider();
        looked_ = core_.now;
    }
    if (limit_.take(core_.now)) {
        core_.journal.critical("Isolated, and the resources cannot be stopped in time");
        core_.reboot(
            "isolated node could not stop its resources before the partner may start them");
    }
}

Time Isolation::next() const {
    return std::min(check_.at(), limit_.at());
}

}  // namespace hb
