#include "heartbeat/engine/heartbeat.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

// A daemon that has just started is slow: it announces more than its deadtime for a while.
constexpr Time kStartPhase{5000};
constexpr Time kStartAllowance{2000};
constexpr std::size_t kStatusesKept = 200;
// "generation.number" of the other node's last heartbeat; the original ignores the field.
constexpr std::string_view kHeard = "heard";

}  // namespace

void Heartbeat::start() {
    started_ = core_.now;
    send_status();
    state_ = NodeState::up;
    send_status();
    send_status();
    beat_.set(core_.now + core_.settings.ha_cf.keepalive);
}

std::chrono::seconds watchdog_timeout(Time deadtime) {
    return std::chrono::ceil<std::chrono::seconds>(deadtime + Time{10});
}

Time Heartbeat::announced() const {
    const Time deadtime = core_.settings.ha_cf.deadtime + pause_;
    return core_.now - started_ < kStartPhase ? deadtime + kStartAllowance : deadtime;
}

void Heartbeat::send_status() {
    wire::Message status("status");
    status.set("st", name_of(state_));
    status.set("dt", to_hex(static_cast<std::uint64_t>(announced().count())));
    status.set("protocol", "1");
    if (const Node* partner = core_.members.partner(); partner != nullptr) {
        status.set(kHeard, to_hex(partner->generation) + "." + to_hex(partner->sequence.status));
    }
    if (core_.legacy()) {
        status.set("rsc_hold", word_of(core_.holdings.claimed()));
    }
    core_.messenger.send(std::move(status));
    statuses_.emplace_back(core_.messenger.last_sent(), core_.now);
    if (statuses_.size() > kStatusesKept) {
        statuses_.pop_front();
    }
    for (const Node& node : core_.members.nodes()) {
        if (node.ping) {
            core_.messenger.send_ping(node);
        }
    }
    if (!core_.settings.ha_cf.watchdog.empty() && !watchdog_closed_) {
        core_.emit(TickleWatchdog{});
    }
    last_sent_ = core_.now;
}

void Heartbeat::on_heard(Node& partner, const wire::Message& status) {
    const std::string_view heard = status.get(kHeard);
    const std::size_t dot = heard.find('.');
    if (dot == heard.npos) {
        return;
    }
    if (!partner.ours) {
        partner.ours = true;
        // Of a life that was heard before a kill of this daemon: since then.
        const bool known = std::any_of(
            core_.start.heard.begin(), core_.start.heard.end(), [&](const Heard& before) {
                return before.node == partner.name && before.generation == partner.generation;
            });
        partner.heard_us = known ? started_ - core_.start.unheard : core_.now;
    }
    const auto generation = parse_hex(heard.substr(0, dot));
    const auto seq = parse_hex(heard.substr(dot + 1));
    if (!generation || *generation != core_.start.generation || !seq) {
        return;
    }
    partner.proven = true;
    for (auto sent = statuses_.rbegin(); sent != statuses_.rend(); ++sent) {
        if (sent->first <= *seq) {
            partner.heard_us = std::max(partner.heard_us, sent->second);
            return;
        }
    }
}

void Heartbeat::become_active() {
    state_ = NodeState::active;
    send_status();
}

void Heartbeat::on_time() {
    const Time planned = beat_.at();
    if (!beat_.take(core_.now)) {
        return;
    }
    send_status();
    const Time keepalive = core_.settings.ha_cf.keepalive;
    const Time next_beat = planned + keepalive;
    beat_.set(next_beat > core_.now ? next_beat : core_.now + keepalive);
}

Time Heartbeat::next() const {
    return beat_.at();
}

Time Heartbeat::stall() const {
    const Time silence = core_.now - last_sent_;
    return beat_.is_set() && silence >= announced() ? silence : Time{0};
}

void Heartbeat::close_watchdog() {
    if (!core_.settings.ha_cf.watchdog.empty() && !watchdog_closed_) {
        watchdog_closed_ = true;
        core_.emit(CloseWatchdog{});
    }
}

}  // namespace hb
