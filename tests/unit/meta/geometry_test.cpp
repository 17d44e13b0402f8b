#include "meta/geometry.h"

#include "base/prng.h"
#include "meta/superblock.h"
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

using Kind = meta::Placement::Kind;

// As the original prints them (metadata specification, 2.2 and 2.3).
TEST(Geometry, PlacesExternalMetadataAsTheOriginalDoes) {
    for (const auto& [mebibytes, usable] :
         {std::pair{1u, 64749568u}, {2u, 131858432u}, {16u, 1071382528u}}) {
        const auto layout =
            meta::layout_for({Kind::FlexibleExternal}, std::uint64_t{mebibytes} << 20);
        ASSERT_TRUE(layout);
        EXPECT_EQ(layout->superblock_sector.value, 0u);
        EXPECT_EQ(layout->al_offset, 8);
        EXPECT_EQ(layout->bm_offset, 72);
        EXPECT_EQ(layout->md_size_sectors, mebibytes * 2048u);
        EXPECT_EQ(layout->usable_sectors, usable);
    }
    const auto slot = meta::layout_for({Kind::Indexed, 3}, 4 * meta::kSlotBytes);
    ASSERT_TRUE(slot);
    EXPECT_EQ(to_bytes(slot->superblock_sector), 3 * meta::kSlotBytes);
    EXPECT_EQ(to_bytes(slot->al_sector), 3 * meta::kSlotBytes + 4096);
    EXPECT_EQ(to_bytes(slot->bitmap_sector), 3 * meta::kSlotBytes + 36864);
    EXPECT_EQ(slot->md_size_sectors, 262144u);
    EXPECT_EQ(slot->usable_sectors, 8587575296u);
}

TEST(Geometry, RefusesASlotThatIsNotThere) {
    const auto beyond = meta::layout_for({Kind::Indexed, 3}, 4 * meta::kSlotBytes - 1);
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, base::ErrorCode::TooSmall);
    EXPECT_FALSE(meta::layout_for({Kind::Indexed, 256}, 300 * meta::kSlotBytes));
    EXPECT_FALSE(meta::layout_for({Kind::Indexed, 0}, meta::kSlotBytes, 2, 8));
    EXPECT_FALSE(meta::layout_for({Kind::FlexibleExternal}, 36864 + 4095));
    EXPECT_TRUE(meta::layout_for({Kind::FlexibleExternal}, 36864 + 4096));
    EXPECT_FALSE(meta::layout_for({Kind::FlexibleExternal}, 3ull << 40));
}

// Sizes, stripes and kinds by chance: everything lies on the device, nothing on anything else, and
// what is made for a place is found there again.
TEST(Geometry, FindsWhatItPlaced) {
    base::Prng chance(13);
    for (int round = 0; round < 400; ++round) {
        SCOPED_TRACE(round);
        const auto kind = static_cast<Kind>(chance.below(3));
        const auto slot = static_cast<std::uint32_t>(kind == Kind::Indexed ? chance.below(5) : 0);
        const meta::Placement placement{kind, slot};
        const auto stripes = static_cast<std::uint32_t>(1 + chance.below(4));
        const auto size = static_cast<std::uint32_t>(8 + chance.below(20));
        const bool striped = kind != Kind::Indexed && chance.chance(0.5);
        const std::uint64_t bytes = slot * meta::kSlotBytes + (1u << 20) +
                                    chance.below(chance.chance(0.5) ? 1u << 20 : 1ull << 38);
        const auto layout = striped ? meta::layout_for(placement, bytes, stripes, size)
                                    : meta::layout_for(placement, bytes);
        if (!layout) {
            EXPECT_TRUE(kind == Kind::Indexed && bytes < (slot + 1) * meta::kSlotBytes);
            continue;
        }
        const std::uint64_t superblock = layout->superblock_sector.value;
        const std::uint64_t log = layout->al_sector.value;
        const std::uint64_t bitmap = layout->bitmap_sector.value;
        if (placement.is_external()) {
            EXPECT_EQ(log, superblock + 8);
            EXPECT_EQ(bitmap, log + layout->al_sectors);
            EXPECT_LE((bitmap + layout->bitmap_sectors) * 512, bytes);
        } else {
            EXPECT_EQ(layout->usable_sectors, bitmap);
            EXPECT_EQ(log, bitmap + layout->bitmap_sectors);
            EXPECT_EQ(superblock, log + layout->al_sectors);
            EXPECT_LE((superblock + 8) * 512, bytes);
        }
        EXPECT_GE(layout->bitmap_sectors * 512 * 8 * 8, layout->usable_sectors);
        EXPECT_EQ(to_bytes(layout->superblock_sector), meta::superblock_byte(placement, bytes));
        const meta::Superblock sb = striped ? meta::fresh_superblock(*layout, stripes, size)
                                            : meta::fresh_superblock(*layout);
        const auto found = meta::layout_of(sb, placement, bytes);
        ASSERT_TRUE(found);
        EXPECT_EQ(*found, *layout);
    }
}

// Only the metadata say how long they are; what their device has more than that is not theirs.
TEST(Geometry, KeepsFlexibleMetadataOnADeviceThatHasGrown) {
    const meta::Placement placement{Kind::FlexibleExternal};
    const auto before = meta::layout_for(placement, 1u << 20);
    ASSERT_TRUE(before);
    const meta::Superblock sb = meta::fresh_superblock(*before);
    const auto grown = meta::layout_of(sb, placement, 2u << 20);
    ASSERT_TRUE(grown);
    EXPECT_EQ(*grown, *before);
    const auto shrunk = meta::layout_of(sb, placement, (1u << 20) - 512);
    ASSERT_FALSE(shrunk);
    EXPECT_EQ(shrunk.error().code, base::ErrorCode::Invalid);
}

TEST(Geometry, UsesNoMoreThanTheDataDeviceHas) {
    meta::Layout layout = *meta::layout_for({Kind::FlexibleExternal}, 1u << 20);
    meta::limit_to_device(layout, (64u << 20) + 1000);
    EXPECT_EQ(layout.usable_sectors, 131073u);
}

}  // namespace
