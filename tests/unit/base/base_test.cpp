#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/units.h"

#include <gtest/gtest.h>

#include <vector>

namespace {

TEST(Crc32c, MatchesThePublishedCheckValue) {
    const std::string_view text = "123456789";
    EXPECT_EQ(base::crc32c({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}),
              0xe3069283u);
}

TEST(Crc32c, RawOverAnInitializedLogBlockGivesTheValueOnRealDisks) {
    std::vector<std::uint8_t> block(4096);
    base::put_be32(block, 0, 0x69cb65a2);
    base::put_be16(block, 12, 0xffff);
    EXPECT_EQ(base::crc32c_raw(0, block), 0x709cc651u);
}

TEST(Units, BitsCoverFourKiB) {
    EXPECT_EQ(base::bit_rounding_down(base::Sector{15}).value, 1u);
    EXPECT_EQ(base::bit_rounding_up(base::Sector{15}).value, 2u);
    EXPECT_EQ(base::bit_rounding_up(base::Sector{16}).value, 2u);
    EXPECT_EQ(base::sectors_rounding_up(513).value, 2u);
}

TEST(Prng, SameSeedSameRun) {
    base::Prng a(7);
    base::Prng b(7);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(a.next(), b.next());
    }
}

TEST(Log, FormatsAsDrbdPrintsIdentifiers) {
    EXPECT_EQ(base::hex64(0x1a), "000000000000001A");
    EXPECT_EQ(base::format("%s/%d", "r0", 3), "r0/3");
}

TEST(Result, HoldsValueOrError) {
    base::Result<int> good(3);
    EXPECT_TRUE(good);
    EXPECT_EQ(*good, 3);
    base::Result<int> bad(base::Error{base::ErrorCode::Invalid, "no"});
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.error().text, "no");
}

}  // namespace
