// What is told to the peer is on stable storage, and stays there. Each of these fails when one line
// of the engine that keeps it so is taken away; see tests/sim/mutants.

#include "tests/sim/disk_metadata.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

constexpr PowerCut kAllUnflushedGone{.drop_unflushed = 1.0};

std::uint64_t uuid_on_disk(Cluster& cluster, Node node) {
    const Host::Volume& volume = cluster.host(node).volume(0);
    return read_superblock(*volume.disk, volume.layout)->current_uuid & ~meta::kUuidPrimaryBit;
}

// The oracle looks at each packet; here roles, disks and identifiers change over slow disks.
TEST(SimPromises, WhatIsAnnouncedIsStored) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency.high = 30ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        EXPECT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(20s);
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.demote(Node::Alice).ok());
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.detach(Node::Alice);
        cluster.random_writes(Node::Bob, 40, 1s);
        cluster.run_for(2s);
        cluster.attach(Node::Alice);
        cluster.check_convergence();
    });
}

// The application has forced them to the medium: of both nodes.
TEST(SimPromises, AForcedWriteOutlivesThePowerOfBothNodes) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        for (std::uint64_t i = 0; i < 20; ++i) {
            cluster.write(Node::Alice, i * 8, 8, {.volume = 0, .fua = true});
        }
        ASSERT_TRUE(cluster.drain());
        cluster.power_cut(Node::Alice, kAllUnflushedGone);
        cluster.power_cut(Node::Bob, kAllUnflushedGone);
        cluster.start(Node::Bob, false);
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
    });
}

// After a barrier ack nobody remembers the write: its extent has left the log of the Primary by
// now.
TEST(SimPromises, AWriteWhoseBarrierIsAcknowledgedOutlivesThePeersPower) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.explicit_flush = seed % 2 == 0;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 40, 100ms);
        cluster.run_for(10s);
        cluster.power_cut(Node::Bob, kAllUnflushedGone);
        cluster.run_for(20s);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// The writes that a detach waits for are in the disk's cache only when they end.
TEST(SimPromises, ADiskThatIsBeingDetachedIsFlushedForItsBarriers) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = Protocol::B;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_latency({10ms, 30ms});
        cluster.random_writes(Node::Alice, 40, 20ms);
        cluster.run_for(seed * 1ms);
        EXPECT_TRUE(cluster.detach(Node::Bob).ok());
        cluster.run_for(1s);
        EXPECT_TRUE(cluster.attach(Node::Bob).ok());
        cluster.check_convergence();
    });
}

// The connection is lost under a load, the power soon after. Whatever was acknowledged meanwhile is
// on the peer, or the identifiers tell the two apart.
TEST(SimPromises, NothingIsAcknowledgedBeforeTheNewGenerationIsStored) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency.high = 10ms;
        options.link.low_latency = 10ms;  // so that much is on its way when the link is cut
        options.link.high_latency = 20ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 60, 20ms);
        cluster.run_for(20ms);
        cluster.cut_link();
        cluster.net().reset_connections();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 1s));
        cluster.run_for(seed * 500us);
        cluster.power_cut(Node::Alice);
        cluster.run_for(20s);
        if (uuid_on_disk(cluster, Node::Alice) == uuid_on_disk(cluster, Node::Bob)) {
            EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
        }
    });
}

}  // namespace
}  // namespace sim
