#include "meta/activity_log.h"

#include "base/crc32c.h"
#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

namespace {

using meta::AlTransaction;
using Block = std::vector<std::uint8_t>;

constexpr std::uint32_t kFree = meta::kAlExtentFree;

Block initialized() {
    Block block(meta::kBlockBytes, 0xAA);
    meta::initialized_block(block);
    return block;
}

// A ring in memory that transactions are written to as the engine would.
class Ring {
public:
    explicit Ring(std::uint32_t stripes = 1, std::uint32_t size = 8)
        : stripes_(stripes), size_(size), blocks_(stripes * size, initialized()) {}

    Block& block_of(std::uint32_t tr_number) {
        return blocks_[meta::ring_position(tr_number, stripes_, size_)];
    }

    void write(const AlTransaction& transaction) {
        meta::encode(transaction, block_of(transaction.tr_number));
    }

    // One that puts an extent into a slot of a small log, with no context.
    void write(std::uint32_t tr_number, std::uint16_t slot, std::uint32_t extent) {
        AlTransaction transaction;
        transaction.tr_number = tr_number;
        transaction.updates = {{slot, extent}};
        write(transaction);
    }

    void damage(std::size_t position) { blocks_[position][2000] ^= 1; }

    base::Result<meta::AlReplay> replay() const {
        return meta::replay({blocks_.begin(), blocks_.end()}, stripes_, size_);
    }

private:
    std::uint32_t stripes_;
    std::uint32_t size_;
    std::vector<Block> blocks_;
};

std::vector<std::uint32_t> numbers(const std::vector<base::AlExtent>& extents) {
    std::vector<std::uint32_t> values;
    for (const base::AlExtent extent : extents) {
        values.push_back(extent.value);
    }
    return values;
}

using Numbers = std::vector<std::uint32_t>;

TEST(AlBlock, InitializedHasTheCrcOfTheOriginal) {
    const Block block = initialized();
    EXPECT_EQ(base::get_be32(block, 8), 0x709CC651u);
    const auto fresh = meta_test::load("v08-int-64m-fresh");
    const base::ConstBytes first = fresh.al_area().first(meta::kBlockBytes);
    EXPECT_EQ(block, Block(first.begin(), first.end()));
}

TEST(AlBlock, SurvivesEncodingAndDecoding) {
    AlTransaction transaction;
    transaction.tr_number = 0xFFFFFFFE;
    transaction.context_size = 1000;
    transaction.context_start = 919;
    transaction.context = std::vector<std::uint32_t>(81, 7);
    transaction.context.back() = kFree;  // a free slot is part of the context too
    for (std::uint16_t i = 0; i < meta::kAlUpdatesPerTransaction; ++i) {
        transaction.updates.push_back({i, i * 1000u});
    }
    Block block(meta::kBlockBytes, 0xAA);
    meta::encode(transaction, block);
    const auto decoded = meta::decode_al_block(block);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, transaction);
}

TEST(AlBlock, EncodesTheKernelsTransactionsByteForByte) {
    int checked = 0;
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        SCOPED_TRACE(vector.name);
        const base::ConstBytes log = vector.al_area();
        for (std::size_t at = 0; at < log.size(); at += meta::kBlockBytes) {
            const base::ConstBytes block = log.subspan(at, meta::kBlockBytes);
            const auto decoded = meta::decode_al_block(block);
            if (!decoded || decoded->type != meta::kAlTypeUpdate) {
                continue;
            }
            Block again(meta::kBlockBytes);
            meta::encode(*decoded, again);
            EXPECT_EQ(again, Block(block.begin(), block.end()));
            ++checked;
        }
    }
    EXPECT_GT(checked, 90);
}

TEST(AlBlock, SaysWhyABlockIsNotValid) {
    Block block = initialized();
    block[4095] = 1;
    EXPECT_EQ(meta::decode_al_block(block).error().code, base::ErrorCode::Invalid);
    EXPECT_EQ(meta::decode_al_block(Block(meta::kBlockBytes)).error().code,
              base::ErrorCode::NotFound);
}

TEST(AlRing, StripesTheBlocks) {
    EXPECT_EQ(meta::ring_position(0, 1, 8), 0u);
    EXPECT_EQ(meta::ring_position(0xFFFFFFFF, 1, 8), 7u);
    const std::uint64_t expected[] = {0, 16, 32, 48, 1, 17, 33, 49, 2};
    for (std::uint32_t tr = 0; tr < 9; ++tr) {
        EXPECT_EQ(meta::ring_position(64 + tr, 4, 16), expected[tr]);
    }
    EXPECT_EQ(meta::ring_position(63, 4, 16), 63u);
}

TEST(AlRing, BoundsTheSlots) {
    EXPECT_EQ(meta::max_slots(8), 6433u);
    EXPECT_EQ(meta::max_slots(72), 65249u);
    EXPECT_EQ(meta::max_slots(73), 65534u);
    EXPECT_EQ(meta::max_slots(8192), 65534u);
    EXPECT_EQ(meta::max_slots(0), 0u);
    EXPECT_EQ(meta::context_count(67, 0), 67u);
    EXPECT_EQ(meta::context_count(1237, 0), 919u);
    EXPECT_EQ(meta::context_count(1237, 919), 318u);
    EXPECT_EQ(meta::context_count(67, 70), 0u);
}

