// Which byte ranges of a volume are busy, and with what: overlapping operations wait for each
// other, so that both nodes apply overlapping writes in one order. Ordered by start; the longest
// entry bounds how far back an overlap can begin.
#pragma once

#include "base/require.h"
#include "base/units.h"

#include <algorithm>
#include <cstdint>
#include <map>

namespace engine {

template <typename Tag>
class Ranges {
public:
    void add(base::Sector sector, std::uint64_t bytes, Tag tag) {
        longest_ = std::max(longest_, bytes);
        entries_.emplace(sector.value, Entry{bytes, tag});
    }

    void remove(base::Sector sector, Tag tag) {
        auto [it, end] = entries_.equal_range(sector.value);
        for (; it != end; ++it) {
            if (it->second.tag == tag) {
                entries_.erase(it);
                if (entries_.empty()) {
                    longest_ = 0;
                }
                return;
            }
        }
        REQUIRE(false);  // only what was added is removed
    }

    bool overlaps(base::Sector sector, std::uint64_t bytes) const {
        return overlaps_if(sector, bytes, [](const Tag&) { return true; });
    }

    template <typename Wanted>
    bool overlaps_if(base::Sector sector, std::uint64_t bytes, Wanted wanted) const {
        const std::uint64_t back = base::sectors_rounding_up(longest_).value;
        const std::uint64_t end = sector.value + base::sectors_rounding_up(bytes).value;
        for (auto it = entries_.lower_bound(sector.value > back ? sector.value - back : 0);
             it != entries_.end() && it->first < end;
             ++it) {
            if (it->first + base::sectors_rounding_up(it->second.bytes).value > sector.value &&
                wanted(it->second.tag)) {
                return true;
            }
        }
        return false;
    }

    bool empty() const { return entries_.empty(); }

    std::size_t size() const { return entries_.size(); }

    void clear() {
        entries_.clear();
        longest_ = 0;
    }

private:
    struct Entry {
        std::uint64_t bytes;
        Tag tag;
    };

    std::multimap<std::uint64_t, Entry> entries_;
    std::uint64_t longest_ = 0;  // of the entries added since the set was last empty
};

}  // namespace engine
