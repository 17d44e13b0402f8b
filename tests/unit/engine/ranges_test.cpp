#include "drbdd/engine/volume/ranges.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

TEST(Ranges, FindsOverlapsOnBothSides) {
    Ranges<int> ranges;
    ranges.add(base::Sector{100}, 1 << 20, 1);
    ranges.add(base::Sector{5000}, 512, 2);
    EXPECT_TRUE(ranges.overlaps(base::Sector{2147}, 512));
    EXPECT_FALSE(ranges.overlaps(base::Sector{2148}, 512));
    EXPECT_FALSE(ranges.overlaps(base::Sector{99}, 512));
    EXPECT_TRUE(ranges.overlaps(base::Sector{99}, 1024));
    EXPECT_TRUE(ranges.overlaps(base::Sector{4000}, 1 << 20));
    EXPECT_FALSE(ranges.overlaps(base::Sector{5001}, 512));
}

TEST(Ranges, RemovesTheOneNamed) {
    Ranges<int> ranges;
    ranges.add(base::Sector{8}, 4096, 1);
    ranges.add(base::Sector{8}, 512, 2);
    ranges.remove(base::Sector{8}, 1);
    EXPECT_FALSE(ranges.overlaps(base::Sector{9}, 512));
    EXPECT_TRUE(ranges.overlaps(base::Sector{8}, 512));
    ranges.remove(base::Sector{8}, 2);
    EXPECT_TRUE(ranges.empty());
}

TEST(Ranges, ALongOneDoesNotMakeTheShortOnesExpensive) {
    Work work;
    Ranges<std::uint64_t> ranges(&work);
    ranges.add(base::Sector{0}, std::uint64_t{4} << 30, 0);
    for (std::uint64_t i = 0; i < 8000; ++i) {
        ranges.add(base::Sector{100'000'000 + i * 16}, 4096, i);
    }
    for (std::uint64_t i = 0; i < 8000; ++i) {
        EXPECT_FALSE(ranges.overlaps(base::Sector{100'000'008 + i * 16}, 4096));
    }
    EXPECT_LT(work.done, 3 * 8000u);
}

TEST(Ranges, HandsOutWhatOverlapsAndForgetsIt) {
    Ranges<int> ranges;
    ranges.add(base::Sector{0}, 4096, 1);
    ranges.add(base::Sector{0}, 4096, 2);
    ranges.add(base::Sector{4}, 512, 3);
    ranges.add(base::Sector{8}, 4096, 4);
    int sum = 0;
    ranges.take_overlapping(base::Sector{7}, 512, [&sum](int tag) { sum += tag; });
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(ranges.size(), 2u);
    EXPECT_TRUE(ranges.overlaps(base::Sector{4}, 512));
    EXPECT_FALSE(ranges.overlaps(base::Sector{0}, 2048));
}

}  // namespace
}  // namespace engine
