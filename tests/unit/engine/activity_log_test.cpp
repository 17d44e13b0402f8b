#include "drbdd/engine/volume/activity_log.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

base::AlExtent extent(std::uint32_t n) {
    return {n};
}

void run_transaction(ActivityLog& log) {
    ASSERT_TRUE(log.wants_transaction());
    log.begin_transaction();
    log.build_transaction();
    log.commit();
}

TEST(ActivityLog, AnExtentIsReadyOnlyAfterItsTransaction) {
    ActivityLog log;
    log.reset(67);
    log.request(1, extent(5), extent(5));
    EXPECT_TRUE(log.take_ready().empty());
    EXPECT_FALSE(log.is_active(5));
    log.begin_transaction();
    const meta::AlTransaction transaction = log.build_transaction();
    ASSERT_EQ(transaction.updates.size(), 1u);
    EXPECT_EQ(transaction.updates[0].extent, 5u);
    EXPECT_EQ(transaction.context_size, 67);
    EXPECT_TRUE(log.take_ready().empty());
    log.commit();
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{1}));
    EXPECT_TRUE(log.is_active(5));
}

TEST(ActivityLog, AHitNeedsNoTransaction) {
    ActivityLog log;
    log.reset(67);
    log.request(1, extent(5), extent(5));
    run_transaction(log);
    log.take_ready();
    log.put(extent(5), extent(5));
    log.request(2, extent(5), extent(5));
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{2}));
    EXPECT_FALSE(log.wants_transaction());
}

TEST(ActivityLog, OneTransactionServesMany) {
    ActivityLog log;
    log.reset(100);
    for (std::uint32_t i = 0; i < 80; ++i) {
        log.request(i, extent(i), extent(i));
    }
    EXPECT_EQ(log.begin_transaction().size(), 64u);
    log.build_transaction();
    log.commit();
    EXPECT_EQ(log.take_ready().size(), 64u);
    run_transaction(log);
    EXPECT_EQ(log.take_ready().size(), 16u);
}

TEST(ActivityLog, EvictsTheLeastRecentlyUsedAndNeverAReferencedOne) {
    ActivityLog log;
    log.reset(67);
    for (std::uint32_t i = 0; i < 67; ++i) {
        log.request(i, extent(i), extent(i));
        run_transaction(log);
    }
    log.take_ready();
    log.request(100, extent(200), extent(200));
    EXPECT_FALSE(log.wants_transaction());  // all are in use
    log.put(extent(7), extent(7));
    ASSERT_TRUE(log.wants_transaction());
    const auto& changes = log.begin_transaction();
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].old_extent, 7u);
    EXPECT_EQ(changes[0].new_extent, 200u);
    log.build_transaction();
    log.commit();
    EXPECT_FALSE(log.is_active(7));
    EXPECT_TRUE(log.is_active(200));
}

TEST(ActivityLog, WhoWaitsForASlotIsNotOvertaken) {
    ActivityLog log;
    log.reset(67);
    for (std::uint32_t i = 0; i < 67; ++i) {
        log.request(i, extent(i), extent(i));
        run_transaction(log);
    }
    log.take_ready();
    log.request(100, extent(300), extent(301));  // needs two slots
    log.request(101, extent(5), extent(5));      // a hit that would keep extent 5 in use
    EXPECT_TRUE(log.take_ready().empty());
    log.put(extent(5), extent(5));
    log.put(extent(6), extent(6));
    run_transaction(log);
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{100}));
}

TEST(ActivityLog, ContextIsTheStateBeforeAndMovesOn) {
    ActivityLog log;
    log.reset(1237);
    log.request(1, extent(9), extent(9));
    log.begin_transaction();
    meta::AlTransaction first = log.build_transaction();
    EXPECT_EQ(first.context_start, 0);
    EXPECT_EQ(first.context.size(), 919u);
    log.commit();
    log.request(2, extent(10), extent(10));
    log.begin_transaction();
    meta::AlTransaction second = log.build_transaction();
    EXPECT_EQ(second.tr_number, 1u);
    EXPECT_EQ(second.context_start, 919);
    EXPECT_EQ(second.context.size(), 1237u - 919);
}

