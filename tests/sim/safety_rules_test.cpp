// The rules that no schedule may break, each by the schedule that once did. See
// docs/design/0001-safety-rules.md.

#include "tests/sim/disk_metadata.h"
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

using Kind = io::DiskOp::Kind;

bool reachable(Cluster& cluster, Node node) {
    const engine::VolumeStatus status = cluster.status(node);
    return status.state.conn >= ConnState::Connected && status.usable;
}

// Rule 3. A lone Primary attaches its disk again: the attach has cleared the mark that makes a
// crash replay the activity log, and a write must not come before it is back.
TEST(SimSafetyRules, NoWriteStartsBeforeTheDiskNamesThePrimary) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency.high = 20ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        cluster.disk(Node::Alice).fail_operation(1, EIO);
        cluster.write(Node::Alice, 0, 8);
        cluster.run_for(2s);
        ASSERT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        cluster.disk(Node::Alice).heal();
        cluster.admin_begin(Node::Alice, engine::Attach{{0}, cluster.disk(Node::Alice).geometry()});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::UpToDate; }, 10s));
        const RequestNumber write = cluster.write(Node::Alice, 4096, 8);
        cluster.run_until([&] { return cluster.finished(write); }, (seed % 20) * 4ms);
        cluster.power_cut(Node::Alice, {.drop_unflushed = 0.0, .tear_in_flight = true});
        cluster.heal_link();
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// Rule 4. The peer has acknowledged from its cache what waits for a stuck disk that is being
// detached; then it loses its power. Nobody has the write: it must not be told as done.
TEST(SimSafetyRules, ACopyCountsOnlyWhileItsDiskIsAMember) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.write(Node::Alice, 64, 8);  // its extent is in the log from now on
        ASSERT_TRUE(cluster.drain());
        cluster.disk(Node::Alice).set_stuck(true);
        cluster.write(Node::Alice, 64, 8);
        cluster.run_for(20ms);
        cluster.admin_begin(Node::Alice, engine::Detach{{0}});
        cluster.run_for(seed * 100us);
        cluster.power_cut(Node::Bob, {.drop_unflushed = 1.0, .tear_in_flight = true});
        cluster.run_for(seed % 3 * 5s);
        cluster.disk(Node::Alice).set_stuck(false);
        cluster.run_for(2s);
        cluster.start(Node::Bob);
        cluster.run_for(20s);
        if (reachable(cluster, Node::Alice)) {
            cluster.read(Node::Alice, 64, 8);
            ASSERT_TRUE(cluster.drain());
        }
    });
}

TEST(SimSafetyRules, ADetachThatWouldTakeTheLastCopyIsGivenUp) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.write(Node::Alice, 64, 8);
    ASSERT_TRUE(cluster.drain());
    cluster.disk(Node::Alice).set_stuck(true);
    const RequestNumber write = cluster.write(Node::Alice, 64, 8);
    cluster.run_for(20ms);
    cluster.admin_begin(Node::Alice, engine::Detach{{0}});
    cluster.run_for(100ms);
    cluster.power_cut(Node::Bob);
    cluster.run_for(20s);
    cluster.disk(Node::Alice).set_stuck(false);
    cluster.run_for(2s);
    EXPECT_EQ(cluster.result(write), 0);
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
    cluster.start(Node::Bob);
    cluster.check_convergence();
}

// Rule 5. The peer refuses a write; the Primary crashes as soon as it was told as done, and the
// peer is promoted. The two must not seem to be of the same generation.
TEST(SimSafetyRules, ANegativeAckIsLostContact) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).fail_data_writes(EIO);
        const RequestNumber write = cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.finished(write); }, 5s));
        cluster.power_cut(Node::Alice, {.drop_unflushed = 0.0, .tear_in_flight = false});
        cluster.disk(Node::Bob).heal();
        cluster.run_for(15s);
        cluster.attach(Node::Bob);
        cluster.promote(Node::Bob);
        cluster.write(Node::Bob, 512, 8);
        cluster.run_for(1s);
        cluster.start(Node::Alice);
        cluster.run_for(20s);
        EXPECT_TRUE(cluster.lost_acked_writes(Node::Alice).empty());
    });
}

// Rule 6. A flush of the peer's fails once; the kernel has dropped what it should have written, and
// the next flush succeeds. With pass_on the disk stays attached.
TEST(SimSafetyRules, AFailedFlushTakesBackWhatItCovered) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.on_io_error = engine::OnIoError::PassOn;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const Node faulty = seed % 2 == 0 ? Node::Alice : Node::Bob;
        if (seed % 4 < 2) {
            cluster.disk(faulty).fail_all(Kind::Flush, EIO);
        } else {
            cluster.disk(faulty).lose_next_flush();  // and the next one succeeds, as under Linux
        }
        cluster.random_writes(Node::Alice, 40, 20ms);
        cluster.run_for(20ms);
        cluster.flush(Node::Alice);
        cluster.run_for(seed % 10 * 10ms);
        cluster.disk(faulty).heal();
        cluster.run_for(1s);
        cluster.power_cut(faulty, {.drop_unflushed = 1.0, .tear_in_flight = true});
        cluster.run_for(20s);
        cluster.start(faulty);
        cluster.run_for(5s);
        if (faulty == Node::Bob) {
            cluster.check_convergence();
        }
    });
}

// A source that can't read some blocks and keeps its disk: both come to the same end.
TEST(SimSafetyRules, AResyncWithUnreadableBlocksEndsOnBothSides) {
    ClusterOptions options = with_seed(1);
    options.disk.on_io_error = engine::OnIoError::PassOn;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(20s);
    cluster.random_writes(Node::Alice, 100);
    ASSERT_TRUE(cluster.drain());
    cluster.write(Node::Alice, 800, 8);
    ASSERT_TRUE(cluster.drain());
    cluster.disk(Node::Alice).add_bad_sector({804});
    cluster.heal_link();
    ASSERT_TRUE(cluster.run_until(
        [&] {
            return cluster.conn(Node::Alice) == ConnState::Connected &&
                   cluster.conn(Node::Bob) == ConnState::Connected;
        },
        60s));
    EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, DiskState::Inconsistent);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Inconsistent);
    cluster.disk(Node::Alice).heal();
    cluster.net().reset_connections();
    cluster.check_convergence();
}

// Rule 2. The disk of the Primary fails, and the connection breaks before it has heard of the
// generation that its peer has begun for it.
TEST(SimSafetyRules, APrimaryWithoutADiskKnowsItsGenerationByItsName) {
    over_seeds(80, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Alice).fail_data_writes(EIO);
        cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) <= DiskState::Failed; }, 5s));
        cluster.run_for(seed * 100us);
        cluster.net().reset_connections();
        ASSERT_TRUE(cluster.run_until([&] { return reachable(cluster, Node::Alice); }, 30s));
        cluster.read(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.drain());
    });
}

TEST(SimSafetyRules, APromotionWithoutADiskSurvivesAReset) {
    over_seeds(80, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.admin_begin(Node::Alice, engine::Promote{});
        cluster.run_for(seed * 100us);
        cluster.net().reset_connections();
        cluster.run_for(5s);
        cluster.promote(Node::Alice);
        ASSERT_TRUE(cluster.run_until([&] { return reachable(cluster, Node::Alice); }, 30s));
        cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.drain());
    });
}

}  // namespace
}  // namespace sim
