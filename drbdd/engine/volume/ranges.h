// Which byte ranges of a volume are busy, and with what: overlapping operations wait for each
// other, so that both nodes apply overlapping writes in one order. Kept by size, in classes of a
// factor of two, and within a class by start: so one long entry (a trim of gigabytes) does not make
// every question walk over all the short ones before it.
#pragma once

#include "base/require.h"
#include "base/units.h"
#include "drbdd/engine/work.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

namespace engine {

template <typename Tag>
class Ranges {
public:
    // `work` outlives this; without one nothing is counted.
    explicit Ranges(Work* work = nullptr) : work_(work) {}

    void add(base::Sector sector, std::uint64_t bytes, Tag tag) {
        const std::uint64_t sectors = base::sectors_rounding_up(bytes).value;
        classes_[static_cast<int>(std::bit_width(sectors))].emplace(Key{sector.value, tag},
                                                                    sectors);
        ++size_;
    }

    void remove(base::Sector sector, Tag tag) {
        for (auto& [width, entries] : classes_) {
            const auto found = entries.find(Key{sector.value, tag});
            if (found != entries.end()) {
                entries.erase(found);
                --size_;
                return;
            }
        }
        REQUIRE(false);  // only what was added is removed
    }

    bool contains(base::Sector sector, Tag tag) const {
        return std::any_of(classes_.begin(), classes_.end(), [&](const auto& entry) {
            return entry.second.contains(Key{sector.value, tag});
        });
    }

    bool overlaps(base::Sector sector, std::uint64_t bytes) const {
        return any_overlapping(sector, bytes, [](const Tag&) { return true; });
    }

    template <typename Visitor>
    void for_each_overlapping(base::Sector sector, std::uint64_t bytes, Visitor visitor) const {
        any_overlapping(sector, bytes, [&visitor](const Tag& tag) {
            visitor(tag);
            return false;
        });
    }

    // Removes what overlaps, and hands out the tags.
    template <typename Taker>
    void take_overlapping(base::Sector sector, std::uint64_t bytes, Taker taker) {
        for (auto& [width, entries] : classes_) {
            const Span span = span_of(width, sector, bytes);
            auto it = first_in(entries, span);
            while (it != entries.end() && it->first.first < span.end) {
                count();
                if (it->first.first + it->second <= span.begin) {
                    ++it;
                    continue;
                }
                const Tag tag = it->first.second;
                it = entries.erase(it);
                --size_;
                taker(tag);
            }
        }
    }

    bool empty() const { return size_ == 0; }

    std::size_t size() const { return size_; }

    void clear() {
        classes_.clear();
        size_ = 0;
    }

private:
    using Key = std::pair<std::uint64_t, Tag>;  // start, tag
    using Entries = std::multimap<Key, std::uint64_t>;

    struct Span {
        std::uint64_t from;  // an entry that starts before this has ended before `begin`
        std::uint64_t begin;
        std::uint64_t end;
    };

    // Entries of the class `width` are shorter than 2^width sectors.
    static Span span_of(int width, base::Sector sector, std::uint64_t bytes) {
        const std::uint64_t back = width < 64 ? (std::uint64_t{1} << width) - 1 : ~std::uint64_t{0};
        return {sector.value > back ? sector.value - back : 0,
                sector.value,
                sector.value + base::sectors_rounding_up(bytes).value};
    }

    template <typename Wanted>
    bool any_overlapping(base::Sector sector, std::uint64_t bytes, Wanted wanted) const {
        for (const auto& [width, entries] : classes_) {
            const Span span = span_of(width, sector, bytes);
            for (auto it = first_in(entries, span);
                 it != entries.end() && it->first.first < span.end;
                 ++it) {
                count();
                if (it->first.first + it->second > span.begin && wanted(it->first.second)) {
                    return true;
                }
            }
        }
        return false;
    }

    template <typename Map>
    static auto first_in(Map& entries, const Span& span) {
        return entries.lower_bound(Key{span.from, std::numeric_limits<Tag>::lowest()});
    }

    void count() const {
        if (work_ != nullptr) {
            work_->add();
        }
    }

    Work* work_;
    std::map<int, Entries> classes_;
    std::size_t size_ = 0;
};

}  // namespace engine
