// The set of 4 MiB extents that may have writes in flight which are not known to be the same on
// both nodes. A write holds a reference on each extent it touches; an extent must be in the set,
// and the set on stable storage, before the write starts. This class keeps the set (a
// least-recently-used cache of slots) and says what the next transaction contains; MetaStore writes
// it. Metadata specification, sections 4.5 to 4.7.
#pragma once

#include "base/units.h"
#include "drbdd/engine/work.h"
#include "meta/activity_log.h"

#include <cstdint>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

namespace engine {

class ActivityLog {
public:
    // `work` outlives this; without one nothing is counted.
    explicit ActivityLog(Work* work = nullptr) : work_(work) {}

    // `slots` is the effective number of al-extents. Empties the set: nothing may hold a reference.
    void reset(std::uint32_t slots);

    std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_.size()); }

    // Extents that one request may ask for: what does not fit into one transaction, or into the
    // slots, would never be ready, and keep all others waiting. Half of that leaves room for them.
    std::uint32_t most_extents() const;

    // Queues a request for references on the extents first..last, at most most_extents(). `key`
    // comes back from take_ready() once all are active. Strictly first come first served as soon as
    // one has to wait for a free slot, so that nobody starves; requests that find all their extents
    // active pass otherwise.
    void request(std::uint64_t key, base::AlExtent first, base::AlExtent last);
    void put(base::AlExtent first, base::AlExtent last);

    // Lets go of extents that nobody has used since the call before: a crash then costs the copying
    // of what was in use lately, not of all that ever was. Does nothing while something is waiting.
    void age();

    // There are extents that nobody uses.
    bool any_cold() const { return unused_.size() > free_; }

    // Keys whose extents are all active now, in the order in which they became so.
    std::vector<std::uint64_t> take_ready();

    // --- Transactions, one at a time ---
    bool wants_transaction() const { return !transaction_running_ && !changing_.empty(); }

    struct Change {
        std::uint16_t slot = 0;
        std::uint32_t old_extent = meta::kAlExtentFree;
        std::uint32_t new_extent = meta::kAlExtentFree;
    };

    // Starts one with all changes wanted so far (at most 64).
    const std::vector<Change>& begin_transaction();
    // The block to write for it. Advances the transaction number and the context position.
    meta::AlTransaction build_transaction();
    // It is on stable storage: the changes are the set.
    void commit();

    // From now on all that ask wait, also those that would find their extents active, until
    // reopen().
    void close() { closed_ = true; }

    bool closed() const { return closed_; }

    // Nobody holds a reference or is about to, and no transaction runs. What ended before is known
    // to be the same on both nodes, or is marked.
    bool idle() const {
        return references_ == 0 && holding_.empty() && ready_.empty() && changing_.empty() &&
               !transaction_running_;
    }

    // With an empty set, as the log on disk is by now. Those that waited go on.
    void reopen();

    // The disk is gone: forgets all references, waiters and a running transaction.
    void abandon();

    bool is_active(std::uint32_t extent) const;

    bool any_reference() const { return references_ > 0; }

    // Extents that somebody uses now.
    std::size_t referenced() const { return slots_.size() - unused_.size(); }

    bool any_waiting() const { return !queued_.empty() || !holding_.empty() || !ready_.empty(); }

private:
    struct Slot {
        std::uint32_t extent = meta::kAlExtentFree;      // committed
        std::uint32_t new_extent = meta::kAlExtentFree;  // what it is about to be
        std::uint32_t references = 0;
        bool changing = false;
        bool recent = false;                        // used since the last age()
        std::list<std::uint16_t>::iterator unused;  // place in unused_, while references == 0
    };

    struct Waiter {
        std::uint64_t key;
        std::uint32_t first;
        std::uint32_t last;
    };

    bool try_hold(const Waiter& waiter);
    void holds(const Waiter& waiter);
    bool all_committed(const Waiter& waiter) const;
    void hold(std::uint16_t slot);
    void pump();
    void empty(std::uint32_t slots);

    std::vector<Slot> slots_;
    std::unordered_map<std::uint32_t, std::uint16_t> by_extent_;  // new_extent -> slot
    std::list<std::uint16_t>
        unused_;  // no references; least recently used first, free ones in front
    Work* work_;
    std::deque<Waiter> queued_;    // without references yet, first come first served
    std::vector<Waiter> holding_;  // have their references, wait for the transaction
    std::vector<std::uint64_t> ready_;
    std::size_t free_ = 0;  // of those in unused_: slots without an extent
    std::vector<Change> changing_;
    bool transaction_running_ = false;
    bool closed_ = false;
    std::uint64_t references_ = 0;
    std::uint32_t tr_number_ = 0;
    std::uint32_t context_start_ = 0;
};

}  // namespace engine
