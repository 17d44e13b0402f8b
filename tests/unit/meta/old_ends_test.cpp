#include "meta/old_ends.h"

#include "meta/geometry.h"
#include "meta/superblock.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace meta {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kGiB = 1ull << 30;

bool tried(std::uint64_t now, std::uint64_t before) {
    const auto places = old_superblock_bytes(now);
    return std::find(places.begin(), places.end(), internal_superblock_byte(before)) !=
           places.end();
}

TEST(OldEnds, TheSizesThatDisksGrowFromAreAmongThoseTried) {
    EXPECT_TRUE(tried(100 * kGiB, 80 * kGiB));
    EXPECT_TRUE(tried(100 * kGiB + 4 * kMiB, 100 * kGiB));
    EXPECT_TRUE(tried(2048 * kGiB, 1700 * kGiB));
    EXPECT_TRUE(tried(4096 * kGiB, 1024 * kGiB));
    EXPECT_TRUE(tried(64 * kMiB, 32 * kMiB));
    EXPECT_TRUE(tried(33 * kMiB + kBlockBytes, 33 * kMiB));
    EXPECT_FALSE(
        tried(33 * kMiB + 512, 33 * kMiB));  // by less than a block: the end is where it was
}

TEST(OldEnds, AreFewAndOnTheDevice) {
    for (const std::uint64_t size :
         {kMinDeviceBytes, 5 * kMiB, kGiB, 1000 * kGiB, kMaxDeviceBytes}) {
        const auto places = old_superblock_bytes(size);
        EXPECT_LT(places.size(), 1100u);
        for (const std::uint64_t place : places) {
            EXPECT_EQ(place % kBlockBytes, 0u);
            EXPECT_LE(place + kBlockBytes, size);
        }
    }
    EXPECT_TRUE(old_superblock_bytes(0).empty());
}

TEST(OldEnds, OnlyASuperblockThatBelongsToItsPlaceCounts) {
    const std::uint64_t before = 80 * kMiB;
    std::vector<std::uint8_t> block(kBlockBytes);
    encode(fresh_superblock(*internal_layout(before)), block);
    EXPECT_EQ(size_that_ended_here(block, internal_superblock_byte(before)), before);
    EXPECT_FALSE(size_that_ended_here(block, internal_superblock_byte(300 * kMiB)));
    EXPECT_FALSE(size_that_ended_here(std::vector<std::uint8_t>(kBlockBytes), before - 4096));
}

TEST(OldEnds, SlackAfterTheSuperblockIsAllowedFor) {
    const std::uint64_t before = 128 * kMiB + 512;  // the bitmap has a second block for the 512
    std::vector<std::uint8_t> block(kBlockBytes);
    encode(fresh_superblock(*internal_layout(before)), block);
    EXPECT_TRUE(size_that_ended_here(block, internal_superblock_byte(before)));
}

}  // namespace
}  // namespace meta
