// The superblock of a hostile disk: whatever decodes must survive encoding, and everything that is
// computed from it must stay inside the metadata area.
#include "base/require.h"
#include "meta/bitmap_area.h"
#include "meta/dump.h"
#include "meta/gi.h"
#include "meta/superblock.h"
#include "meta/superblock_v09.h"

#include <algorithm>
#include <cstdint>
#include <vector>

// Of DRBD 9: there and back what v08 knows of it stays, but for the bitmap's identifier.
static void decode_nine(base::ConstBytes block) {
    const auto nine = meta::decode_v09(block);
    if (!nine) {
        REQUIRE(!nine.error().text.empty());
        return;
    }
    std::vector<std::uint8_t> again(meta::kBlockBytes);
    meta::encode(*nine, again);
    const auto decoded = meta::decode_v09(again);
    REQUIRE(decoded && *decoded == *nine);
    meta::Superblock eight = meta::as_v08(*nine).value();
    eight.bitmap_uuid = 0;
    REQUIRE(meta::as_v08(meta::as_v09(eight)).value() == eight);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    std::copy_n(data, std::min(size, block.size()), block.begin());
    if (base::get_be32(block, 0x3C) == meta::kMagicV09) {
        decode_nine(block);
        return 0;
    }
    const auto superblock = meta::decode_superblock(block);
    if (!superblock) {
        REQUIRE(!superblock.error().text.empty());
        return 0;
    }
    std::vector<std::uint8_t> again(meta::kBlockBytes);
    meta::encode(*superblock, again);
    const auto decoded = meta::decode_superblock(again);
    REQUIRE(decoded && *decoded == *superblock);

    const std::uint64_t device_bytes = std::uint64_t{superblock->md_size_sectors} * 512 * 3;
    const auto layout =
        meta::internal_layout(device_bytes, superblock->al_stripes, superblock->al_stripe_size_4k);
    if (layout && meta::check_against(*superblock, *layout)) {
        const std::uint64_t room = layout->bitmap_sectors * base::kSectorBytes;
        REQUIRE(meta::bitmap_bytes({superblock->la_size_sectors}) <= room);
        REQUIRE(meta::dumped_bitmap_bytes(*superblock, to_bytes(layout->superblock_sector)) <=
                room);
    }
    REQUIRE(!meta::dump_head(*superblock, 1ull << 30).empty());
    const auto same = meta::with_gi(*superblock, meta::gi_line(*superblock));
    REQUIRE(same && *same == *superblock);
    REQUIRE(!meta::show_gi(*superblock).empty());
    return 0;
}
