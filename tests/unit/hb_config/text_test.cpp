#include "config/ha/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using config::ha_text::parts_of;
using Parts = std::vector<std::string>;

TEST(HaText, PartsAreWhatIsBetweenTheSeparators) {
    EXPECT_EQ(parts_of("", "/"), Parts{""});
    EXPECT_EQ(parts_of("a", "/"), Parts{"a"});
    EXPECT_EQ(parts_of("/a//b/", "/"), (Parts{"", "a", "", "b", ""}));
    EXPECT_EQ(parts_of("a::b:c::", "::"), (Parts{"a", "b:c", ""}));
    EXPECT_EQ(parts_of(":::", "::"), (Parts{"", ":"}));
}

}  // namespace