TEST(AlReplay, FindsTheKernelsActiveExtents) {
    const auto vector = meta_test::load("v08-int-64m-kcrash-primary-connected.before");
    std::vector<base::ConstBytes> blocks;
    for (std::size_t i = 0; i < 8; ++i) {
        blocks.push_back(vector.al_area().subspan(i * meta::kBlockBytes, meta::kBlockBytes));
    }
    const auto replayed = meta::replay(blocks);
    ASSERT_TRUE(replayed);
    EXPECT_EQ(numbers(replayed->active), (Numbers{0, 1, 2, 3, 8, 14}));
    EXPECT_EQ(replayed->update_transactions, 6u);
    EXPECT_EQ(replayed->invalid_blocks, 0u);
}

TEST(AlReplay, LetsLaterTransactionsWin) {
    Ring ring;
    for (std::uint32_t tr = 0; tr < 12; ++tr) {
        ring.write(tr, 5, 100 + tr);
    }
    EXPECT_EQ(numbers(ring.replay()->active), Numbers{111});
}

TEST(AlReplay, AppliesContextBeforeUpdates) {
    Ring ring;
    AlTransaction transaction;
    transaction.context_size = 3;
    transaction.context = {10, 11, kFree};
    transaction.updates = {{1, 20}};
    ring.write(transaction);
    EXPECT_EQ(numbers(ring.replay()->active), (Numbers{10, 20}));
}

TEST(AlReplay, LetsContextFreeASlot) {
    Ring ring;
    ring.write(0, 1, 20);
    AlTransaction transaction;
    transaction.tr_number = 1;
    transaction.context_size = 3;
    transaction.context = {10, kFree, kFree};
    ring.write(transaction);
    EXPECT_EQ(numbers(ring.replay()->active), Numbers{10});
}

TEST(AlReplay, FollowsTheNumberAcrossItsWrap) {
    Ring ring;
    for (std::uint32_t tr = 0xFFFFFFFB; tr != 6; ++tr) {
        ring.write(tr, 1, tr & 0xFF);
    }
    EXPECT_EQ(numbers(ring.replay()->active), Numbers{5});
}

TEST(AlReplay, FollowsTheNumberWhereTheRingJumps) {
    // 2^32 is not a multiple of 12: number 0 is not written next to number 2^32 - 1.
    Ring ring(1, 12);
    for (std::uint32_t tr = 0xFFFFFFF4; tr != 2; ++tr) {
        ring.write(tr, static_cast<std::uint16_t>(tr % 3), tr & 0xFF);
    }
    EXPECT_EQ(numbers(ring.replay()->active), (Numbers{0, 1, 0xFE}));
}

TEST(AlReplay, LosesOnlyATornNewestTransaction) {
    Ring ring;
    for (std::uint32_t tr = 0; tr < 11; ++tr) {
        ring.write(tr, static_cast<std::uint16_t>(tr % 2), tr);
    }
    ring.damage(10 % 8);
    const auto replayed = ring.replay();
    ASSERT_TRUE(replayed);
    EXPECT_EQ(numbers(replayed->active), (Numbers{8, 9}));
    EXPECT_EQ(replayed->invalid_blocks, 1u);
}

TEST(AlReplay, OfAFreshRingFindsNothingToDo) {
    Ring ring;
    ASSERT_TRUE(ring.replay());
    EXPECT_EQ(ring.replay()->update_transactions, 0u);
    ring.damage(0);  // the very first transaction was torn
    ASSERT_TRUE(ring.replay());
    EXPECT_EQ(ring.replay()->update_transactions, 0u);
}

TEST(AlReplay, OfAFreshRingWithOtherGapsIsAnError) {
    Ring one_gap;
    one_gap.damage(3);
    EXPECT_EQ(one_gap.replay().error().code, base::ErrorCode::Invalid);
    Ring two_gaps;
    two_gaps.damage(0);
    two_gaps.damage(1);
    EXPECT_EQ(two_gaps.replay().error().code, base::ErrorCode::Invalid);
}

TEST(AlReplay, WithoutAnyValidBlockIsAnError) {
    Ring ring;
    for (std::size_t i = 0; i < 8; ++i) {
        ring.damage(i);
    }
    EXPECT_EQ(ring.replay().error().code, base::ErrorCode::NotFound);
}

TEST(AlReplay, IgnoresSlotsBeyondTheTable) {
    Ring ring;
    AlTransaction transaction;
    transaction.updates = {{65534, 1}, {0xFFFF, 2}, {65533, 3}};
    transaction.context_size = 65535;
    transaction.context_start = 65530;
    transaction.context = {4, 5, 6, 7, 8};
    ring.write(transaction);
    const auto replayed = ring.replay();
    ASSERT_TRUE(replayed);
    EXPECT_EQ(numbers(replayed->active), (Numbers{3, 4, 5, 6}));
    EXPECT_EQ(replayed->ignored_slots, 3u);
}

TEST(AlReplay, TakesAnyNumberOfUpdatesThatABlockClaims) {
    Ring ring;
    ring.write(0, 1, 20);
    Block& block = ring.block_of(0);
    base::put_be16(block, 14, 0xFFFF);
    base::put_be32(block, 8, 0);
    base::put_be32(block, 8, base::crc32c_raw(0, block));
    const auto replayed = ring.replay();
    ASSERT_TRUE(replayed);
    EXPECT_EQ(numbers(replayed->active), Numbers{20});
    EXPECT_EQ(replayed->ignored_slots, 63u);
}

}  // namespace
