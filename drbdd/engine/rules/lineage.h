// Whose data are newest, as far as this node knows: which generation its applications have seen,
// which writes the peer may lack, and whether the peer's disk may bear our identifier. A value with
// verbs for what happens to a volume and questions that the commands, the handshake and the
// metadata ask. The identifier decides who is newer; bits only say where (design note 0001, rules 1
// and 2). Wire specification, sections 3.6, 4.4 and 5.1.
#pragma once

#include "drbdd/engine/rules/generation_ids.h"
#include "drbdd/engine/rules/policies.h"
#include "drbdd/engine/rules/state.h"

#include <array>
#include <cstdint>
#include <optional>

namespace engine {

// Current identifiers of which one is on the disk: the last one that was written, and one that is
// being written.
using StoredCurrents = std::array<std::uint64_t, 2>;

class Lineage {
public:
    // --- What happens ---

    // The metadata of a disk have been read: what they say of the time before.
    void attached(bool crashed_primary,
                  bool was_connected,
                  bool consistent,
                  const GenerationIds& ids);

    // Both copies are good: nothing is left of a crash.
    void both_are_up_to_date() { crashed_primary_ = false; }

    // Applications see data of this generation from now on.
    void exposed(std::uint64_t current);

    // Our disk has gone, and the peer's data are not at hand: ours are what applications saw. The
    // disk may come back with one of `stored` instead, if it has failed before it bore the current
    // identifier: no write of a generation is completed before that.
    void lost_disk(const GenerationIds& ids, DiskState disk, const StoredCurrents& stored);

    // The peer has told its generation while we work without a disk. True: it is another one than
    // ours, so it has begun the one in which we write.
    bool told_generation(std::uint64_t current);

    // A write was completed and is not known to be safe on the peer; then the disk was lost, or
    // counts as bad, and now the connection is gone. The application might see older data at the
    // peer, although nothing has crashed here: the peer is none for a Primary without a good disk.
    // True: it is the first one.
    bool lost_write_with_disk();

    // Nobody's applications see these data here any more.
    void demoted() { peer_lacks_writes_ = false; }

    // Although a bitmap identifier tells our data from the peer's, its disk may still, or again,
    // bear our current identifier: a sync target has not confirmed yet that it has stored the sync
    // UUID, or may have come to its end without our knowing.
    void peer_may_bear_current(bool may);

    // A peer without a disk writes and reads on ours: its applications have seen what we bear now.
    // If we go on without it, its return must not find our data under the same identifier.
    void peer_uses_current(bool uses) { peer_uses_current_ = uses; }

    // --- What follows ---

    // From now on our data go their own way: the identifiers under which they do, but for the new
    // current one. Nothing: they bear one already that the peer's disk can't bear.
    std::optional<GenerationIds> parted(const GenerationIds& ids) const;

    // --- Questions ---

    bool crashed_primary() const { return crashed_primary_; }

    std::uint64_t exposed_uuid() const { return exposed_uuid_; }

    // The disk that is gone has writes that the peer lacks.
    bool lost_newest_data() const { return lost_newest_data_; }

    bool peer_lacks_writes() const { return peer_lacks_writes_; }

    bool peer_may_bear_current() const { return peer_may_bear_current_; }

    // An application has seen data of another generation than this one. The one that follows when
    // we write without a disk is ours as well, although the peer may not have told us that it has
    // begun it.
    bool other_data_exposed(std::uint64_t current) const;

    // The same of our own disk, which may have failed before it has stored the generation in use.
    bool other_than_own_exposed(std::uint64_t current) const;

    // Whether a disk with these data may be attached while a Primary uses others (ours or the
    // peer's): the generation that is in use, else nothing.
    std::optional<std::uint64_t> forbids_attach(std::uint64_t current,
                                                const VolumeState& state) const;

    // Our data went their own way, by an identifier that the peer's disk can't bear: nobody else
    // has them. Bits say where the two differ, not who is newer; they only help where a resync may
    // have made the peer equal without our knowing.
    bool has_newest_data(const VolumeState& state,
                         const GenerationIds& ids,
                         bool anything_marked) const;

    // The target of a resync whose data somebody may use although they were Inconsistent when we
    // last heard of them: it has not begun, or has finished without our knowing, or is a Primary,
    // which reads what it has got until it misses us as well.
    bool peer_disk_may_be_in_use(const VolumeState& state, bool peer_told_unusable) const;

private:
    bool is_own_exposed(std::uint64_t current) const;

    bool crashed_primary_ = false;
    std::uint64_t exposed_uuid_ = 0;
    StoredCurrents exposed_as_well_{};  // by our own disk, if it comes back; never by the peer's
    bool lost_newest_data_ = false;
    bool peer_lacks_writes_ = false;
    bool peer_may_bear_current_ = false;
    bool peer_uses_current_ = false;
    bool crashed_connected_ = false;  // nobody knows whether a resync had come to its end
};

// What a disk counts as before anything is known of the peer: metadata specification, section 3.1.
DiskState disk_by_flags(bool consistent, bool was_up_to_date, bool peer_outdated, Fencing fencing);

// A Secondary names the new generation for a connected Primary that writes without a disk: both
// derive the identifier from the old one.
bool names_generation_for_peer(const VolumeState& state);

// Contact to the peer's data has ended: from now on our data go their own way (5.1).
bool lost_contact(const VolumeState& old, const VolumeState& now);

// Whether by this change our data and the peer's go different ways.
bool parts_ways(const VolumeState& old, const VolumeState& now);

}  // namespace engine
