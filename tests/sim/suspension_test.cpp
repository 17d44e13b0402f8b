// The administrator holds the application's requests: suspend-io and resume-io. That nothing is
// answered meanwhile is an oracle of every run.
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

// With writes, reads and flushes in flight, under each protocol: none is answered, none is started,
// and all of them go on afterwards.
TEST(SimSuspension, NothingIsAnsweredAndAllGoesOnAfterwards) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 24, 40ms);
        cluster.run_for(10ms);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, true).ok());
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, true).ok());  // it is
        cluster.run_for(2s);
        const std::uint64_t written = cluster.status(Node::Alice).written_sectors;
        const std::size_t open = cluster.open_requests();
        EXPECT_GT(open, 0u);
        EXPECT_EQ(cluster.status(Node::Alice).lower_pending, 0u);
        const std::uint64_t sent = cluster.status(Node::Alice).sent_sectors;
        cluster.write(Node::Alice, 800, 8);
        cluster.run_for(10s);
        EXPECT_EQ(cluster.status(Node::Alice).sent_sectors, sent) << "it has been started";
        EXPECT_EQ(cluster.open_requests(), open + 1);
        EXPECT_EQ(cluster.status(Node::Alice).lower_pending, 0u);
        EXPECT_EQ(cluster.status(Node::Alice).written_sectors, written + 8);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::Connected);
        cluster.check_convergence();
    });
}

// What was under way is on one disk alone when the peer is gone: it is told afterwards, under the
// identifier of a Primary that went on.
TEST(SimSuspension, TheConnectionMayComeAndGo) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 24, 40ms);
        cluster.run_for(10ms);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, true).ok());
        cluster.net().reset_connections();
        cluster.run_for(seed % 2 == 0 ? 20s : 100ms);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

// Nothing was told of them: after a power cut they may be there or not, but alike on both nodes.
TEST(SimSuspension, APowerCutTakesWhatWasHeld) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 24, 40ms);
        cluster.run_for(10ms);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, true).ok());
        cluster.run_for(seed * 30ms);
        cluster.power_cut(Node::Alice);
        cluster.run_for(5s);
        if (seed % 2 == 0) {
            EXPECT_TRUE(cluster.promote(Node::Bob).ok());
            cluster.random_io(Node::Bob, 8, 1s);
        }
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// Its local disk fails meanwhile: the peer's copy answers for what is held.
TEST(SimSuspension, ADiskMayFailMeanwhile) {
    over_seeds(8, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 24, 40ms);
        cluster.run_for(10ms);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, true).ok());
        cluster.detach(Node::Alice, 0, true);
        cluster.run_for(3s);
        EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

TEST(SimSuspension, ADemotionSaysWhatItWaitsFor) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.suspend_io(Node::Alice, true);
    cluster.write(Node::Alice, 0, 8);
    const AdminResult refused = cluster.demote(Node::Alice);
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(refused.text.find("resume-io"), std::string::npos) << refused.text;
    EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
    EXPECT_TRUE(cluster.drain());
    EXPECT_TRUE(cluster.demote(Node::Alice).ok());
}

}  // namespace
}  // namespace sim
