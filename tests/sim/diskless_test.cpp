// A Primary that works, or has worked, through its peer's disk: which of the two disks holds what
// was acknowledged, and which of them may be used.

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

ClusterOptions fenced_pair(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.fencing = engine::Fencing::ResourceOnly;
    return options;
}

void attach_missing(Cluster& cluster) {
    for (const Node node : kNodes) {
        if (cluster.disk_state(node) == DiskState::Diskless) {
            cluster.attach(node);
        }
    }
}

// Until the application has written something, the disk that it has lost is as good as its peer's.
TEST(SimDiskless, BeforeTheFirstWriteBothDisksHoldAll) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced_pair(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 40, 100ms);
        cluster.run_for(200ms);
        ASSERT_TRUE(cluster.drain());
        ASSERT_TRUE(cluster.demote(Node::Alice).ok());
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        EXPECT_EQ(cluster.oracles().history(0).holds(Node::Alice), Holds::All);
        cluster.run_for(seed * 200us);
        cluster.kill(Node::Bob);
        cluster.run_for(1s);
        cluster.kill(Node::Alice);
        cluster.start(Node::Alice);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// Who names the generation for a Primary without a disk loses its own disk before it is stored:
// what is on no disk is told to nobody. Wide seed 920000355 of the fenced runs.
TEST(SimDiskless, AGenerationThatWasNotStoredIsNotTold) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 20, 100ms);
        cluster.run_for(seed * 5ms);
        cluster.disk(Node::Bob).fail_all(io::DiskOp::Kind::Flush, EIO);
        cluster.detach(Node::Alice, 0, true);
        cluster.run_for(5s);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
    });
}

// It has seen the generation that we bear. If we are promoted behind its back and write, it must
// not find our data under that name and take them for its own. Wide seed 910008135.
TEST(SimDiskless, WhoIsPromotedBehindItsBackTakesAnotherName) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.fence_network = false;  // nobody keeps the two apart
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        ASSERT_TRUE(cluster.detach(Node::Bob).ok());
        cluster.random_writes(Node::Bob, 20, 100ms);
        cluster.run_for(300ms);
        ASSERT_TRUE(cluster.drain());
        const std::uint64_t seen = cluster.status(Node::Alice).current_uuid | 1;
        cluster.cut_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 60s));
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        EXPECT_NE(cluster.status(Node::Alice).current_uuid | 1, seen);
        cluster.random_writes(Node::Alice, 10, 100ms);
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.demote(Node::Alice).ok());
        cluster.heal_link();
        cluster.run_for(20s);
        EXPECT_NE(cluster.conn(Node::Bob), ConnState::Connected);
    });
}

TEST(SimDiskless, AfterAWriteOnlyThePeersDiskHoldsAll) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.write(Node::Alice, 0, 8);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.oracles().history(0).holds(Node::Alice), Holds::Stale);
        EXPECT_EQ(cluster.oracles().history(0).holds(Node::Bob), Holds::All);
        cluster.attach(Node::Alice);
        cluster.check_convergence();
    });
}

// It is stuck when it is detached: what it still has to write is on the peer's. Whoever is promoted
// afterwards has all that was acknowledged.
TEST(SimDiskless, AWriteThatWasStuckOnADetachedDiskIsOnThePeers) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced_pair(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Alice).set_stuck(true);
        cluster.write(Node::Alice, 800, 8);
        cluster.run_for(50ms);
        cluster.detach(Node::Alice);
        cluster.write(Node::Alice, 0, 8);
        cluster.run_for(500ms);
        cluster.kill(Node::Bob);
        cluster.run_for(seed * 100ms);
        cluster.disk(Node::Alice).set_stuck(false);
        cluster.run_for(500ms);
        cluster.power_cut(Node::Alice);
        cluster.cut_link();
        cluster.start(Node::Alice, false);
        cluster.start(Node::Bob, false);
        attach_missing(cluster);
        for (int i = 0; i < 6; ++i) {
            const Node node =
                (seed + static_cast<std::uint64_t>(i)) % 2 == 0 ? Node::Alice : Node::Bob;
            const bool promoted = cluster.promote(node).ok();
            EXPECT_FALSE(promoted && cluster.oracles().history(0).stale_when_promoted(node));
            if (promoted) {
                break;
            }
            cluster.run_for(2s);
        }
        cluster.heal_link();
        cluster.connect_both();
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
