#include "drbdd/engine/volume/bitmap.h"

#include <gtest/gtest.h>

#include <vector>

namespace engine {
namespace {

constexpr base::Sector kSize{32688};  // 4086 bits, the device of the captures

TEST(Bitmap, SettingRoundsOutwardsClearingInwards) {
    Bitmap bitmap;
    bitmap.resize(kSize, false);
    EXPECT_EQ(bitmap.set_touched(base::Sector{7}, 1024), 2u);  // sectors 7 and 8
    EXPECT_EQ(bitmap.count(), 2u);
    EXPECT_EQ(bitmap.clear_covered(base::Sector{1}, 8 * 512), 0u);  // no block wholly covered
    EXPECT_EQ(bitmap.clear_covered(base::Sector{0}, 8192), 2u);
    EXPECT_EQ(bitmap.count(), 0u);
}

TEST(Bitmap, TheLastPartialBlockIsCoveredWhenTheRangeEndsWithTheDevice) {
    Bitmap bitmap;
    bitmap.resize(base::Sector{20}, true);
    EXPECT_EQ(bitmap.count(), 3u);
    EXPECT_EQ(bitmap.clear_covered(base::Sector{16}, 4 * 512), 1u);
}

TEST(Bitmap, FindsRunsAcrossWords) {
    Bitmap bitmap;
    bitmap.resize(kSize, false);
    bitmap.set_bits(60, 100);
    EXPECT_EQ(bitmap.find_set(0), 60u);
    EXPECT_EQ(bitmap.run_end(60, bitmap.bits(), true), 160u);
    EXPECT_EQ(bitmap.find_set(160), bitmap.bits());
    EXPECT_EQ(bitmap.run_end(0, 50, false), 50u);
    EXPECT_TRUE(bitmap.any_set(base::Sector{59 * 8}, 8192));
    EXPECT_FALSE(bitmap.any_set(base::Sector{58 * 8}, 4096));
}

TEST(Bitmap, BitsBeyondTheEndAreDropped) {
    Bitmap bitmap;
    bitmap.resize(kSize, false);
    bitmap.or_word(bitmap.words() - 1, ~std::uint64_t{0});
    EXPECT_EQ(bitmap.count(), 4086u % 64);
    std::vector<std::uint8_t> page(Bitmap::kPageBytes, 0xff);
    bitmap.load_page(0, page);
    EXPECT_TRUE(bitmap.all_set());
    EXPECT_EQ(bitmap.count(), 4086u);
}

TEST(Bitmap, APageIsChangedUntilItIsTaken) {
    Bitmap bitmap;
    bitmap.resize(base::Sector{Bitmap::kBitsPerPage * 8 * 3}, false);
    std::vector<std::uint8_t> page(Bitmap::kPageBytes);
    for (std::uint64_t i = 0; i < 3; ++i) {
        bitmap.take_page(i, page);
    }
    EXPECT_TRUE(bitmap.changed_pages().empty());
    bitmap.set_bits(Bitmap::kBitsPerPage + 9, 1);
    EXPECT_EQ(bitmap.changed_pages(), (std::vector<std::uint64_t>{1}));
    bitmap.take_page(1, page);
    EXPECT_EQ(page[1], 2);
    EXPECT_FALSE(bitmap.page_changed(1));
    EXPECT_FALSE(bitmap.take_cleared());
    bitmap.clear_covered(base::Sector{(Bitmap::kBitsPerPage + 9) * 8}, 4096);
    EXPECT_TRUE(bitmap.take_cleared());
    EXPECT_FALSE(bitmap.take_cleared());
}

TEST(Bitmap, GrowingSetsTheNewBits) {
    Bitmap bitmap;
    bitmap.resize(base::Sector{8 * 10}, false);
    bitmap.resize(base::Sector{8 * 100}, true);
    EXPECT_EQ(bitmap.count(), 90u);
    EXPECT_FALSE(bitmap.test(9));
    EXPECT_TRUE(bitmap.test(10));
}

}  // namespace
}  // namespace engine
