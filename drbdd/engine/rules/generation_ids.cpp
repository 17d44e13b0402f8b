#include "drbdd/engine/rules/generation_ids.h"

#include "base/log.h"

#include <cstdlib>

namespace engine {

namespace {

constexpr std::uint64_t masked(std::uint64_t uuid) {
    return uuid & ~kUuidPrimaryBit;
}

bool same(std::uint64_t a, std::uint64_t b) {
    return masked(a) == masked(b);
}

bool is_source(CompareResult r) {
    return r == CompareResult::Source || r == CompareResult::SourceFull;
}

bool is_target(CompareResult r) {
    return r == CompareResult::Target || r == CompareResult::TargetFull;
}

bool is_full(CompareResult r) {
    return r == CompareResult::SourceFull || r == CompareResult::TargetFull;
}

class Comparer {
public:
    Comparer(const SyncSide& own, const SyncSide& peer, bool resolve, bool wsame)
        : own_(own), peer_(peer), resolve_(resolve), wsame_(wsame) {
        out_.own = own.ids;
        out_.peer = peer.ids;
    }

    Comparison run() {
        const std::uint64_t s = masked(own_.ids.current);
        const std::uint64_t p = masked(peer_.ids.current);
        if (s == kUuidJustCreated && p == kUuidJustCreated) {
            return done(CompareResult::NoSync, 10);
        }
        if (s == kUuidJustCreated || s == 0) {
            return p == 0 ? done(CompareResult::NoSync, 10) : done(CompareResult::TargetFull, 20);
        }
        if (p == kUuidJustCreated || p == 0) {
            return done(CompareResult::SourceFull, 30);
        }
        return s == p ? same_generation() : different_generations();
    }

private:
    Comparison done(CompareResult result, int rule) {
        out_.result = result;
        out_.rule = rule;
        return out_;
    }

    // A resync between the two ended, but one of them missed that; or a Primary crashed.
    Comparison same_generation() {
        const GenerationIds& s = own_.ids;
        const GenerationIds& p = peer_.ids;
        if (p.bitmap == 0 && s.bitmap != 0) {
            if (same(s.bitmap, p.history[0]) && same(s.history[0], p.history[1])) {
                out_.own.clear_bitmap();
                out_.own_corrected = true;
                return done(CompareResult::Source, 34);
            }
            return done(CompareResult::Source, 36);
        }
        if (s.bitmap == 0 && p.bitmap != 0) {
            if (same(s.history[0], p.bitmap) && same(s.history[1], p.history[0])) {
                out_.peer.clear_bitmap();
                out_.peer_corrected = true;
                return done(CompareResult::Target, 35);
            }
            return done(CompareResult::Target, 37);
        }
        return crashed_primaries();
    }

    Comparison crashed_primaries() {
        if (!own_.crashed_primary && !peer_.crashed_primary) {
            return done(CompareResult::NoSync, 40);
        }
        if (own_.role == Role::Primary || peer_.role == Role::Primary) {
            if (!wsame_) {
                return done(CompareResult::RefuseTooOld, 41);
            }
            if (own_.role == peer_.role) {
                return done(CompareResult::SplitBrain, 41);
            }
            return done(own_.role == Role::Primary ? CompareResult::Source : CompareResult::Target,
                        41);
        }
        if (own_.crashed_primary && peer_.crashed_primary) {
            return done(resolve_ ? CompareResult::Target : CompareResult::Source, 40);
        }
        return done(own_.crashed_primary ? CompareResult::Source : CompareResult::Target, 40);
    }

