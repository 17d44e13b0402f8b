// The slots of an activity log during a replay: what the transactions, applied in their order,
// leave.
#pragma once

#include "base/units.h"
#include "meta/activity_log.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace meta {

class SlotTable {
public:
    // Slot numbers come from the disk: those that no driver uses are counted and left out.
    void set(std::uint32_t slot, std::uint32_t extent) {
        if (slot >= kAlSlotLimit) {
            ++ignored_;
            return;
        }
        slots_[slot] = extent;
    }

    // Ascending, distinct.
    std::vector<base::AlExtent> active() const {
        std::vector<base::AlExtent> extents;
        for (const auto& [slot, extent] : slots_) {
            if (extent != kAlExtentFree) {
                extents.push_back({extent});
            }
        }
        std::sort(extents.begin(), extents.end());
        extents.erase(std::unique(extents.begin(), extents.end()), extents.end());
        return extents;
    }

    std::uint32_t ignored() const { return ignored_; }

private:
    std::map<std::uint32_t, std::uint32_t> slots_;
    std::uint32_t ignored_ = 0;
};

}  // namespace meta
