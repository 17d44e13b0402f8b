#include "drbdd/engine/fencer.h"

#include "drbdd/engine/resource.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>
#include <utility>

namespace engine {

namespace {

// Exit codes of the handler.
enum FenceVerdict : int {
    kPeerInconsistent = 3,
    kPeerOutdated = 4,
    kPeerUnreachable = 5,
    kPeerPrimary = 6,
    kPeerStonithed = 7,
};

bool any_disk(const Resource& resource, DiskState least) {
    return std::any_of(resource.devices().begin(), resource.devices().end(), [&](const auto& d) {
        return d->state().disk >= least;
    });
}

}  // namespace

void Fencer::advance() {
    if (!peer_lost_ || running_) {
        return;
    }
    peer_lost_ = false;
    const bool unknown =
        std::any_of(resource_.devices().begin(), resource_.devices().end(), [](const auto& device) {
            const VolumeState& state = device->state();
            return state.conn < ConnState::WFReportParams && state.pdsk >= DiskState::DUnknown;
        });
    if (core_.settings.fencing != Fencing::DontCare && resource_.role() == Role::Primary &&
        unknown && any_disk(resource_, DiskState::Consistent)) {
        call();
    }
}

void Fencer::call() {
    REQUIRE(!running_ && !resource_.devices().empty());
    running_ = true;
    core_.emit(RunHandler{resource_.devices().front()->number(), "fence-peer", true});
}

void Fencer::on_done(int exit_code) {
    REQUIRE(running_);
    running_ = false;
    core_.progress = true;
    const bool back =
        std::any_of(resource_.devices().begin(), resource_.devices().end(), [](const auto& device) {
            return device->state().conn >= ConnState::WFReportParams;
        });
    if (back) {
        log(base::LogLevel::Info,
            "Ignoring fence-peer exit code: the connection is established again");
        return;
    }
    switch (exit_code) {
        case kPeerInconsistent:
            log(base::LogLevel::Info, "fence-peer helper returned 3 (peer is inconsistent)");
            return set_peer_disk(DiskState::Inconsistent);
        case kPeerOutdated:
            log(base::LogLevel::Info, "fence-peer helper returned 4 (peer was fenced)");
            return set_peer_disk(DiskState::Outdated);
        case kPeerUnreachable:
            log(base::LogLevel::Info,
                "fence-peer helper returned 5 (peer is unreachable, assumed to be dead)");
            return peer_is_dead();
        case kPeerPrimary:
            log(base::LogLevel::Warning,
                "fence-peer helper returned 6 (peer is active): peer is primary, outdating myself");
            return outdate_ourselves();
        case kPeerStonithed:
            log(base::LogLevel::Info, "fence-peer helper returned 7 (peer was stonithed)");
            return set_peer_disk(DiskState::Outdated);
        default:
            log(base::LogLevel::Error,
                base::format("fence-peer helper broken, returned %d: is the handler configured?",
                             exit_code));
    }
}

void Fencer::on_peer_in_sync() {
    const bool all =
        std::all_of(resource_.devices().begin(), resource_.devices().end(), [](const auto& device) {
            return device->state().conn == ConnState::Connected &&
                   device->state().pdsk == DiskState::UpToDate;
        });
    if (core_.settings.fencing != Fencing::DontCare && all) {
        core_.emit(RunHandler{resource_.devices().front()->number(), "unfence-peer"});
    }
}

void Fencer::assume_outdated() {
    log(base::LogLevel::Warning, "Forced into split brain situation!");
    set_peer_disk(DiskState::Outdated);
}

// Consistent data of ours are the newest now that the peer's are known not to be used.
void Fencer::set_peer_disk(DiskState pdsk) {
    for (const auto& device : resource_.devices()) {
        VolumeState next = device->state();
        if (next.pdsk < DiskState::DUnknown) {
            continue;
        }
        next.pdsk = pdsk;
        if (next.disk == DiskState::Consistent) {
            next.disk = DiskState::UpToDate;
        }
        device->change_state(next);
    }
}

// Nobody has kept it from being used before: then Consistent data may be old, also where another
// volume's are UpToDate. DRBD takes the best volume for all.
void Fencer::peer_is_dead() {
    for (const auto& device : resource_.devices()) {
        VolumeState next = device->state();
        if (next.disk == DiskState::UpToDate && next.pdsk >= DiskState::DUnknown) {
            next.pdsk = DiskState::Outdated;
            device->change_state(next);
        }
    }
}

void Fencer::outdate_ourselves() {
    for (const auto& device : resource_.devices()) {
        VolumeState next = device->state();
        next.disk = std::min(next.disk, DiskState::Outdated);
        // The peer is Primary, but of this volume it may use no data at all.
        if (next != device->state() && next.role != Role::Primary && !device->has_newest_data()) {
            device->change_state(next);
        }
    }
}

}  // namespace engine