    Comparison different_generations() {
        const GenerationIds& s = own_.ids;
        const GenerationIds& p = peer_.ids;
        if (same(s.current, p.bitmap)) {
            return done(CompareResult::Target, 50);
        }
        if (never_began(s, p)) {
            forget_resync(out_.peer, s.current);
            out_.peer_corrected = true;
            return done(CompareResult::Target, 51);
        }
        if (same(s.current, p.history[0]) || same(s.current, p.history[1])) {
            return done(CompareResult::TargetFull, 60);
        }
        if (same(s.bitmap, p.current)) {
            return done(CompareResult::Source, 70);
        }
        if (never_began(p, s)) {
            forget_resync(out_.own, p.current);
            out_.own_corrected = true;
            return done(CompareResult::Source, 71);
        }
        if (same(p.current, s.history[0]) || same(p.current, s.history[1])) {
            return done(CompareResult::SourceFull, 80);
        }
        if (same(s.bitmap, p.bitmap) && masked(s.bitmap) != 0) {
            return done(CompareResult::SplitBrainAuto, 90);
        }
        return done(related() ? CompareResult::SplitBrain : CompareResult::Unrelated, 100);
    }

    // The target of a resync never stored its sync UUID, so it has not got a block of it: the bits
    // still count from what it bears. DRBD looks for that in the history as well, from where the
    // generations that the source has begun since may have pushed it out.
    static bool never_began(const GenerationIds& target, const GenerationIds& source) {
        return source.bitmap != 0 && same(target.current + kUuidSyncOffset, source.bitmap);
    }

    static void forget_resync(GenerationIds& source, std::uint64_t target) {
        if (same(source.history[0], target)) {
            source.bitmap = source.history[0];
            source.history = {source.history[1], source.history[1]};
        } else {
            source.bitmap = target;
        }
    }

    // Any identifier in common says that the data were the same once. DRBD compares the two
    // histories only, and calls relatives strangers that discard-my-data could bring together.
    bool related() const {
        const GenerationIds& s = own_.ids;
        const GenerationIds& p = peer_.ids;
        for (const std::uint64_t mine : s.history) {
            for (const std::uint64_t theirs : p.history) {
                if (same(mine, theirs)) {  // zero equals zero here: DRBD does it this way
                    return true;
                }
            }
        }
        const auto in_history = [](std::uint64_t uuid, const GenerationIds& ids) {
            return masked(uuid) != 0 && (same(uuid, ids.history[0]) || same(uuid, ids.history[1]));
        };
        return in_history(s.bitmap, p) || in_history(p.bitmap, s);
    }

