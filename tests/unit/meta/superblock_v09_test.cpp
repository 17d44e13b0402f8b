#include "meta/superblock_v09.h"

#include "base/log.h"
#include "meta/dump.h"
#include "meta/dump_v09.h"
#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

namespace {

using meta::Conversion;
using meta::Superblock;
using meta::SuperblockV09;

using Block = std::vector<std::uint8_t>;

constexpr std::size_t kSector = 512;

template <typename Sb>
Block v09_block_of(const Sb& superblock) {
    Block block(meta::kBlockBytes);
    meta::encode(superblock, block);
    return block;
}

SuperblockV09 nine() {
    const Superblock place = meta_test::load("v08-int-64m-restored").superblock();
    SuperblockV09 sb = meta::as_v09(place);
    sb.node_id = 0;
    sb.flags = meta::kMdConsistent | meta::kMdWasUpToDate | meta::kMdAlClean;
    sb.peers[0].flags = 0;
    sb.peers[30] = {0x55, 0x66, meta::kV09PeerConnected | meta::kV09PeerFullSync | 0x10, 0};
    sb.history_uuids = {0x77, 0x88};
    return sb;
}

// What the original made of this vector; it leaves the bitmap's identifier behind.
TEST(SuperblockV09, IsTheOriginalsConversion) {
    const auto eight = meta_test::load("v08-int-64m-restored");
    const auto area = meta_test::read_od("v09-int-64m-converted-from-v08.area.od");
    const base::ConstBytes block = base::ConstBytes(area).last(meta::kBlockBytes);
    SuperblockV09 expected = meta::as_v09(eight.superblock());
    expected.la_peer_max_bio_size = 0;
    const auto decoded = meta::decode_v09(block);
    ASSERT_TRUE(decoded) << decoded.error().text;
    EXPECT_EQ(*decoded, expected);
    EXPECT_TRUE(std::equal(block.begin(), block.end(), v09_block_of(expected).begin()));
    EXPECT_NE(meta::lost_in_v09(eight.superblock()).find("99AABBCCDDEEFF00"), std::string::npos);
}

TEST(SuperblockV09, ThePeerOfTheBitmapIsV08s) {
    const SuperblockV09 sb = nine();
    const auto eight = meta::as_v08(sb);
    ASSERT_TRUE(eight) << eight.error().text;
    EXPECT_EQ(eight->bitmap_uuid, 0x55u);
    EXPECT_EQ(eight->flags, 0x91u | meta::kMdConnectedInd | meta::kMdFullSync);
    EXPECT_EQ(meta::lost_in_v08(sb), "");
    EXPECT_EQ(*meta::decode_v09(v09_block_of(sb)), sb);
}

TEST(SuperblockV09, NamesWhatV08HasNoRoomFor) {
    SuperblockV09 old = nine();
    old.history_uuids[2] = 0x99;
    EXPECT_NE(meta::lost_in_v08(old).find("1 more than the 2 generations"), std::string::npos);
    SuperblockV09 day0 = nine();
    day0.peers[30] = {};
    day0.peers[0].bitmap_uuid = 0x42;
    EXPECT_NE(meta::lost_in_v08(day0).find("day 0"), std::string::npos);
    EXPECT_EQ(meta::as_v08(day0)->bitmap_uuid, 0u);
}

TEST(SuperblockV09, RefusesDamageAndSeveralPeers) {
    Block several = v09_block_of(nine());
    base::put_be32(several, 0x58, 2);
    EXPECT_EQ(meta::decode_v09(several).error().code, base::ErrorCode::Unsupported);
    for (const std::size_t at : {0x70 + 20, 0x44, 0x4C, 0x50, 0x60}) {
        Block block = v09_block_of(nine());
        base::put_be32(block, at, 0);
        EXPECT_EQ(meta::decode_v09(block).error().code, base::ErrorCode::Invalid) << at;
    }
    Block unclean = v09_block_of(nine());
    base::put_be32(unclean, 0x38, 0x11);
    EXPECT_TRUE(meta::decode_v09(unclean));
    EXPECT_EQ(meta::superblock_of_v09(unclean).error().code, base::ErrorCode::Invalid);
}

// Every mixture of old and new sectors that a power cut can leave, after each of the writes.
void expect_old_or_new_at_every_crash(Conversion conversion,
                                      const SuperblockV09& v09,
                                      const Superblock& v08) {
    const Block eight = v09_block_of(v08);
    const Block whole_nine = v09_block_of(v09);
    Block disk = conversion == Conversion::ToV09 ? eight : whole_nine;
    const Block& last = conversion == Conversion::ToV09 ? whole_nine : eight;
    for (const Block& write : meta::conversion_writes(conversion, eight, whole_nine)) {
        constexpr std::size_t kSectors = meta::kBlockBytes / kSector;
        for (unsigned written = 0; written < 1u << kSectors; ++written) {
            Block torn = disk;
            for (std::size_t i = 0; i < kSectors; ++i) {
                if ((written >> i & 1) != 0) {
                    std::copy_n(write.begin() + i * kSector, kSector, torn.begin() + i * kSector);
                }
            }
            const bool is_nine = base::get_be32(torn, 0x3C) == meta::kMagicV09;
            if (is_nine) {
                ASSERT_EQ(meta::decode_v09(torn).value(), v09) << "sectors " << written;
            } else {
                ASSERT_EQ(meta::decode_superblock(torn).value(), v08) << "sectors " << written;
            }
        }
        disk = write;
    }
    EXPECT_EQ(disk, last);
}

TEST(SuperblockV09, ACrashInAConversionLeavesOneOfTheTwo) {
    SuperblockV09 full = nine();
    for (std::size_t i = 0; i < full.history_uuids.size(); ++i) {
        full.history_uuids[i] = 0x1000 + i;
    }
    expect_old_or_new_at_every_crash(Conversion::ToV08, full, *meta::as_v08(full));
    const Superblock eight = meta_test::load("v08-int-64m-restored").superblock();
    expect_old_or_new_at_every_crash(Conversion::ToV09, meta::as_v09(eight), eight);
}

std::string v09_dump_of(const SuperblockV09& sb, base::ConstBytes bitmap) {
    std::string text = meta::dump_head(sb, 67104768, bitmap.size());
    meta::BitmapText bits([&](std::string_view part) { text += part; });
    bits.append(bitmap);
    bits.finish();
    return text;
}

TEST(DumpTextV09, IsTheOriginalsAndReadsBack) {
    const std::string name = "v09-int-64m-converted-from-v08";
    const auto area = meta_test::read_od(name + ".area.od");
    const auto sb = meta::decode_v09(base::ConstBytes(area).last(meta::kBlockBytes));
    const base::ConstBytes bitmap = base::ConstBytes(area).first(meta::kBlockBytes);
    const std::string text = v09_dump_of(*sb, bitmap);
    const std::string expected = meta_test::read_text(name + ".dump.txt");
    EXPECT_EQ(text, expected.substr(expected.find("version")));
    const auto dump = meta::parse_dump_v09(text, meta::kBlockBytes);
    ASSERT_TRUE(dump) << dump.error().text;
    EXPECT_TRUE(std::equal(bitmap.begin(), bitmap.end(), dump->bitmap.begin()));
    EXPECT_EQ(dump->superblock.peers, sb->peers);
    EXPECT_EQ(dump->superblock.history_uuids, sb->history_uuids);
    EXPECT_EQ(dump->superblock.current_uuid, sb->current_uuid);
}

TEST(DumpTextV09, RefusesHostileText) {
    const std::string whole = v09_dump_of(nine(), {});
    ASSERT_TRUE(meta::parse_dump_v09(whole, 4096));
    for (std::size_t length = 0; length < whole.find("# bits-set") - 1; length += 7) {
        EXPECT_FALSE(meta::parse_dump_v09(whole.substr(0, length), 4096)) << length;
    }
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = whole;
        text.replace(text.find(from), from.size(), to);
        return meta::parse_dump_v09(text, 4096);
    };
    EXPECT_EQ(with("max-peers 1", "max-peers 3").error().code, base::ErrorCode::Unsupported);
    EXPECT_EQ(with("\"v09\"", "\"v08\"").error().code, base::ErrorCode::Unsupported);
    for (const char* slot : {"peer[1]", "peer[32]", "peer[-1]", "peer[01]", "peer"}) {
        EXPECT_FALSE(with("peer[0]", slot)) << slot;
    }
    EXPECT_FALSE(with("node-id 0", "node-id --1"));
    EXPECT_FALSE(with("node-id 0", "node-id 4294967296"));
    EXPECT_TRUE(with("node-id 0", "node-id -1"));
}

}  // namespace
