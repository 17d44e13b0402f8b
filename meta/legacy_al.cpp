#include "meta/legacy_al.h"

#include "base/require.h"
#include "meta/slot_table.h"

#include <algorithm>

namespace meta {

namespace {

constexpr std::size_t kEntries = 62;  // entry 0 is the update, the others are context
constexpr std::size_t kEntriesAt = 8;
constexpr std::size_t kXorAt = kEntriesAt + kEntries * 8;
constexpr std::size_t kSectors = kLegacyAlBytes / base::kSectorBytes;

bool is_valid(base::ConstBytes sector) {
    if (base::get_be32(sector, 0) != kLegacyAlMagic) {
        return false;
    }
    std::uint32_t check = 0;
    for (std::size_t i = 0; i < kEntries; ++i) {
        check ^= base::get_be32(sector, kEntriesAt + i * 8 + 4);
    }
    return check == base::get_be32(sector, kXorAt);
}

// The driver used only as many sectors as the context of all its slots needs, and one more.
std::size_t sectors_used(std::uint32_t al_nr_extents) {
    const std::uint64_t context = (std::uint64_t{al_nr_extents} + kEntries - 2) / (kEntries - 1);
    return std::min<std::uint64_t>(1 + context, kSectors);
}

}  // namespace

LegacyAlReplay replay_legacy(base::ConstBytes log, std::uint32_t al_nr_extents) {
    REQUIRE(log.size() == kLegacyAlBytes);
    std::vector<base::ConstBytes> sectors;
    for (std::size_t i = 0; i < sectors_used(al_nr_extents); ++i) {
        const base::ConstBytes sector = log.subspan(i * base::kSectorBytes, base::kSectorBytes);
        if (is_valid(sector)) {
            sectors.push_back(sector);
        }
    }
    LegacyAlReplay result;
    result.transactions = static_cast<std::uint32_t>(sectors.size());
    if (sectors.empty()) {
        return result;
    }
    const auto number = [](base::ConstBytes sector) { return base::get_be32(sector, 4); };
    const auto before = [](std::uint32_t a, std::uint32_t b) {
        return static_cast<std::int32_t>(a - b) < 0;
    };
    std::uint32_t oldest = number(sectors.front());
    for (const base::ConstBytes sector : sectors) {
        oldest = before(number(sector), oldest) ? number(sector) : oldest;
    }
    std::stable_sort(sectors.begin(), sectors.end(), [&](auto a, auto b) {
        return static_cast<std::int32_t>(number(a) - oldest) <
               static_cast<std::int32_t>(number(b) - oldest);
    });

    SlotTable table;
    for (const base::ConstBytes sector : sectors) {
        for (std::size_t i = kEntries; i-- > 0;) {
            table.set(base::get_be32(sector, kEntriesAt + i * 8),
                      base::get_be32(sector, kEntriesAt + i * 8 + 4));
        }
    }
    result.active = table.active();
    return result;
}

}  // namespace meta