    const SyncSide& own_;
    const SyncSide& peer_;
    bool resolve_;
    bool wsame_;
    Comparison out_;
};

// --- After split brain, 5.5: -1 we lose, 1 we win, 0 undecided ---

int tie(const SyncPolicy& policy) {
    return policy.resolve_conflicts ? -1 : 1;
}

int by_least_changes(const SyncSide& own, const SyncSide& peer, const SyncPolicy& policy) {
    if (own.dirty_bits == peer.dirty_bits) {
        return tie(policy);
    }
    return own.dirty_bits < peer.dirty_bits ? -1 : 1;
}

int by_zero_changes(const SyncSide& own,
                    const SyncSide& peer,
                    const SyncPolicy& policy,
                    bool configured) {
    if (own.dirty_bits == 0 && peer.dirty_bits == 0) {
        return tie(policy);
    }
    if (peer.dirty_bits == 0) {
        return 1;
    }
    if (own.dirty_bits == 0) {
        return -1;
    }
    return configured ? 0 : by_least_changes(own, peer, policy);
}

int with_0_primaries(const SyncSide& own, const SyncSide& peer, const SyncPolicy& policy) {
    const bool was_primary = (own.ids.bitmap & kUuidPrimaryBit) != 0;
    const bool peer_was_primary = (peer.ids.bitmap & kUuidPrimaryBit) != 0;
    switch (policy.after_sb_0p) {
        case AfterSplitBrain::DiscardYoungerPrimary:
            if (was_primary != peer_was_primary) {
                return peer_was_primary ? -1 : 1;
            }
            return by_zero_changes(own, peer, policy, false);
        case AfterSplitBrain::DiscardOlderPrimary:
            if (was_primary != peer_was_primary) {
                return peer_was_primary ? 1 : -1;
            }
            return by_zero_changes(own, peer, policy, false);
        case AfterSplitBrain::DiscardZeroChanges:
            return by_zero_changes(own, peer, policy, true);
        case AfterSplitBrain::DiscardLeastChanges:
            return by_least_changes(own, peer, policy);
        case AfterSplitBrain::DiscardLocal:
            return -1;
        case AfterSplitBrain::DiscardRemote:
            return 1;
        default:
            return 0;
    }
}

int with_1_primary(const SyncSide& own,
                   const SyncSide& peer,
                   const SyncPolicy& policy,
                   SyncDecision& out) {
    const bool primary = own.role == Role::Primary;
    const int verdict = with_0_primaries(own, peer, policy);
    switch (policy.after_sb_1p) {
        case AfterSplitBrain::Consensus:
            return (verdict == -1 && !primary) || (verdict == 1 && primary) ? verdict : 0;
        case AfterSplitBrain::ViolentlyAs0p:
            return verdict;
        case AfterSplitBrain::DiscardSecondary:
            return primary ? 1 : -1;
        case AfterSplitBrain::CallPriLostAfterSb:
            if (verdict == -1 && primary) {
                out.handlers.emplace_back("pri-lost-after-sb");
                return 0;
            }
            return verdict;
        default:
            return 0;
    }
}

int with_2_primaries(const SyncSide& own,
                     const SyncSide& peer,
                     const SyncPolicy& policy,
                     SyncDecision& out) {
    const int verdict = with_0_primaries(own, peer, policy);
    switch (policy.after_sb_2p) {
        case AfterSplitBrain::ViolentlyAs0p:
            return verdict;
        case AfterSplitBrain::CallPriLostAfterSb:
            if (verdict == -1) {
                out.handlers.emplace_back("pri-lost-after-sb");
                return 0;
            }
            return verdict;
        default:
            return 0;
    }
}

class Decider {
public:
    Decider(const SyncSide& own, const SyncSide& peer, const SyncPolicy& policy)
        : own_(own), peer_(peer), policy_(policy) {}

    SyncDecision run() {
        out_.comparison = compare(own_, peer_, policy_.resolve_conflicts, policy_.wsame_agreed);
        result_ = out_.comparison.result;
        say(base::format(
            "uuid_compare()=%d by rule %d", static_cast<int>(result_), out_.comparison.rule));
        if (result_ == CompareResult::Unrelated) {
            return refuse("Unrelated data, aborting!");
        }
        if (result_ == CompareResult::RefuseTooOld) {
            return refuse("To resolve this both sides have to support at least feature WSAME");
        }
        override_by_disks();
        copy_what_was_added();
        if (split_brain() && !resolve_split_brain()) {
            return refuse("");
        }
        return act();
    }

private:
    bool split_brain() const {
        return result_ == CompareResult::SplitBrain || result_ == CompareResult::SplitBrainAuto;
    }

    void say(std::string text, bool alert = false) { out_.log.push_back({alert, std::move(text)}); }

    SyncDecision refuse(const char* why) {
        if (*why != '\0') {
            say(why, true);
        }
        out_.refused = true;
        return out_;
    }

    // One side's data are unusable: the other is the source whatever the identifiers say.
    void override_by_disks() {
        const bool own_bad = own_.disk == DiskState::Inconsistent;
        const bool peer_bad = peer_.disk == DiskState::Inconsistent;
        if (own_bad == peer_bad || own_.disk < DiskState::Inconsistent ||
            peer_.disk < DiskState::Inconsistent) {
            return;
        }
        const bool full = result_ == CompareResult::SplitBrain || is_full(result_);
        if (own_bad) {
            result_ = full ? CompareResult::TargetFull : CompareResult::Target;
        } else {
            result_ = full ? CompareResult::SourceFull : CompareResult::Source;
        }
        say(base::format("Becoming sync %s due to disk states.", own_bad ? "target" : "source"));
    }

