#include "meta/superblock_v07.h"

#include "base/require.h"

#include <vector>

namespace meta {

namespace {

constexpr std::size_t kMagicAt07 = 0x1C;

// Flags, then the counters of human, timeout, connected and arbitrary changes of generation.
std::uint64_t counter(base::ConstBytes block, std::size_t number) {
    return base::get_be32(block, 8 + 4 * number);
}

}  // namespace

bool is_v07(base::ConstBytes block) {
    return base::get_be32(block, kMagicAt07) == kMagicV07;
}

base::Result<Superblock> superblock_of_v07(base::ConstBytes block) {
    REQUIRE(block.size() == kBlockBytes && is_v07(block));
    constexpr std::uint64_t kGeneration = 0x10000;
    Superblock sb;
    sb.la_size_sectors = base::get_be64(block, 0x00) * 2;  // KiB
    sb.current_uuid = (counter(block, 1) & 0xFFFF) << 48 | (counter(block, 2) & 0xFFFF) << 32 |
                      ((counter(block, 3) + counter(block, 4)) & 0xFFFF) << 16 | 0xBABE;
    sb.history_uuids = {sb.current_uuid - kGeneration, sb.current_uuid - 2 * kGeneration};
    sb.flags = static_cast<std::uint32_t>(counter(block, 0));
    sb.md_size_sectors = base::get_be32(block, 0x20) * 2;
    sb.al_offset = static_cast<std::int32_t>(base::get_be32(block, 0x24));
    sb.al_nr_extents = base::get_be32(block, 0x28);
    sb.bm_offset = static_cast<std::int32_t>(base::get_be32(block, 0x2C));
    // What holds of any superblock of v08 holds of this one.
    std::vector<std::uint8_t> as_v08(kBlockBytes);
    encode(sb, as_v08);
    return decode_superblock(as_v08);
}

}  // namespace meta
