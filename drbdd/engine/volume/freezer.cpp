#include "drbdd/engine/volume/freezer.h"

#include "drbdd/engine/volume/device.h"

#include <utility>

namespace engine {

bool Freezer::defers_generation() {
    owes_generation_ = owes_generation_ || device_.state().susp_fen;
    return owes_generation_;
}

// Its disk can't pass for one that has all: the handler has seen to it, or it is connected and has
// taken what it lacks, or has begun to and says so on its disk. A resync that is paused may not
// begin for long: that one is told by identifiers.
bool Freezer::verdict_is_in() const {
    const VolumeState& state = device_.state();
    switch (state.conn) {
        case ConnState::SyncSource:
            return !device_.lineage().peer_may_bear_current();
        case ConnState::StartingSyncS:
        case ConnState::WFBitMapS:
            return false;
        default:
            return state.conn >= ConnState::Connected ||
                   (state.pdsk >= DiskState::Inconsistent && state.pdsk <= DiskState::Outdated);
    }
}

bool Freezer::in_doubt() const {
    return device_.bitmap.count() != 0 || !device_.requests.settled();
}

// Or it was not left behind: a Secondary that has told nothing since has nothing of its own.
bool Freezer::peer_goes_with_us() const {
    const VolumeState& state = device_.state();
    if (state.role != Role::Primary && !in_doubt()) {
        return true;
    }
    return state.conn == ConnState::Connected
               ? state.pdsk == DiskState::UpToDate
               : state.conn > ConnState::Connected && !device_.lineage().peer_may_bear_current();
}

void Freezer::begin_owed_generation() {
    if (std::exchange(owes_generation_, false) && device_.attached() &&
        device_.state().disk == DiskState::UpToDate) {
        device_.part_ways();
    }
}

void Freezer::after_change(const VolumeState& old) {
    const VolumeState& state = device_.state();
    if (state.disk == DiskState::UpToDate && state.pdsk == DiskState::UpToDate) {
        unsafe_write_ = false;
    }
    if (state.susp_fen && !old.susp_fen) {
        device_.log_line(base::LogLevel::Warning,
                         "I/O is frozen until it is known what the lost peer does");
    }
    if (state.susp_nod && !old.susp_nod) {
        device_.log_line(base::LogLevel::Warning, "I/O is frozen: no good data are at hand");
    }
    if (old.frozen() && !state.frozen()) {
        device_.log_line(base::LogLevel::Info, "I/O goes on");
    }
    if (!old.susp_fen || state.susp_fen) {
        return;
    }
    if (peer_goes_with_us()) {
        owes_generation_ = false;
    }
    begin_owed_generation();
}

bool Freezer::makes_again() const {
    return device_.state().susp_nod;
}

void Freezer::advance() {
    VolumeState next = device_.state();
    next.susp_fen = next.susp_fen && !verdict_is_in();
    next.susp_nod = next.susp_nod && !device_.is_member() && !device_.peer_has_data();
    if (next != device_.state()) {
        device_.change_state(next);
        core_.progress = true;
    }
}

}  // namespace engine
