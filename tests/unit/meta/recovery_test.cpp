#include "meta/recovery.h"

#include "meta/activity_log.h"
#include "meta/bitmap_area.h"
#include "meta/legacy_al.h"
#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

#include <bit>

namespace {

using meta::Recovery;
using meta::Superblock;
using Bytes = std::vector<std::uint8_t>;

// Does to an area what drbdmeta and the daemon do to a disk.
void recover(meta_test::Vector& vector) {
    const Superblock sb = vector.superblock();
    const meta::Layout layout = vector.layout();
    const auto plan = meta::plan_recovery(sb, vector.al_area());
    ASSERT_TRUE(plan);
    base::Bytes area(vector.area);
    const std::uint64_t pages = meta::bitmap_pages({sb.la_size_sectors});
    for (std::uint64_t page = 0; page < pages; ++page) {
        for (const base::AlExtent extent : plan->mark) {
            meta::mark_extent(extent,
                              {sb.la_size_sectors},
                              page * meta::kBlockBytes,
                              area.subspan(page * meta::kBlockBytes, meta::kBlockBytes));
        }
    }
    if (plan->initialize_al) {
        const std::size_t log = layout.bitmap_sectors * 512;
        for (std::size_t at = 0; at < layout.al_sectors * 512; at += meta::kBlockBytes) {
            meta::initialized_block(area.subspan(log + at, meta::kBlockBytes));
        }
    }
    if (plan->write_superblock) {
        meta::encode(meta::recovered(sb), area.last(meta::kBlockBytes));
    }
}

std::uint64_t bits_set(base::ConstBytes bytes) {
    std::uint64_t bits = 0;
    for (const std::uint8_t byte : bytes) {
        bits += static_cast<std::uint64_t>(std::popcount(byte));
    }
    return bits;
}

TEST(Recovery, DoesToEveryVectorWhatTheOriginalDid) {
    int checked = 0;
    for (meta_test::Vector vector : meta_test::all_vectors()) {
        const std::size_t suffix = vector.name.find(".before");
        if (suffix == std::string::npos) {
            continue;
        }
        SCOPED_TRACE(vector.name);
        recover(vector);
        EXPECT_EQ(vector.area, meta_test::load(vector.name.substr(0, suffix) + ".after").area);
        ++checked;
    }
    EXPECT_EQ(checked, 7);
}

TEST(Recovery, MarksTheExtentsOfTheSpecification) {
    const std::pair<const char*, std::uint64_t> rows[] = {
        {"v08-int-64m-kcrash-primary-connected", 6144},
        {"v08-int-64m-kcrash-secondary-connected", 0},
        {"v08-int-1g-kcrash-evictions", 68731},
        {"v08-int-1g-hand-wrap", 13 * 1024},
        {"v08-int-1g-hand-torn-newest", 12 * 1024},
        {"v08-int-1g-hand-striped", 210 * 1024}};
    for (const auto& [name, bits] : rows) {
        SCOPED_TRACE(name);
        meta_test::Vector vector = meta_test::load(std::string(name) + ".before");
        recover(vector);
        EXPECT_EQ(bits_set(vector.bitmap()), bits);
    }
}

TEST(Recovery, OfCleanMetadataDoesNothing) {
    const meta_test::Vector vector = meta_test::load("v08-int-1g-hand-striped.after");
    const auto plan = meta::plan_recovery(vector.superblock(), vector.al_area());
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->nothing_to_do());
}

TEST(Recovery, RefusesAPrimaryWithoutAReadableLog) {
    meta_test::Vector vector = meta_test::load("v08-int-64m-kcrash-primary-connected.before");
    const Bytes zero(vector.al_area().size());
    const auto plan = meta::plan_recovery(vector.superblock(), zero);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, base::ErrorCode::NotFound);
}

TEST(Recovery, OfAPrimaryWhoseCleanedLogWasTornStartsANewOne) {
    meta_test::Vector vector = meta_test::load("v08-int-64m-kcrash-primary-connected.before");
    const meta::Superblock clean = meta::without_log(vector.superblock());
    EXPECT_TRUE(clean.has(meta::kMdCrashedPrimary));
    std::vector<std::uint8_t> log(vector.al_area().size());  // nothing of it can be read
    const auto plan = meta::plan_recovery(clean, log);
    ASSERT_TRUE(plan) << plan.error().text;
    EXPECT_TRUE(plan->initialize_al);
    EXPECT_TRUE(plan->mark.empty());
}

TEST(Recovery, OfASecondaryWithoutAReadableLogStartsANewOne) {
    const auto vector = meta_test::load("v08-int-64m-kcrash-secondary-connected.before");
    const Bytes zero(vector.al_area().size());
    const auto plan = meta::plan_recovery(vector.superblock(), zero);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->mark.empty());
    EXPECT_TRUE(plan->initialize_al);
    EXPECT_TRUE(plan->write_superblock);
}

