// A dump from anywhere, given to restore-md: what is read must read the same when printed again.
#include "base/require.h"
#include "meta/bitmap_area.h"
#include "meta/dump.h"
#include "meta/dump_v09.h"
#include "meta/geometry.h"

#include <cstdint>
#include <string>
#include <string_view>

// The same of DRBD 9.
static void read_v09(std::string_view text, std::uint64_t room) {
    const auto dump = meta::parse_dump_v09(text, room);
    if (!dump) {
        REQUIRE(!dump.error().text.empty());
        return;
    }
    REQUIRE(dump->bitmap.size() <= room);
    meta::SuperblockV09 superblock = dump->superblock;
    superblock.flags |= meta::kMdAlClean;
    const auto again = meta::parse_dump_v09(meta::dump_head(superblock, 1ull << 30, 0) + "}", room);
    REQUIRE(again && again->superblock == superblock);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::uint64_t kRoom = 4 * meta::kBlockBytes;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read_v09(text, kRoom);
    const auto dump = meta::parse_dump(text, kRoom);
    if (!dump) {
        REQUIRE(!dump.error().text.empty());
        return 0;
    }
    REQUIRE(dump->bitmap.size() <= kRoom);
    meta::Superblock superblock = dump->superblock;
    superblock.flags |= meta::kMdAlClean;  // an unclean one is made unreadable on purpose
    std::vector<std::uint8_t> bitmap = dump->bitmap;
    bitmap.resize((bitmap.size() + 31) / 32 * 32);
    std::string printed = meta::dump_head(superblock, 1ull << 30);
    meta::BitmapText bits([&](std::string_view part) { printed += part; });
    bits.append(bitmap);
    bits.finish();
    const auto again = meta::parse_dump(printed, kRoom);
    REQUIRE(again && again->superblock == superblock && again->bitmap == bitmap);
    return 0;
}
