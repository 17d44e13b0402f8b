// Writes, blocks of a resync and promotions that meet on one place: what comes first. Each of these
// fails when one line of the engine that keeps the order is taken away; see tests/sim/mutants.

#include "meta/superblock.h"
#include "tests/sim/disk_metadata.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

void prepare_differences(Cluster& cluster, std::size_t writes) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.random_writes(Node::Alice, writes);
    cluster.run_for(1s);
    cluster.drain();
}

// Under B the peer has confirmed them from memory: they are on their way to its disk, one after the
// other, when the Primary dies.
TEST(SimOrder, WhatThePeerHasSentIsOnDiskBeforeAPromotion) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = Protocol::B;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_latency({10ms, 30ms});
        for (int i = 0; i < 20; ++i) {
            cluster.write(Node::Alice, 0, 8);
            ASSERT_TRUE(cluster.drain());
        }
        cluster.kill(Node::Alice);
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s));
        const auto is_primary = [&] {
            return cluster.status(Node::Bob).state.role == Role::Primary;
        };
        for (int i = 0; i < 5 && !is_primary(); ++i) {
            cluster.promote(Node::Bob);  // too late, perhaps, for one answer: the disk is slow
            cluster.run_until(is_primary, 1s);
        }
        ASSERT_TRUE(is_primary());
        EXPECT_FALSE(cluster.oracles().history(0).stale_when_promoted(Node::Bob));
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// The source has read the block after the write: on the target the write may be slower.
TEST(SimOrder, ABlockOfAResyncWaitsForAWriteOnItsWayToTheTargetsDisk) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 2 == 0 ? Protocol::A : Protocol::B;
        TestCluster cluster(options);
        prepare_differences(cluster, 200);
        cluster.disk(Node::Bob).set_latency({1ms, 20ms});
        cluster.heal_link();
        cluster.random_io(Node::Alice, 500, 2s);
        cluster.check_convergence();
    });
}

TEST(SimOrder, AWriteWaitsForTheReadOfItsBlockForTheTarget) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        prepare_differences(cluster, 200);
        cluster.disk(Node::Alice).set_latency({1ms, 20ms});
        cluster.heal_link();
        cluster.random_io(Node::Alice, 500, 2s);
        cluster.check_convergence();
    });
}

// A Primary gets its own data from the peer, and writes: what the peer has received and not written
// yet belongs to a block that is asked for.
TEST(SimOrder, ABlockOfAResyncIsReadAfterTheTargetsOwnWritesToIt) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 2 == 0 ? Protocol::A : Protocol::B;
        options.disk.c_max_rate_kib = 2'048;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50, 10ms);
        cluster.run_for(100ms);
        cluster.disk(Node::Bob).set_latency({5ms, 60ms});
        ASSERT_TRUE(cluster.invalidate(Node::Alice).answered);
        cluster.random_io(Node::Alice, 1500, 3s);
        cluster.run_for(5s);
        cluster.disk(Node::Bob).set_latency({});
        cluster.check_convergence();
    });
}

// Under protocol B a source may have acknowledged what still waits for its log: the Primary that is
// overwritten has that, and would lose it (first seen as wide seed 9400000287).
TEST(SimOrder, ASourceWritesWhatItHasAcknowledgedBeforeItReadsThat) {
    over_seeds(30, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = Protocol::B;
        options.disk.al_extents = 67;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_latency({5ms, 20ms});
        cluster.random_writes(Node::Alice, 300, 50ms);
        cluster.run_for(seed * 2ms);
        ASSERT_TRUE(cluster.invalidate(Node::Alice).answered);
        cluster.run_for(5s);
        cluster.disk(Node::Bob).set_latency({});
        cluster.check_convergence();
    });
}

// The source has read the block before the write: on the target the block may be slower.
TEST(SimOrder, AWriteWaitsForABlockOfAResyncOnItsWayToTheTargetsDisk) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 2 == 0 ? Protocol::A : Protocol::C;
        TestCluster cluster(options);
        prepare_differences(cluster, 400);
        cluster.disk(Node::Bob).set_latency({1ms, 60ms});
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status(Node::Bob).rs_in_flight_sectors > 0; }, 60s));
        cluster.random_writes(Node::Alice, 400, 200ms);
        cluster.run_for(1s);
        cluster.disk(Node::Bob).set_latency({});
        cluster.run_for(30s);
        cluster.check_convergence();
    });
}

// A half copied disk must not count as good after a crash, whenever that comes.
TEST(SimOrder, ATargetSaysThatItIsInconsistentBeforeItsFirstBlockIsWritten) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        prepare_differences(cluster, 200);
        cluster.disk(Node::Bob).set_latency({10ms, 60ms});
        const std::uint64_t before = cluster.status(Node::Bob).received_sectors;
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status(Node::Bob).received_sectors > before; }, 60s));
        const Host::Volume& volume = cluster.host(Node::Bob).volume(0);
        EXPECT_FALSE(read_superblock(*volume.disk, volume.layout)->has(meta::kMdConsistent));
        cluster.check_convergence();
    });
}

// Until the target has confirmed that it has written a block, the source remembers that it has not.
TEST(SimOrder, ABlockThatWasSentIsMarkedUntilTheTargetHasWrittenIt) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        prepare_differences(cluster, 100);
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status(Node::Bob).rs_in_flight_sectors > 0; }, 60s));
        cluster.disk(Node::Bob).set_stuck(true);
        cluster.run_for(2s);
        EXPECT_FALSE(cluster.oracles().differing(0).empty());
        for (const std::uint64_t block : cluster.oracles().differing(0)) {
            EXPECT_TRUE(cluster.host(Node::Alice).engine().is_out_of_sync({0}, block)) << block;
        }
        cluster.disk(Node::Bob).set_stuck(false);
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
