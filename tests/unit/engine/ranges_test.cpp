#include "drbdd/engine/ranges.h"

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

}  // namespace
}  // namespace engine
