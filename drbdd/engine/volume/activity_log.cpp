#include "drbdd/engine/volume/activity_log.h"

#include "base/require.h"

#include <algorithm>
#include <utility>

namespace engine {

void ActivityLog::reset(std::uint32_t slots) {
    REQUIRE(queued_.empty());
    closed_ = false;
    empty(slots);
}

void ActivityLog::reopen() {
    REQUIRE(closed_ && idle());
    closed_ = false;
    empty(slots());
    pump();
}

void ActivityLog::empty(std::uint32_t slots) {
    REQUIRE(references_ == 0 && holding_.empty());
    slots_.assign(slots, Slot{});
    by_extent_.clear();
    unused_.clear();
    changing_.clear();
    ready_.clear();
    transaction_running_ = false;
    tr_number_ = 0;
    context_start_ = 0;
    for (std::uint32_t i = 0; i < slots; ++i) {
        unused_.push_back(static_cast<std::uint16_t>(i));
        slots_[i].unused = std::prev(unused_.end());
    }
    free_ = slots;
}

std::uint32_t ActivityLog::most_extents() const {
    return std::min(slots(), static_cast<std::uint32_t>(meta::kAlUpdatesPerTransaction)) / 2;
}

void ActivityLog::age() {
    if (closed_ || transaction_running_ || !queued_.empty() || !holding_.empty()) {
        return;
    }
    for (auto it = unused_.begin(); it != unused_.end();) {
        const std::uint16_t index = *it;
        Slot& slot = slots_[index];
        if (slot.extent == meta::kAlExtentFree || std::exchange(slot.recent, false)) {
            ++it;
            continue;
        }
        if (changing_.size() == meta::kAlUpdatesPerTransaction) {
            return;  // the rest next time
        }
        changing_.push_back({index, slot.extent, meta::kAlExtentFree});
        by_extent_.erase(slot.extent);
        slot.new_extent = meta::kAlExtentFree;
        slot.changing = true;
        it = unused_.erase(it);
    }
}

void ActivityLog::request(std::uint64_t key, base::AlExtent first, base::AlExtent last) {
    REQUIRE(first <= last && last.value - first.value < most_extents());
    const Waiter waiter{key, first.value, last.value};
    // One that must wait for a slot stops all that come after it; one that only waits for the
    // running transaction stops nobody.
    if (!closed_ && (queued_.empty() || transaction_running_) && try_hold(waiter)) {
        holds(waiter);
    } else {
        queued_.push_back(waiter);
    }
}

void ActivityLog::put(base::AlExtent first, base::AlExtent last) {
    bool freed = false;
    for (std::uint32_t extent = first.value; extent <= last.value; ++extent) {
        const auto found = by_extent_.find(extent);
        REQUIRE(found != by_extent_.end());
        Slot& slot = slots_[found->second];
        REQUIRE(slot.references > 0);
        --references_;
        if (--slot.references == 0) {
            unused_.push_back(found->second);
            slot.unused = std::prev(unused_.end());
            freed = true;
        }
    }
    if (freed && !transaction_running_) {
        pump();
    }
}

std::vector<std::uint64_t> ActivityLog::take_ready() {
    return std::exchange(ready_, {});
}

// Gives references to the queued ones, in their order, until one has to wait for a slot or for room
// in the next transaction.
void ActivityLog::pump() {
    while (!closed_ && !queued_.empty() && try_hold(queued_.front())) {
        holds(queued_.front());
        queued_.pop_front();
    }
}

// It has its references; it is ready once they are on stable storage.
void ActivityLog::holds(const Waiter& waiter) {
    if (all_committed(waiter)) {
        ready_.push_back(waiter.key);
    } else {
        holding_.push_back(waiter);
    }
}

// All or nothing: references on every extent, with slots for those that have none yet.
bool ActivityLog::try_hold(const Waiter& waiter) {
    if (work_ != nullptr) {
        work_->add(waiter.last - waiter.first + 1);
    }
    std::size_t missing = 0;
    std::size_t own_unused = 0;  // slots that are unused but belong to this very request
    for (std::uint32_t extent = waiter.first; extent <= waiter.last; ++extent) {
        const auto found = by_extent_.find(extent);
        if (found == by_extent_.end()) {
            ++missing;
        } else if (slots_[found->second].references == 0) {
            ++own_unused;
        }
    }
    if (missing > 0 &&
        (transaction_running_ || changing_.size() + missing > meta::kAlUpdatesPerTransaction ||
         unused_.size() < missing + own_unused)) {
        return false;
    }
    for (std::uint32_t extent = waiter.first; extent <= waiter.last; ++extent) {
        const auto found = by_extent_.find(extent);
        if (found != by_extent_.end()) {
            hold(found->second);
        }
    }
    for (std::uint32_t extent = waiter.first; extent <= waiter.last; ++extent) {
        if (by_extent_.contains(extent)) {
            continue;
        }
        const std::uint16_t index = unused_.front();
        Slot& slot = slots_[index];
        REQUIRE(slot.references == 0 && !slot.changing);
        changing_.push_back({index, slot.extent, extent});
        if (slot.extent != meta::kAlExtentFree) {
            by_extent_.erase(slot.extent);
        } else {
            --free_;
        }
        slot.new_extent = extent;
        slot.changing = true;
        by_extent_[extent] = index;
        hold(index);
    }
    return true;
}

void ActivityLog::hold(std::uint16_t index) {
    Slot& slot = slots_[index];
    slot.recent = true;
    if (slot.references++ == 0) {
        unused_.erase(slot.unused);
    }
    ++references_;
}

bool ActivityLog::all_committed(const Waiter& waiter) const {
    for (std::uint32_t extent = waiter.first; extent <= waiter.last; ++extent) {
        if (!is_active(extent)) {
            return false;
        }
    }
    return true;
}

const std::vector<ActivityLog::Change>& ActivityLog::begin_transaction() {
    REQUIRE(wants_transaction());
    transaction_running_ = true;
    // Those that need no new slot do not have to wait for those that do.
    std::erase_if(queued_, [this](const Waiter& waiter) {
        const bool held = !closed_ && try_hold(waiter);
        if (held) {
            holds(waiter);
        }
        return held;
    });
    return changing_;
}

meta::AlTransaction ActivityLog::build_transaction() {
    REQUIRE(transaction_running_);
    meta::AlTransaction transaction;
    transaction.tr_number = tr_number_++;
    for (const Change& change : changing_) {
        transaction.updates.push_back({change.slot, change.new_extent});
    }
    transaction.context_size = static_cast<std::uint16_t>(slots());
    transaction.context_start = static_cast<std::uint16_t>(context_start_);
    const std::size_t count = meta::context_count(slots(), context_start_);
    for (std::size_t i = 0; i < count; ++i) {
        transaction.context.push_back(slots_[context_start_ + i].extent);
    }
    context_start_ += static_cast<std::uint32_t>(meta::kAlContextPerTransaction);
    if (context_start_ >= slots()) {
        context_start_ = 0;
    }
    return transaction;
}

void ActivityLog::commit() {
    REQUIRE(transaction_running_);
    transaction_running_ = false;
    for (const Change& change : changing_) {
        Slot& slot = slots_[change.slot];
        slot.extent = slot.new_extent;
        slot.changing = false;
        if (slot.extent == meta::kAlExtentFree) {
            unused_.push_front(change.slot);
            slot.unused = unused_.begin();
            ++free_;
        }
    }
    changing_.clear();
    for (const Waiter& waiter : std::exchange(holding_, {})) {
        REQUIRE(all_committed(waiter));  // whatever it waited for was in this transaction
        ready_.push_back(waiter.key);
    }
    pump();
}

void ActivityLog::abandon() {
    queued_.clear();
    holding_.clear();
    references_ = 0;
    reset(slots());
}

bool ActivityLog::is_active(std::uint32_t extent) const {
    const auto found = by_extent_.find(extent);
    return found != by_extent_.end() && slots_[found->second].extent == extent;
}

}  // namespace engine
