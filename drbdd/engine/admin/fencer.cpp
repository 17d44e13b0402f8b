#include "drbdd/engine/admin/fencer.h"

#include "drbdd/engine/volume/volumes.h"

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

bool may_have_good_data(const Device& device) {
    return device.state().disk >= DiskState::Consistent;
}

// Nobody knows what has become of the peer's disk.
bool peer_is_unknown(const Device& device) {
    return device.state().conn < ConnState::WFReportParams &&
           device.state().pdsk >= DiskState::DUnknown;
}

bool connection_is_back(const Device& device) {
    return device.state().conn >= ConnState::WFReportParams;
}

bool is_frozen(const Device& device) {
    return device.state().susp_fen;
}

bool peer_is_in_sync(const Device& device) {
    return device.state().conn == ConnState::Connected &&
           device.state().pdsk == DiskState::UpToDate;
}

}  // namespace

void Fencer::advance() {
    if (!peer_lost_ || running_) {
        return;
    }
    peer_lost_ = false;
    if (core_.settings.fencing != Fencing::DontCare && volumes_.role() == Role::Primary &&
        volumes_.any(peer_is_unknown) && volumes_.any(may_have_good_data)) {
        call();
    }
}

void Fencer::call() {
    REQUIRE(!running_);
    running_ = true;
    core_.emit(RunHandler{volumes_.front().number(), "fence-peer", true});
}

void Fencer::on_done(int exit_code) {
    REQUIRE(running_);
    running_ = false;
    core_.progress = true;
    // Also one that has come and gone since: its word is of the time before.
    if (volumes_.any(connection_is_back) || peer_lost_) {
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
            outdate_ourselves();
            break;
        case kPeerStonithed:
            log(base::LogLevel::Info, "fence-peer helper returned 7 (peer was stonithed)");
            if (core_.settings.fencing != Fencing::ResourceAndStonith) {
                log(base::LogLevel::Error, "fence-peer() = 7 && fencing != Stonith !!!");
            }
            return set_peer_disk(DiskState::Outdated);
        default:
            log(base::LogLevel::Error,
                base::format("fence-peer helper broken, returned %d: is the handler configured?",
                             exit_code));
    }
    if (volumes_.any(is_frozen)) {
        log(base::LogLevel::Error,
            "I/O stays frozen until the peer is back, or 'drbdadm resume-io'");
    }
}

void Fencer::on_peer_in_sync() {
    if (core_.settings.fencing != Fencing::DontCare && !volumes_.empty() &&
        volumes_.all(peer_is_in_sync)) {
        core_.emit(RunHandler{volumes_.front().number(), "unfence-peer"});
    }
}

void Fencer::assume_outdated() {
    log(base::LogLevel::Warning, "Forced into split brain situation!");
    set_peer_disk(DiskState::Outdated);
}

// Consistent data of ours are the newest now that the peer's are known not to be used.
void Fencer::set_peer_disk(DiskState pdsk) {
    for (const auto& device : volumes_) {
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
    for (const auto& device : volumes_) {
        VolumeState next = device->state();
        if (next.disk == DiskState::UpToDate && next.pdsk >= DiskState::DUnknown) {
            next.pdsk = DiskState::Outdated;
            device->change_state(next);
        }
    }
}

void Fencer::outdate_ourselves() {
    for (const auto& device : volumes_) {
        VolumeState next = device->state();
        next.disk = std::min(next.disk, DiskState::Outdated);
        // The peer is Primary, but of this volume it may use no data at all.
        if (next != device->state() && next.role != Role::Primary && !device->has_newest_data()) {
            device->change_state(next);
        }
    }
}

}  // namespace engine
