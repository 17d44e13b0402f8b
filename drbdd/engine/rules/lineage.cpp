#include "drbdd/engine/rules/lineage.h"

#include <algorithm>
#include <utility>

namespace engine {

namespace {

bool differ(std::uint64_t a, std::uint64_t b) {
    return ((a ^ b) & ~kUuidPrimaryBit) != 0;
}

}  // namespace

void Lineage::attached(bool crashed_primary,
                       bool was_connected,
                       bool consistent,
                       const GenerationIds& ids) {
    crashed_primary_ = crashed_primary;
    peer_lacks_writes_ = peer_lacks_writes_ && !consistent;
    crashed_connected_ = was_connected && !ids.has_equal_target();
    peer_may_bear_current_ = crashed_connected_ || ids.has_equal_target();
    peer_uses_current_ = false;
}

void Lineage::exposed(std::uint64_t current) {
    exposed_uuid_ = current;
    exposed_as_well_ = {};
    lost_newest_data_ = false;
}

void Lineage::lost_disk(const GenerationIds& ids, DiskState disk, const StoredCurrents& stored) {
    exposed(ids.current);
    exposed_as_well_ = stored;
    lost_newest_data_ = disk >= DiskState::Consistent && ids.bitmap != 0;
}

bool Lineage::told_generation(std::uint64_t current) {
    const bool begun = differ(exposed_uuid_, current);
    exposed(current);
    return begun;
}

bool Lineage::lost_write_with_disk() {
    return !std::exchange(peer_lacks_writes_, true);
}

void Lineage::peer_may_bear_current(bool may) {
    peer_may_bear_current_ = may;
    crashed_connected_ = false;
}

// With a bitmap identifier in place the current one is replaced alone: what the peer lacks is still
// counted from that. DRBD keeps both. Then a peer that bears the old one counts as equal, although
// it lacks what is written from now on: a Primary that loses its disk would go on with the peer's.
std::optional<GenerationIds> Lineage::parted(const GenerationIds& ids) const {
    GenerationIds next = ids;
    if (next.bitmap == 0) {
        next.bitmap = next.current;
        return next;
    }
    if (!peer_may_bear_current_ && !peer_uses_current_) {
        return std::nullopt;
    }
    // The older identifiers are worth more than a mere possibility: a peer that bears one that we
    // have forgotten is taken for a stranger. And a peer that only works on our disk has none that
    // could bear this one.
    if (peer_may_bear_current_ && (!crashed_connected_ || next.history[1] == 0)) {
        next.push_history(next.current);
    }
    return next;
}

bool Lineage::other_data_exposed(std::uint64_t current) const {
    return exposed_uuid_ != 0 && differ(exposed_uuid_, current) &&
           differ(diskless_successor(exposed_uuid_), current);
}

bool Lineage::is_own_exposed(std::uint64_t current) const {
    return !differ(exposed_uuid_, current) ||
           std::any_of(exposed_as_well_.begin(), exposed_as_well_.end(), [&](std::uint64_t stored) {
               return stored != 0 && !differ(stored, current);
           });
}

bool Lineage::other_than_own_exposed(std::uint64_t current) const {
    return other_data_exposed(current) && !is_own_exposed(current);
}

std::optional<std::uint64_t> Lineage::forbids_attach(std::uint64_t current,
                                                     const VolumeState& state) const {
    const bool in_use = state.role == Role::Primary || state.peer == Role::Primary;
    if (in_use && state.pdsk != DiskState::UpToDate && exposed_uuid_ != 0 &&
        !is_own_exposed(current)) {
        return exposed_uuid_;
    }
    return std::nullopt;
}

bool Lineage::has_newest_data(const VolumeState& state,
                              const GenerationIds& ids,
                              bool anything_marked) const {
    return state.conn < ConnState::Connected && state.disk >= DiskState::Consistent &&
           ids.bitmap != 0 &&
           (!peer_may_bear_current_ || state.pdsk == DiskState::Outdated || anything_marked);
}

bool Lineage::peer_disk_may_be_in_use(const VolumeState& state, bool peer_told_unusable) const {
    return !peer_told_unusable || peer_may_bear_current_ || state.peer == Role::Primary;
}

DiskState disk_by_flags(bool consistent, bool was_up_to_date, bool peer_outdated, Fencing fencing) {
    if (!consistent) {
        return DiskState::Inconsistent;
    }
    if (!was_up_to_date) {
        return DiskState::Outdated;
    }
    return peer_outdated || fencing == Fencing::DontCare ? DiskState::UpToDate
                                                         : DiskState::Consistent;
}

bool names_generation_for_peer(const VolumeState& state) {
    return state.role != Role::Primary && state.peer == Role::Primary &&
           state.conn >= ConnState::Connected && state.pdsk < DiskState::Inconsistent;
}

bool lost_contact(const VolumeState& old, const VolumeState& now) {
    using enum DiskState;
    const bool had = old.pdsk == Inconsistent || old.pdsk == Consistent || old.pdsk == UpToDate;
    const bool gone = now.pdsk < Inconsistent || now.pdsk == DUnknown || now.pdsk == Outdated;
    const bool known_gone = old.pdsk == DUnknown &&
                            (now.pdsk == Diskless || now.pdsk == Failed || now.pdsk == Outdated);
    // It was a copy, and without a resync it is none any more: it has failed to store something.
    const bool spoiled = old.pdsk > Inconsistent && old.pdsk != DUnknown &&
                         now.pdsk == Inconsistent && old.conn == ConnState::Connected &&
                         now.conn == ConnState::Connected;
    return (had && gone) || known_gone || spoiled;
}

bool parts_ways(const VolumeState& old, const VolumeState& now) {
    const bool primary = now.role == Role::Primary;
    // A Primary without a disk that only now connects may refuse our data: see judge().
    const bool fresh = old.conn < ConnState::Connected && now.conn >= ConnState::Connected;
    const bool peers_primary = now.peer == Role::Primary;
    const bool alone =
        (lost_contact(old, now) && (primary || (peers_primary && !fresh))) ||
        (old.peer == Role::Secondary && peers_primary && now.pdsk < DiskState::Inconsistent);
    // The disk of a sync target is still known to be inconsistent when the connection is lost.
    const bool left_target = primary && old.pdsk >= DiskState::Inconsistent &&
                             old.conn >= ConnState::Connected && now.conn < ConnState::Connected;
    const bool ran_ahead = now.conn == ConnState::Ahead && old.conn != ConnState::Ahead;
    return alone || left_target || ran_ahead;
}

}  // namespace engine
