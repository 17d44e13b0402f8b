// Silence: half-open links, peers and disks that stand still. Wire specification, section 1.4.

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

TEST(SimLiveness, IdleConnectionStaysUp) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.run_for(600s);
    EXPECT_TRUE(cluster.in_sync());
    EXPECT_FALSE(cluster.host(Node::Alice).logged("PingAck did not arrive in time"));
}

TEST(SimLiveness, HalfOpenLinkIsFoundByPing) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.ping_int = 3s;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        if (seed % 3 == 0) {
            cluster.cut_link();
        } else {
            cluster.cut_link(seed % 3 == 1 ? Node::Alice : Node::Bob);
        }
        const bool loses_answers =
            cluster.run_until([&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 8s);
        EXPECT_TRUE(loses_answers);
        cluster.run_for(10s);
        cluster.heal_link();
        cluster.check_convergence();
    });
}

TEST(SimLiveness, WritesInFlightAtACutAreCompletedOnce) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        const Protocol protocols[] = {Protocol::A, Protocol::B, Protocol::C};
        options.protocol = protocols[seed % 3];
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 200, 40ms);
        cluster.run_for(seed * 2ms);
        cluster.cut_link();
        ASSERT_TRUE(cluster.drain(60s));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.heal_link();
        cluster.check_convergence();
    });
}

TEST(SimLiveness, StuckDiskOfThePeerIsDroppedByKoCount) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.timeout = 2s;
        options.net.ko_count = 3;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_stuck(true);
        cluster.random_writes(Node::Alice, 50);
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 30s));
        ASSERT_TRUE(cluster.drain(5s));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.disk(Node::Bob).set_stuck(false);
        cluster.check_convergence();
    });
}

TEST(SimLiveness, ShortStallOfThePeersDiskIsWaitedFor) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_stuck(true);
        cluster.random_writes(Node::Alice, 50);
        cluster.run_for(10s);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::Connected);
        cluster.disk(Node::Bob).set_stuck(false);
        ASSERT_TRUE(cluster.drain(5s));
        cluster.check_convergence();
    });
}

TEST(SimLiveness, PowerCutPeerIsNoticedWithoutAGoodbye) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.power_cut(Node::Bob);
        cluster.run_for(1s);
        const RequestNumber request = cluster.write(Node::Alice, 0, 8);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.finished(request); }, 15s));
        EXPECT_EQ(cluster.result(request), 0);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

TEST(SimLiveness, RestartBeforeTheLossIsNoticed) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(seed * 500us);
        const Node victim = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.power_cut(victim);
        cluster.run_for(1ms);
        cluster.start(victim);
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
