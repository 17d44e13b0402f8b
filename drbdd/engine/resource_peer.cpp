// What our cluster manager says of the peer, and the peer's of us.
#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/resource.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>

namespace engine {

namespace {

// A peer that was declared dead may answer for so long. One that does is alive, whatever the
// cluster manager hears of it: without the connection nothing would keep both from being Primary.
constexpr io::Duration kLastChance = std::chrono::milliseconds(200);

}  // namespace

// Asked for by whoever fences us for the peer. As in DRBD a connected node just agrees, since it is
// as good as the Primary; but whoever asks has lost the connection, so we look whether it still is
// one.
bool Resource::run(Running& running, const Outdate& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    if (role() == Role::Primary) {
        done(running, StateCode::NoUpToDateDisk);  // whatever its disk, and whoever asks
        return true;
    }
    if (device->attaching()) {
        return false;
    }
    // "Worse than outdated" is a word on data that were looked at. Without a disk nobody knows what
    // is on it, and the caller must not take its own for the newest on our account.
    if (running.stage == 0 && !device->attached()) {
        done(running, StateCode::IsDiskless);
        return true;
    }
    if (running.stage == 0 && connection_.up() && !running.retried) {
        running.retried = true;
        connection_.request_ping();
        running.not_before =
            std::min(core_.now + core_.settings.net.ping_timeout + std::chrono::milliseconds(100),
                     running.deadline);
        core_.progress = true;
        return false;
    }
    if (running.stage == 0) {
        const VolumeState& own = device->state();
        if (device->has_newest_data() || device->lost_newest_data()) {
            done(running, StateCode::NoUpToDateDisk);
            return true;
        }
        if (own.conn >= ConnState::Connected) {
            // Connected data are as good as the peer's; and worse ones must not become Outdated,
            // which a connection would make UpToDate.
            done(
                running,
                own.disk < DiskState::Outdated ? StateCode::LowerThanOutdated : StateCode::Success);
            return true;
        }
        VolumeState next = own;
        next.disk = DiskState::Outdated;
        next = sanitise(next);
        const StateCode code = check(own, next);
        if (!succeeded(code)) {
            done(running, code);
            return true;
        }
        device->change_state(next);
        running.stage = 1;
        running.decided = true;
    }
    return done_when_stored(running);
}

// The question is put now, so that its time is over when the peer should be declared dead.
bool Resource::run(Running& running, const PeerSuspect&) {
    if (connection_.up()) {
        connection_.ping();
    }
    done(running, 0);
    return true;
}

bool Resource::run(Running& running, const PeerDead&) {
    if (running.stage == 0 && connection_.up()) {
        running.look_again = connection_.unanswered_since().value_or(core_.now) + kLastChance;
        running.ping = connection_.ping();
        running.stage = 1;
    }
    if (running.stage == 1 && connection_.up()) {
        if (connection_.answered(running.ping)) {
            done(running,
                 static_cast<int>(StateCode::CwFailedByPeer),
                 "the peer is alive: it answers on the replication link");
            return true;
        }
        if (core_.now < running.look_again) {
            return false;
        }
        connection_.drop(ConnState::NetworkFailure, "The cluster manager declared the peer dead");
        running.stage = 2;
        return false;  // it takes effect at the end of the round
    }
    done(running, 0);
    return true;
}

}  // namespace engine
