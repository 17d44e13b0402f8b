#include "meta/recovery.h"

#include "base/require.h"
#include "meta/activity_log.h"
#include "meta/bitmap_area.h"
#include "meta/legacy_al.h"

#include <algorithm>
#include <bit>

namespace meta {

using base::Result;

namespace {

bool starts_with_al_magic(base::ConstBytes al_area, std::size_t block) {
    return base::get_be32(al_area, block * kBlockBytes) == kAlMagic;
}

// Nothing names the format of the log. This is how the original tells (6.2).
bool has_present_format(const Superblock& sb, base::ConstBytes al_area) {
    return !sb.clean_magic || starts_with_al_magic(al_area, 0) ||
           starts_with_al_magic(al_area, 1) || sb.al_stripes != kDefaultAlStripes ||
           sb.al_stripe_size_4k != kDefaultAlStripeSize4k;
}

Recovery plan_legacy(const Superblock& sb, base::ConstBytes al_area) {
    Recovery plan;
    plan.initialize_al = true;
    plan.write_superblock = true;
    if (sb.has(kMdPrimaryInd)) {
        plan.mark = replay_legacy(al_area, sb.al_nr_extents).active;
    }
    return plan;
}

}  // namespace

Result<Recovery> plan_recovery(const Superblock& sb, base::ConstBytes al_area) {
    REQUIRE(al_area.size() == std::uint64_t{sb.al_stripes} * sb.al_stripe_size_4k * kBlockBytes);
    if (!has_present_format(sb, al_area)) {
        return plan_legacy(sb, al_area);
    }
    std::vector<base::ConstBytes> blocks;
    for (std::size_t at = 0; at < al_area.size(); at += kBlockBytes) {
        blocks.push_back(al_area.subspan(at, kBlockBytes));
    }
    Result<AlReplay> replayed = replay(blocks, sb.al_stripes, sb.al_stripe_size_4k);
    Recovery plan;
    plan.write_superblock = !sb.is_clean();
    if (!replayed) {
        if (sb.has(kMdPrimaryInd)) {
            return replayed.error();
        }
        plan.initialize_al = true;
        plan.write_superblock = true;
        return plan;
    }
    plan.corrupt_transactions = replayed->invalid_blocks;
    if (replayed->update_transactions > 0) {
        plan.initialize_al = true;
        plan.write_superblock = true;
        if (sb.has(kMdPrimaryInd)) {
            plan.mark = std::move(replayed->active);
        }
    }
    return plan;
}

Superblock recovered(Superblock sb) {
    sb.flags |= kMdAlClean;
    sb.clean_magic = true;
    return sb;
}

Superblock without_log(Superblock sb) {
    if (sb.has(kMdPrimaryInd)) {
        sb.flags |= kMdCrashedPrimary;
        sb.flags &= ~static_cast<std::uint32_t>(kMdPrimaryInd);
    }
    return recovered(sb);
}

std::uint64_t mark_extent(base::AlExtent extent,
                          base::Sector size,
                          std::uint64_t page_offset,
                          base::Bytes page) {
    REQUIRE(page.size() == kBlockBytes);
    const ByteRange range = bitmap_range(extent, size);
    const std::uint64_t begin = std::max(range.offset, page_offset);
    const std::uint64_t end = std::min(range.offset + range.length, page_offset + page.size());
    std::uint64_t newly_set = 0;
    for (std::uint64_t at = begin; at < end; ++at) {
        std::uint8_t& bits = page[at - page_offset];
        newly_set += static_cast<std::uint64_t>(8 - std::popcount(bits));
        bits = 0xFF;
    }
    return newly_set;
}

}  // namespace meta
