#include "meta/geometry.h"

#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

namespace {

struct Row {
    std::uint64_t device_bytes;
    std::uint64_t md_size;
    std::uint64_t superblock_byte;
    std::uint64_t al_byte;
    std::uint64_t bitmap_byte;
    std::int32_t bm_offset;
    std::uint64_t usable;
};

constexpr std::uint64_t kGiB = 1ull << 30;

// Measured with the original create-md (metadata specification, 2.1).
constexpr Row kRows[] = {
    {64ull << 20, 80, 67104768, 67072000, 67067904, -72, 130992},
    {128ull << 20, 80, 134213632, 134180864, 134176768, -72, 262064},
    {134258688, 88, 134254592, 134221824, 134213632, -80, 262136},
    {134262784, 88, 134258688, 134225920, 134217728, -80, 262144},
    {kGiB, 136, 1073737728, 1073704960, 1073672192, -128, 2097016},
    {kGiB - 512, 136, 1073733632, 1073700864, 1073668096, -128, 2097008},
    {100 * kGiB, 6472, 107374178304, 107374145536, 107370868736, -6464, 209708728},
    {1024 * kGiB, 65608, 1099511623680, 1099511590912, 1099478036480, -65600, 2147418040},
    {10240 * kGiB, 655432, 10995116273664, 10995116240896, 10994780696576, -655424, 21474181048},
    {15360 * kGiB, 983112, 16492674412544, 16492674379776, 16492171063296, -983104, 32211271608},
};

TEST(Geometry, PlacesInternalMetadataAsTheOriginalDoes) {
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.device_bytes);
        const auto layout = meta::internal_layout(row.device_bytes);
        ASSERT_TRUE(layout);
        EXPECT_EQ(layout->md_size_sectors, row.md_size);
        EXPECT_EQ(to_bytes(layout->superblock_sector), row.superblock_byte);
        EXPECT_EQ(to_bytes(layout->al_sector), row.al_byte);
        EXPECT_EQ(to_bytes(layout->bitmap_sector), row.bitmap_byte);
        EXPECT_EQ(layout->bm_offset, row.bm_offset);
        EXPECT_EQ(layout->al_offset, -64);
        EXPECT_EQ(layout->usable_sectors, row.usable);
        EXPECT_EQ(meta::internal_superblock_byte(row.device_bytes), row.superblock_byte);
    }
}

TEST(Geometry, MakesRoomForAStripedLog) {
    const auto layout = meta::internal_layout(kGiB, 4, 16);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->md_size_sectors, 584u);
    EXPECT_EQ(layout->al_offset, -512);
    EXPECT_EQ(layout->bm_offset, -576);
    EXPECT_EQ(to_bytes(layout->al_sector), 1073475584u);
    EXPECT_EQ(to_bytes(layout->bitmap_sector), 1073442816u);
    EXPECT_EQ(layout->usable_sectors, 2096568u);
}

TEST(Geometry, AcceptsTheSmallestDeviceAndNoneBelow) {
    const auto smallest = meta::internal_layout(meta::kMinDeviceBytes);
    ASSERT_TRUE(smallest);
    EXPECT_EQ(smallest->usable_sectors, 56u);
    for (const std::uint64_t bytes :
         {meta::kMinDeviceBytes - 1, std::uint64_t{4095}, std::uint64_t{0}}) {
        const auto layout = meta::internal_layout(bytes);
        ASSERT_FALSE(layout);
        EXPECT_EQ(layout.error().code, base::ErrorCode::TooSmall);
    }
}

TEST(Geometry, RefusesADeviceThatTheLogAloneWouldFill) {
    const auto layout = meta::internal_layout(meta::kMinDeviceBytes, 2, 8);
    ASSERT_FALSE(layout);
    EXPECT_EQ(layout.error().code, base::ErrorCode::TooSmall);
}

TEST(Geometry, AcceptsOnePebibyteAndNoMore) {
    const auto largest = meta::internal_layout(meta::kMaxDeviceBytes);
    ASSERT_TRUE(largest);
    EXPECT_EQ(largest->bitmap_sectors, meta::kMaxDeviceBytes / 32768 / 512);
    EXPECT_EQ(largest->bitmap_sector.value + largest->md_size_sectors, meta::kMaxDeviceBytes / 512);
    const auto more = meta::internal_layout(meta::kMaxDeviceBytes + 1);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, base::ErrorCode::TooBig);
    EXPECT_FALSE(meta::internal_layout(~std::uint64_t{0}));
}

TEST(Geometry, RefusesStripingOutOfBounds) {
    const std::uint32_t bad[][2] = {{0, 8}, {8, 0}, {1, 7}, {1, 8193}, {65536, 65536}, {0, 0}};
    for (const auto& [stripes, size] : bad) {
        EXPECT_FALSE(meta::internal_layout(kGiB, stripes, size)) << stripes << " x " << size;
    }
    EXPECT_TRUE(meta::internal_layout(kGiB, 8192, 1));
}

TEST(Geometry, AgreesWithEveryVector) {
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        SCOPED_TRACE(vector.name);
        EXPECT_EQ(to_bytes(vector.layout().bitmap_sector), vector.area_offset);
        EXPECT_TRUE(meta::check_against(vector.superblock(), vector.layout()));
    }
}

}  // namespace