    // Nobody has written: the Primary's, or anybody's, is as good as the other's.
    void copy_what_was_added() {
        if (result_ != CompareResult::NoSync || !policy_.grown_apart ||
            own_.disk <= DiskState::Inconsistent || peer_.disk <= DiskState::Inconsistent) {
            return;
        }
        const bool from_us =
            own_.role != peer_.role ? own_.role == Role::Primary : policy_.resolve_conflicts;
        result_ = from_us ? CompareResult::Source : CompareResult::Target;
        say("The device has grown on one node alone: what was added is copied.");
    }

    bool resolve_split_brain() {
        out_.handlers.emplace_back("initial-split-brain");
        const bool forced_full = result_ == CompareResult::SplitBrain;
        if (!forced_full || policy_.always_asbp) {
            apply_policy(forced_full);
        }
        if (split_brain() && own_.discard_my_data != peer_.discard_my_data) {
            result_ = own_.discard_my_data ? CompareResult::Target : CompareResult::Source;
            say(base::format("Split-Brain detected, manually solved. Sync from %s node",
                             own_.discard_my_data ? "peer" : "this"));
        }
        if (split_brain()) {
            say("Split-Brain detected but unresolved, dropping connection!", true);
            out_.handlers.emplace_back("split-brain");
            out_.split_brain = true;
            return false;
        }
        return true;
    }

    void apply_policy(bool full) {
        const int primaries =
            (own_.role == Role::Primary ? 1 : 0) + (peer_.role == Role::Primary ? 1 : 0);
        const int verdict = primaries == 0   ? with_0_primaries(own_, peer_, policy_)
                            : primaries == 1 ? with_1_primary(own_, peer_, policy_, out_)
                                             : with_2_primaries(own_, peer_, policy_, out_);
        if (verdict == 0) {
            return;
        }
        say(base::format(
            "Split-Brain detected, %d primaries, automatically solved. Sync from %s node",
            primaries,
            verdict < 0 ? "peer" : "this"));
        if (full) {
            say("Doing a full sync, since UUIDs where ambiguous.");
            result_ = verdict < 0 ? CompareResult::TargetFull : CompareResult::SourceFull;
        } else {
            result_ = verdict < 0 ? CompareResult::Target : CompareResult::Source;
        }
    }

    SyncDecision act() {
        if (is_source(result_) && own_.disk <= DiskState::Inconsistent) {
            return refuse("I shall become SyncSource, but I am inconsistent!");
        }
        if (is_target(result_) && own_.role == Role::Primary &&
            own_.disk >= DiskState::Consistent && !own_.attaching) {
            if (policy_.rr_conflict == RrConflict::CallPriLost) {
                out_.handlers.emplace_back("pri-lost");
            }
            if (policy_.rr_conflict != RrConflict::Violently) {
                return refuse("I shall become SyncTarget, but I am primary!");
            }
            say("Becoming SyncTarget, violating the stable-data assumption", true);
        }
        out_.full = is_full(result_);
        out_.conn = is_source(result_)   ? ConnState::WFBitMapS
                    : is_target(result_) ? ConnState::WFBitMapT
                                         : ConnState::Connected;
        if (out_.full) {
            say("Writing the whole bitmap, full sync required after drbd_sync_handshake.");
        }
        return out_;
    }

    const SyncSide& own_;
    const SyncSide& peer_;
    const SyncPolicy& policy_;
    SyncDecision out_;
    CompareResult result_ = CompareResult::NoSync;
};

}  // namespace

std::string describe(const GenerationIds& ids) {
    return base::hex64(ids.current) + ":" + base::hex64(ids.bitmap) + ":" +
           base::hex64(ids.history[0]) + ":" + base::hex64(ids.history[1]);
}

Comparison compare(const SyncSide& own,
                   const SyncSide& peer,
                   bool resolve_conflicts,
                   bool wsame_agreed) {
    return Comparer(own, peer, resolve_conflicts, wsame_agreed).run();
}

SyncDecision decide_sync(const SyncSide& own, const SyncSide& peer, const SyncPolicy& policy) {
    return Decider(own, peer, policy).run();
}

}  // namespace engine
