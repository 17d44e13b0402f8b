// Data generation identifiers: how they change, and what two nodes' identifiers say about whose
// data is newer. Pure functions. Wire specification, sections 5.1, 5.3 to 5.5.
#pragma once

#include "drbdd/engine/rules/policies.h"
#include "drbdd/engine/rules/state.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace engine {

inline constexpr std::uint64_t kUuidJustCreated = 4;
inline constexpr std::uint64_t kUuidPrimaryBit = 1;  // ignored in comparisons
inline constexpr std::uint64_t kUuidSyncOffset = 0x0001000000000000;
inline constexpr std::uint64_t kUuidDisklessOffset = 0x0000000100000000;

struct GenerationIds {
    std::uint64_t current = kUuidJustCreated;
    std::uint64_t bitmap = 0;
    std::array<std::uint64_t, 2> history{};

    bool operator==(const GenerationIds&) const = default;

    // An identifier has one place: a second copy would push another out, and a peer that bears
    // that one would be taken for a stranger.
    void push_history(std::uint64_t uuid) {
        if (((uuid ^ history[0]) & ~kUuidPrimaryBit) != 0) {
            history = {uuid, history[0]};
        }
    }

    // The bitmap identifier goes to the history (if any) and gets a new value.
    void rotate_bitmap(std::uint64_t uuid) {
        if (bitmap != 0) {
            push_history(bitmap);
        }
        bitmap = uuid;
    }

    void clear_bitmap() { rotate_bitmap(0); }

    // As a source's whose target bears our current identifier until it has stored the sync UUID. It
    // is made from the current one, as it else is from the bitmap identifier: so a disk says for
    // ever whether that is still to be feared, and rules 51 and 71 know the target that never
    // stored it.
    void mark_equal_target() {
        const std::uint64_t uuid = (current & ~kUuidPrimaryBit) + kUuidSyncOffset;
        if (bitmap != uuid) {
            rotate_bitmap(uuid);
        }
    }

    bool has_equal_target() const {
        return bitmap == (current & ~kUuidPrimaryBit) + kUuidSyncOffset;
    }
};

// The generation that begins when a Primary without a disk goes on with the peer's copy. It is made
// from the one that it follows, so that the writer can name it although it was never told: the
// connection can break between the two.
constexpr std::uint64_t diskless_successor(std::uint64_t current) {
    return (current & ~kUuidPrimaryBit) + kUuidDisklessOffset;
}

std::string describe(const GenerationIds& ids);  // C:B:H0:H1 in hexadecimal

// What one node knows of each side when it compares.
struct SyncSide {
    GenerationIds ids;
    std::uint64_t dirty_bits = 0;
    bool crashed_primary = false;
    bool discard_my_data = false;
    Role role = Role::Secondary;
    DiskState disk = DiskState::Diskless;  // while attaching: what it would be
    bool attaching = false;                // to a connected resource; nobody uses these data yet
};

enum class CompareResult : int {
    Unrelated = -1000,
    SplitBrain = -100,     // no common ancestor in the bitmap slots
    SplitBrainAuto = 100,  // may be resolved by policy
    TargetFull = -2,
    Target = -1,
    NoSync = 0,
    Source = 1,
    SourceFull = 2,
    RefuseTooOld = -1091,  // needs a feature that was not agreed
};

struct Comparison {
    CompareResult result = CompareResult::NoSync;
    int rule = 0;
    // Corrections for a resync whose end one of the two missed (rules 34, 35, 51, 71).
    bool own_corrected = false;
    bool peer_corrected = false;
    GenerationIds own;
    GenerationIds peer;
};

Comparison compare(const SyncSide& own,
                   const SyncSide& peer,
                   bool resolve_conflicts,
                   bool wsame_agreed);

struct SyncPolicy {
    AfterSplitBrain after_sb_0p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_1p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_2p = AfterSplitBrain::Disconnect;
    RrConflict rr_conflict = RrConflict::Disconnect;
    bool always_asbp = false;
    bool resolve_conflicts = false;
    bool wsame_agreed = true;
    // The device has grown on one node alone, and does now on the other: what was added is marked,
    // and is to be copied. The kernel leaves it as it is.
    bool grown_apart = false;
};

// Outcome of section 5.4. `conn` is Connected, WFBitMapS or WFBitMapT when the nodes go on
// together.
struct SyncDecision {
    bool refused = false;      // StandAlone
    bool split_brain = false;  // refused for that: both have changed, and nobody knows who is right
    ConnState conn = ConnState::Connected;
    bool full = false;  // all bits are to be set first
    Comparison comparison;
    std::vector<std::string> handlers;  // helper programs to run, in order

    struct Line {
        bool alert = false;
        std::string text;
    };

    std::vector<Line> log;  // in DRBD's words
};

SyncDecision decide_sync(const SyncSide& own, const SyncSide& peer, const SyncPolicy& policy);

}  // namespace engine
