// new-current-uuid: a first resync that is skipped, and a generation of one's own. Wire
// specification, section 5.6.

#include "tests/sim/disk_metadata.h"
#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

constexpr engine::NewCurrentUuid kSkip{{0}, true};

bool fresh_and_connected(Cluster& cluster) {
    cluster.start_fresh();
    cluster.connect_both();
    return cluster.run_until(
        [&] {
            return cluster.conn(Node::Alice) == ConnState::Connected &&
                   cluster.conn(Node::Bob) == ConnState::Connected;
        },
        30s);
}

std::uint64_t generation(Cluster& cluster, Node node) {
    return cluster.status(node).current_uuid & ~meta::kUuidPrimaryBit;
}

TEST(SimSkippedSync, BothAreUpToDateWithoutAResync) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.explicit_flush = seed % 2 == 0;
        TestCluster cluster(options);
        ASSERT_TRUE(fresh_and_connected(cluster));
        const Node node = seed % 3 == 0 ? Node::Bob : Node::Alice;
        EXPECT_TRUE(cluster.admin(node, kSkip).ok());
        ASSERT_TRUE(cluster.run_until([&] { return cluster.in_sync(); }, 5s));
        EXPECT_EQ(generation(cluster, Node::Alice), generation(cluster, Node::Bob));
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 0u);
        // Only once.
        EXPECT_EQ(cluster.admin(node, kSkip).code, 151);

        EXPECT_TRUE(cluster.promote(node).ok());
        cluster.random_writes(node, 40);
        cluster.run_for(seed * 2ms);
        cluster.kill(other(node));
        cluster.random_writes(node, 20);
        cluster.run_for(5s);
        cluster.start(other(node));
        cluster.check_convergence();
    });
}

TEST(SimSkippedSync, BothMayBeToldAtOnce) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        ASSERT_TRUE(fresh_and_connected(cluster));
        cluster.admin_begin(Node::Alice, kSkip);
        cluster.run_for((seed - 1) * 50us);
        cluster.admin_begin(Node::Bob, kSkip);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.in_sync(); }, 5s));
        cluster.run_for(2s);
        EXPECT_EQ(generation(cluster, Node::Alice), generation(cluster, Node::Bob));
        cluster.disconnect(Node::Alice);
        cluster.run_for(1s);
        cluster.connect_both();
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 0u);
    });
}

// The power fails on either node at any moment of it: whatever is left, they find together again,
// by a resync where one is needed.
TEST(SimSkippedSync, MayBeCutAtAnyMoment) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        ASSERT_TRUE(fresh_and_connected(cluster));
        cluster.admin_begin(Node::Alice, kSkip);
        cluster.run_for(seed * 20us);
        const Node victim = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.power_cut(victim, {.drop_unflushed = 0.5, .tear_in_flight = true});
        cluster.run_for(10s);
        cluster.start(victim);
        cluster.run_for(10s);
        if (!cluster.in_sync()) {
            EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
        }
        cluster.check_convergence();
    });
}

TEST(SimSkippedSync, IsRefusedWhereTheDisksAreNoNewPair) {
    TestCluster cluster(with_seed(1));
    cluster.start_fresh();
    EXPECT_TRUE(cluster.connect(Node::Alice).ok());
    cluster.run_for(2s);
    EXPECT_EQ(cluster.admin(Node::Alice, kSkip).code, 151);
    EXPECT_EQ(cluster.admin(Node::Alice, kSkip).text, "Need to be StandAlone");
    EXPECT_TRUE(cluster.connect(Node::Bob).ok());
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::Connected; }, 30s));
    EXPECT_EQ(cluster.admin(Node::Alice, engine::NewCurrentUuid{{0}, false}).code, 151);
    EXPECT_TRUE(cluster.detach(Node::Bob).ok());
    cluster.run_for(1s);
    EXPECT_EQ(cluster.admin(Node::Alice, kSkip).code, 151);
    EXPECT_EQ(cluster.admin(Node::Bob, kSkip).code, 138);
    EXPECT_EQ(cluster.admin(Node::Bob, engine::NewCurrentUuid{{7}, true}).code, 127);
}

// What the peer says of it is believed of two disks that nobody has used, and of no others: a
// Primary has its data elsewhere, they are not on a disk that was just created.
TEST(SimSkippedSync, IsNotBelievedOfADisklessPrimary) {
    RogueCluster::Options options;
    options.geometry.size_bytes = 64u << 20;
    RogueCluster cluster(options);
    cluster.peer.be_diskless_primary();
    cluster.prepare();
    Host::Volume& volume = cluster.alice.volume(0);
    meta::Superblock superblock = *read_superblock(*volume.disk, volume.layout);
    superblock.current_uuid = meta::kUuidJustCreated;
    superblock.flags &= ~static_cast<std::uint32_t>(meta::kMdConsistent | meta::kMdWasUpToDate);
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    meta::encode(superblock, block);
    volume.disk->poke(volume.layout.superblock_sector, block);
    cluster.boot();
    ASSERT_EQ(cluster.status().state.conn, ConnState::Connected);
    ASSERT_EQ(cluster.status().state.disk, engine::DiskState::Inconsistent);
    proto::Uuids uuids;
    uuids.current = RogueCluster::kGeneration;
    uuids.flags = proto::kUuidSkipInitialSync;
    cluster.peer.send(proto::Command::Uuids, uuids);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.status().state.disk, engine::DiskState::Inconsistent);
}

// StandAlone: the data go their own way, and a peer that has the old ones is the target.
TEST(SimSkippedSync, ANodeThatStandsAloneBeginsAGenerationOfItsOwn) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.disconnect(Node::Alice);
        cluster.disconnect(Node::Bob);
        cluster.run_for(1s);
        const std::uint64_t before = generation(cluster, Node::Bob);
        const bool clear = seed % 2 == 0;
        EXPECT_TRUE(cluster.admin(Node::Alice, engine::NewCurrentUuid{{0}, clear}).ok());
        EXPECT_NE(generation(cluster, Node::Alice), before);
        cluster.connect_both();
        cluster.check_convergence();
        EXPECT_NE(generation(cluster, Node::Bob), before);
    });
}

}  // namespace
}  // namespace sim