TEST(Recovery, IsRepeatableAfterACrashBeforeTheSuperblock) {
    meta_test::Vector vector = meta_test::load("v08-int-64m-kcrash-primary-connected.before");
    const Bytes unclean(vector.superblock_block().begin(), vector.superblock_block().end());
    recover(vector);
    std::copy(unclean.begin(), unclean.end(), vector.area.end() - meta::kBlockBytes);
    const auto again = meta::plan_recovery(vector.superblock(), vector.al_area());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->mark.empty());
    EXPECT_FALSE(again->initialize_al);
    EXPECT_TRUE(again->write_superblock);
}

TEST(Recovery, KeepsWhatTheAttachNeeds) {
    const Superblock before =
        meta_test::load("v08-int-64m-kcrash-primary-connected.before").superblock();
    const Superblock after = meta::recovered(before);
    EXPECT_TRUE(after.is_clean());
    EXPECT_EQ(after.flags, before.flags | meta::kMdAlClean);
}

// One 512-byte sector of the log that DRBD 8.3 wrote: an update and 61 slots of context.
void put_legacy(base::Bytes log, std::size_t sector, std::uint32_t number, std::uint32_t extent) {
    base::Bytes out = log.subspan(sector * 512, 512);
    base::put_be32(out, 0, meta::kLegacyAlMagic);
    base::put_be32(out, 4, number);
    std::uint32_t check = extent;
    base::put_be32(out, 8, 3);
    base::put_be32(out, 12, extent);
    for (std::uint32_t i = 1; i < 62; ++i) {
        base::put_be32(out, 8 + i * 8, i - 1);
        base::put_be32(out, 12 + i * 8, i == 1 ? 9 : meta::kAlExtentFree);
        check ^= i == 1 ? 9 : meta::kAlExtentFree;
    }
    base::put_be32(out, 504, check);
}

TEST(Recovery, ReadsTheLogOfOlderDrivers) {
    Superblock sb = meta_test::load("v08-int-64m-fresh").superblock();
    sb.flags = meta::kMdPrimaryInd;
    sb.al_nr_extents = 61;  // two sectors
    Bytes log(meta::kLegacyAlBytes);
    put_legacy(log, 0, 0, 5);
    put_legacy(log, 1, 0xFFFFFFFF, 4);
    put_legacy(log, 2, 7, 6);  // beyond what this many slots use
    const auto plan = meta::plan_recovery(sb, log);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->mark, (std::vector<base::AlExtent>{{5}, {9}}));
    EXPECT_TRUE(plan->initialize_al);
}

TEST(BitmapArea, CountsBitsWordsAndPages) {
    EXPECT_EQ(meta::bitmap_bits({130992}), 16374u);
    EXPECT_EQ(meta::bitmap_bits({1}), 1u);
    EXPECT_EQ(meta::bitmap_words({130992}), 256u);
    EXPECT_EQ(meta::bitmap_bytes({130992}), 4096u);
    EXPECT_EQ(meta::bitmap_bytes({262144}), 4096u);
    EXPECT_EQ(meta::bitmap_bytes({262145}), 8192u);
    EXPECT_EQ(meta::bitmap_pages({0}), 0u);
}

TEST(BitmapArea, MasksOnlyBitsThatDoNotExist) {
    EXPECT_EQ(meta::tail_mask(64), ~0ull);
    EXPECT_EQ(meta::tail_mask(65), 1u);
    EXPECT_EQ(meta::tail_mask(127), ~0ull >> 1);
}

TEST(BitmapArea, BoundsTheRangeOfAnExtent) {
    EXPECT_EQ(meta::bitmap_range({2}, {130992}), (meta::ByteRange{256, 128}));
    EXPECT_EQ(meta::bitmap_range({31}, {130992}), (meta::ByteRange{3968, 128}));
    EXPECT_EQ(meta::bitmap_range({32}, {130992}).length, 0u);
    EXPECT_EQ(meta::bitmap_range({0xFFFFFFFE}, {130992}).length, 0u);
}

TEST(BitmapArea, CountsOnlyNewlyMarkedBits) {
    Bytes page(meta::kBlockBytes);
    page[128] = 0x0F;
    EXPECT_EQ(meta::mark_extent({1}, {130992}, 0, page), 1020u);
    EXPECT_EQ(meta::mark_extent({1}, {130992}, 0, page), 0u);
    EXPECT_EQ(meta::mark_extent({32}, {130992}, 0, page), 0u);
    EXPECT_EQ(bits_set(page), 1024u);
}

}  // namespace
