// The activity log of a hostile disk. A random block never has the right CRC, so most blocks get
// one: the input is a byte of switches, then for each block a byte that says what it is to be, and
// 2047 bytes of its head; the rest of a block is free slots.
#include "base/crc32c.h"
#include "base/require.h"
#include "meta/activity_log.h"
#include "meta/recovery.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr std::size_t kHead = 2047;

void fill_block(base::Bytes block, std::uint8_t kind, base::ConstBytes head) {
    std::fill(block.begin(), block.end(), std::uint8_t{0xFF});
    std::copy(head.begin(), head.end(), block.begin());
    if ((kind & 1) != 0) {
        return;  // as it comes
    }
    base::put_be32(block, 0, meta::kAlMagic);
    base::put_be32(block, 8, 0);
    base::put_be32(block, 8, base::crc32c_raw(0, block));
}

void check_block(base::ConstBytes block) {
    const auto transaction = meta::decode_al_block(block);
    if (!transaction || transaction->type == meta::kAlTypeInitialized) {
        return;
    }
    std::vector<std::uint8_t> again(meta::kBlockBytes);
    meta::encode(*transaction, again);
    REQUIRE(meta::decode_al_block(again).has_value());
}

void check_marks(const std::vector<base::AlExtent>& extents, base::Sector size) {
    REQUIRE(std::is_sorted(extents.begin(), extents.end()));
    REQUIRE(std::adjacent_find(extents.begin(), extents.end()) == extents.end());
    REQUIRE(extents.size() <= meta::kAlSlotLimit);
    std::vector<std::uint8_t> page(meta::kBlockBytes);
    for (const base::AlExtent extent : extents) {
        REQUIRE(extent.value != meta::kAlExtentFree);
        REQUIRE(meta::mark_extent(extent, size, 0, page) <= base::kBitsPerAlExtent);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::ConstBytes input(data, size);
    if (input.empty()) {
        return 0;
    }
    const std::uint8_t switches = input[0];
    input = input.subspan(1);
    meta::Superblock superblock;
    superblock.clean_magic = (switches & 1) != 0;
    superblock.flags = (switches & 2) != 0 ? meta::kMdPrimaryInd : 0;
    superblock.al_nr_extents = switches * 16u;
    superblock.la_size_sectors = 200000;
    if ((switches & 4) != 0) {
        superblock.al_stripes = 3;
        superblock.al_stripe_size_4k = 4;
    }
    const std::size_t blocks = std::size_t{superblock.al_stripes} * superblock.al_stripe_size_4k;
    std::vector<std::uint8_t> log(blocks * meta::kBlockBytes);
    for (std::size_t i = 0; i < blocks && !input.empty(); ++i) {
        const base::Bytes block =
            base::Bytes(log).subspan(i * meta::kBlockBytes, meta::kBlockBytes);
        const std::uint8_t kind = input[0];
        input = input.subspan(1);
        const std::size_t head = std::min(kHead, input.size());
        fill_block(block, kind, input.first(head));
        input = input.subspan(head);
        if (i == switches >> 6) {
            check_block(block);
        }
    }
    if (const auto plan = meta::plan_recovery(superblock, log)) {
        check_marks(plan->mark, {superblock.la_size_sectors});
    }
    return 0;
}
