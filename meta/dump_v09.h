// Metadata of DRBD 9 for one peer as text, as dump.h has them for v08; the bitmap's text is the
// same between `bitmap[0] {` and `}`. Metadata specification, section 19.
#pragma once

#include "base/result.h"
#include "meta/superblock_v09.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meta {

// All from `version` to the line before the bitmap. `bitmap_bytes`: of it are shown.
std::string dump_head(const SuperblockV09& superblock,
                      std::uint64_t superblock_byte,
                      std::uint64_t bitmap_bytes);

struct DumpV09 {
    SuperblockV09 superblock;  // without offsets: they follow from the device
    std::vector<std::uint8_t> bitmap;
};

// As parse_dump(). Unsupported also: for several peers.
base::Result<DumpV09> parse_dump_v09(std::string_view text, std::uint64_t max_bitmap_bytes);

}  // namespace meta