TEST(ActivityLog, ForgetsWhatNobodyUsesAnyMore) {
    ActivityLog log;
    log.reset(67);
    log.request(1, extent(5), extent(6));
    run_transaction(log);
    log.take_ready();
    log.put(extent(5), extent(5));
    log.age();
    EXPECT_FALSE(log.wants_transaction());  // used lately
    EXPECT_TRUE(log.any_cold());
    log.age();
    ASSERT_TRUE(log.wants_transaction());
    const auto& changes = log.begin_transaction();
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].old_extent, 5u);
    EXPECT_EQ(changes[0].new_extent, meta::kAlExtentFree);
    log.request(2, extent(5), extent(5));  // comes back at once: in another slot, later
    log.build_transaction();
    log.commit();
    EXPECT_FALSE(log.any_cold());
    EXPECT_TRUE(log.is_active(6));
    run_transaction(log);
    EXPECT_TRUE(log.is_active(5));
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{2}));
}

// Eight thousand that wait for a slot: each one that is let go costs a look at the first of them.
TEST(ActivityLog, ManyWhoWaitCostLittle) {
    Work work;
    ActivityLog log(&work);
    log.reset(67);
    for (std::uint32_t i = 0; i < 67; ++i) {
        log.request(i, extent(i), extent(i));
        run_transaction(log);
    }
    for (std::uint32_t i = 0; i < 8000; ++i) {
        log.request(100 + i, extent(1000 + i), extent(1000 + i));
    }
    for (std::uint32_t i = 0; i < 67; ++i) {
        log.put(extent(i), extent(i));
    }
    run_transaction(log);
    EXPECT_EQ(log.take_ready().size(), 67u + 64u);
    EXPECT_LT(work.done, 10'000u);
}

TEST(ActivityLog, AskingForAllThatIsAllowedAtOnceSucceeds) {
    ActivityLog log;
    log.reset(67);
    EXPECT_EQ(log.most_extents(), 32u);
    log.request(1, extent(100), extent(131));
    log.request(2, extent(200), extent(231));
    run_transaction(log);
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{1, 2}));
}

TEST(ActivityLog, AbandonForgetsEverything) {
    ActivityLog log;
    log.reset(67);
    log.request(1, extent(1), extent(2));
    run_transaction(log);
    log.request(2, extent(3), extent(3));
    log.abandon();
    EXPECT_FALSE(log.any_reference());
    EXPECT_FALSE(log.any_waiting());
    EXPECT_FALSE(log.is_active(1));
}

TEST(ActivityLog, WhileItIsClosedAllWaitAndAfterwardsTheSetIsEmpty) {
    ActivityLog log;
    log.reset(16);
    log.request(1, {3}, {3});
    ASSERT_TRUE(log.wants_transaction());
    log.begin_transaction();
    log.build_transaction();
    log.commit();
    EXPECT_EQ(log.take_ready(), std::vector<std::uint64_t>{1});
    log.close();
    log.request(2, {3}, {3});  // its extent is active
    log.request(3, {4}, {4});
    EXPECT_TRUE(log.take_ready().empty());
    EXPECT_FALSE(log.wants_transaction());
    EXPECT_FALSE(log.idle());
    log.put({3}, {3});
    EXPECT_TRUE(log.idle());
    log.reopen();
    EXPECT_FALSE(log.is_active(3));
    EXPECT_TRUE(log.take_ready().empty());  // both need a transaction again
    ASSERT_TRUE(log.wants_transaction());
    log.begin_transaction();
    log.build_transaction();
    log.commit();
    EXPECT_EQ(log.take_ready(), (std::vector<std::uint64_t>{2, 3}));
}

}  // namespace
}  // namespace engine
