#include "meta/superblock.h"

#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

#include <functional>

namespace {

using meta::Superblock;
using Block = std::vector<std::uint8_t>;

Superblock sample() {
    Superblock sb = meta::fresh_superblock(meta::internal_layout(64ull << 20).value());
    sb.la_size_sectors = 130992;
    return sb;
}

Block bytes_of(const Superblock& sb) {
    Block block(meta::kBlockBytes, 0xAA);
    meta::encode(sb, block);
    return block;
}

TEST(Superblock, OfAFreshDeviceIsTheOriginals) {
    const meta_test::Vector vector = meta_test::load("v08-int-64m-fresh");
    const Superblock sb = meta::fresh_superblock(vector.layout());
    EXPECT_EQ(sb, vector.superblock());
    const base::ConstBytes expected = vector.superblock_block();
    EXPECT_EQ(bytes_of(sb), Block(expected.begin(), expected.end()));
    EXPECT_TRUE(sb.is_clean());
}

TEST(Superblock, SurvivesDecodingAndEncodingByteForByte) {
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        SCOPED_TRACE(vector.name);
        const base::ConstBytes block = vector.superblock_block();
        EXPECT_EQ(bytes_of(vector.superblock()), Block(block.begin(), block.end()));
    }
}

TEST(Superblock, ReadsWhatTheKernelWrote) {
    const Superblock sb =
        meta_test::load("v08-int-64m-kcrash-primary-connected.before").superblock();
    EXPECT_EQ(sb.la_size_sectors, 130992u);
    EXPECT_EQ(sb.current_uuid, 0x5A8D4EDB0F4C9FB8u);
    EXPECT_EQ(sb.bitmap_uuid, 0u);
    EXPECT_EQ(sb.history_uuids[0], 0x3755D67F5D2C171Fu);
    EXPECT_EQ(sb.history_uuids[1], 0x3754D67F5D2C171Fu);
    EXPECT_EQ(sb.al_nr_extents, 67u);
    EXPECT_TRUE(sb.has(meta::kMdPrimaryInd));
    EXPECT_TRUE(sb.has(meta::kMdConnectedInd));
    EXPECT_FALSE(sb.clean_magic);
    EXPECT_FALSE(sb.is_clean());
}

TEST(Superblock, IsCleanOnlyWithBothMarks) {
    Superblock sb = sample();
    EXPECT_TRUE(sb.is_clean());
    sb.clean_magic = false;
    EXPECT_FALSE(sb.is_clean());
    sb = sample();
    sb.flags &= ~std::uint32_t{meta::kMdAlClean};
    EXPECT_FALSE(sb.is_clean());
}

TEST(Superblock, NamesWhatElseItFinds) {
    struct Case {
        std::uint32_t magic;
        base::ErrorCode code;
        const char* word;
    };

    for (const Case& c : {Case{0, base::ErrorCode::NotFound, "no DRBD"},
                          Case{0x8374026A, base::ErrorCode::Unsupported, "v07"},
                          Case{0x8374026D, base::ErrorCode::Unsupported, "v09"},
                          Case{0x83740267, base::ErrorCode::NotFound, "no DRBD"}}) {
        Block block = bytes_of(sample());
        base::put_be32(block, 0x3C, c.magic);
        const auto decoded = meta::decode_superblock(block);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code, c.code);
        EXPECT_NE(decoded.error().text.find(c.word), std::string::npos) << decoded.error().text;
    }
}

TEST(Superblock, TakesMetadataFromBeforeStriping) {
    Block block = bytes_of(sample());
    base::put_be32(block, 0x58, 0);
    base::put_be32(block, 0x5C, 0);
    const auto decoded = meta::decode_superblock(block);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->al_stripes, 1u);
    EXPECT_EQ(decoded->al_stripe_size_4k, 8u);
}

TEST(Superblock, RefusesDamage) {
    const std::function<void(Superblock&)> damages[] = {
        [](Superblock& sb) { sb.bm_bytes_per_bit = 8192; },
        [](Superblock& sb) { sb.al_stripes = 0; },
        [](Superblock& sb) { sb.al_stripe_size_4k = 0; },
        [](Superblock& sb) { sb.al_stripe_size_4k = 7; },
        [](Superblock& sb) { sb.al_stripes = 0x10000, sb.al_stripe_size_4k = 0x10000; },
        [](Superblock& sb) { sb.al_offset = -72; },
        [](Superblock& sb) { sb.al_offset = 0; },
        [](Superblock& sb) { sb.al_offset = 8; },
        [](Superblock& sb) { sb.bm_offset = -56; },
        [](Superblock& sb) { sb.bm_offset = -71; },
        [](Superblock& sb) { sb.bm_offset = INT32_MIN; },
        [](Superblock& sb) { sb.bm_offset = 0; },
        [](Superblock& sb) { sb.md_size_sectors = 88; },
        [](Superblock& sb) { sb.md_size_sectors = 0; },
        [](Superblock& sb) { sb.la_size_sectors = 262144 + 1; },
        [](Superblock& sb) { sb.la_size_sectors = ~std::uint64_t{0}; },
    };
    int number = 0;
    for (const auto& damage : damages) {
        SCOPED_TRACE(number++);
        Superblock sb = sample();
        damage(sb);
        const auto decoded = meta::decode_superblock(bytes_of(sb));
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code, base::ErrorCode::Invalid);
    }
}

TEST(Superblock, AcceptsTheLargestSizeThatTheBitmapDescribes) {
    Superblock sb = sample();
    sb.la_size_sectors = 262144;
    EXPECT_TRUE(meta::decode_superblock(bytes_of(sb)));
}

TEST(Superblock, OfAnotherSizeOfTheDeviceDoesNotFit) {
    const Superblock sb = sample();
    EXPECT_TRUE(meta::check_against(sb, meta::internal_layout(128ull << 20).value()));
    const auto grown = meta::check_against(sb, meta::internal_layout(1ull << 30).value());
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().code, base::ErrorCode::Invalid);
}

}  // namespace
