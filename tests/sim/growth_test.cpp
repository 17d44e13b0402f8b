// The device grows: both disks have become larger, and one node is told. Wire specification,
// section 3.5; metadata specification, section 14.
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

constexpr std::uint64_t kGain = 4u << 20;

void grow_both(Cluster& cluster) {
    for (const Node node : kNodes) {
        cluster.grow_disk(node, kGain);
    }
}

std::uint64_t size_of(Cluster& cluster, Node node) {
    return cluster.status(node).size_sectors;
}

// What lies beyond the old end can be written, is copied, and is the same on both.
void use_new_part(Cluster& cluster, Node primary, std::uint64_t old_sectors) {
    const std::uint64_t sectors = size_of(cluster, primary);
    ASSERT_GT(sectors, old_sectors + kGain / 512 - 512);
    const RequestNumber requests[] = {cluster.write(primary, old_sectors - 4, 16),
                                      cluster.write(primary, sectors - 8, 8)};
    ASSERT_TRUE(cluster.drain());
    for (const RequestNumber request : requests) {
        EXPECT_EQ(cluster.result(request), 0);
    }
}

TEST(SimGrowth, BothGrowUnderLoad) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.external_metadata = {seed % 4 == 1, seed % 4 >= 2};
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = size_of(cluster, Node::Alice);
        cluster.random_io(Node::Alice, 60, 100ms);
        grow_both(cluster);
        cluster.run_for(20ms);
        const AdminResult answer = cluster.resize(seed % 2 == 0 ? Node::Alice : Node::Bob);
        EXPECT_TRUE(answer.ok()) << answer.text;
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        use_new_part(cluster, Node::Alice, before);
        cluster.check_convergence();
    });
}

// A kernel's driver takes what the last P_SIZES says for all that the peer's disk has: who asks it
// to grow and hides what its own disk has gained is answered with the size as it was. Found with
// the real one, in the matrix: we the Primary, resize.
TEST(SimGrowth, AKernelIsShownTheRoomWhenItIsAsked) {
    over_seeds(8, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.explicit_flush = false;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = size_of(cluster, Node::Alice);
        grow_both(cluster);
        const AdminResult answer = cluster.resize(seed % 2 == 0 ? Node::Alice : Node::Bob);
        EXPECT_TRUE(answer.ok()) << answer.text;
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        use_new_part(cluster, Node::Alice, before);
        cluster.check_convergence();
    });
}

// The device has grown while the disk of one node was away: a kernel refuses one that seems to be
// too small, and stays StandAlone (wide seeds 9720001555, 9740002773).
TEST(SimGrowth, ADiskThatIsAttachedLaterFollows) {
    over_seeds(8, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.explicit_flush = seed % 2 == 0;
        options.external_metadata = {true, true};
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = size_of(cluster, Node::Alice);
        grow_both(cluster);
        ASSERT_TRUE(cluster.detach(Node::Bob).ok());
        ASSERT_TRUE(cluster.disconnect(Node::Alice).ok());
        const AdminResult answer =
            cluster.admin(Node::Alice, engine::Resize{{0}, std::nullopt, true, false});
        ASSERT_TRUE(answer.ok()) << answer.text;
        ASSERT_GT(size_of(cluster, Node::Alice), before);
        if (seed % 4 >= 2) {
            ASSERT_TRUE(cluster.attach(Node::Bob).ok());
        }
        ASSERT_TRUE(cluster.connect(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) >= ConnState::Connected; }, 30s));
        if (seed % 4 < 2) {
            ASSERT_TRUE(cluster.attach(Node::Bob).ok());
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        use_new_part(cluster, Node::Alice, before);
        cluster.check_convergence();
    });
}

// A full sync is asked for while the metadata move: it begins when they have arrived.
TEST(SimGrowth, AFullSyncMayBeginWhileTheMetadataMove) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency = {1ms, 10ms};
        TestCluster cluster(options);
        cluster.start_fresh();
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::Connected; }, 30s));
        cluster.run_for(500ms);
        const engine::AdminId promoted =
            cluster.admin_begin(Node::Alice, engine::Promote{.force = true});
        cluster.run_for(seed % 20 * 2ms);
        cluster.grow_disk(Node::Alice, kGain);
        const engine::AdminId resized =
            cluster.admin_begin(Node::Alice, engine::Resize{{0}, std::nullopt, true, false});
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.answer(promoted).answered);
        EXPECT_TRUE(cluster.answer(resized).answered);
        cluster.check_convergence();
    });
}

// Both nodes take the same one for the source, whoever is Primary by the time that each of them has
// its metadata in place (wide seed 9700004556).
TEST(SimGrowth, IsCopiedInOneDirectionAlthoughTheRolesChange) {
    over_seeds(80, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.low_latency = 20ms;
        options.link.high_latency = 60ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        const Node primary = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.promote(primary);
        cluster.random_writes(primary, 20, 100ms);
        ASSERT_TRUE(cluster.drain());
        grow_both(cluster);
        cluster.admin_begin(primary, engine::Resize{{0}, std::nullopt, false, false});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(other(primary)) > ConnState::Connected; }, 10s));
        cluster.run_for(seed % 5 * 10ms);
        cluster.admin_begin(primary, engine::Demote{});  // before it has heard of the other's size
        cluster.run_for(seed % 7 * 20ms);
        cluster.admin_begin(other(primary), engine::Promote{});
        cluster.run_for(5s);
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.check_convergence();
    });
}

// Both bear one identifier then: the bits alone would not be copied.
TEST(SimGrowth, IsCopiedAlthoughTheConnectionEndsBeforeThatBegins) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        grow_both(cluster);
        cluster.disk(Node::Alice).set_latency({5ms, 40ms});
        cluster.admin_begin(seed % 2 == 0 ? Node::Alice : Node::Bob,
                            engine::Resize{{0}, std::nullopt, false, false});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::WFSyncUUID; }, 30s));
        if (seed % 2 == 0) {  // the new identifiers are on their way to the disk
            ASSERT_TRUE(cluster.run_until(
                [&] {
                    return cluster.conn(Node::Alice) == ConnState::WFSyncUUID ||
                           cluster.conn(Node::Alice) == ConnState::SyncSource;
                },
                30s));
        }
        cluster.run_for(seed % 5 * 5ms);
        cluster.power_cut(Node::Alice);
        cluster.run_for(1s);
        cluster.start(Node::Alice);
        cluster.disk(Node::Alice).set_latency({});
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.check_convergence();
    });
}

TEST(SimGrowth, WhereOneDiskHasGrownTheDeviceStaysAsItIs) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = size_of(cluster, Node::Alice);
        const Node grown = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.grow_disk(grown, kGain);
        cluster.random_io(Node::Alice, 30, 100ms);
        EXPECT_TRUE(cluster.resize(seed % 4 < 2 ? Node::Alice : Node::Bob).ok());
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(size_of(cluster, Node::Alice), before);
        EXPECT_EQ(size_of(cluster, Node::Bob), before);
        // The metadata are at the new end: the disk can be attached again.
        cluster.kill(grown);
        cluster.run_for(1s);
        cluster.start(grown);
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, grown), before);
        // And the other one follows.
        if (grown == Node::Alice) {
            cluster.promote(Node::Alice);
        }
        cluster.grow_disk(other(grown), kGain);
        EXPECT_TRUE(cluster.resize(grown).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        use_new_part(cluster, Node::Alice, before);
        cluster.check_convergence();
    });
}

TEST(SimGrowth, IsRefusedInWords) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    EXPECT_EQ(cluster.resize(Node::Alice).code, 131);
    cluster.promote(Node::Alice);
    cluster.grow_disk(Node::Alice, 8192);  // less than the metadata need
    const AdminResult little = cluster.resize(Node::Alice);
    EXPECT_EQ(little.code, 112);
    EXPECT_NE(little.text.find("grown by less"), std::string::npos) << little.text;
    const AdminResult much =
        cluster.admin(Node::Alice, engine::Resize{.volume = {0}, .size_sectors = 1u << 20});
    EXPECT_EQ(much.code, 111);
    cluster.random_io(Node::Alice, 20, 20ms);
    ASSERT_TRUE(cluster.drain());
    cluster.detach(Node::Alice);
    EXPECT_EQ(cluster.resize(Node::Alice).code, 138);
}

TEST(SimGrowth, WhoNamesASmallerSizeGetsItOnBoth) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t smaller = size_of(cluster, Node::Alice) / 2 / 8 * 8;
        const AdminResult answer =
            cluster.admin(seed % 2 == 0 ? Node::Alice : Node::Bob,
                          engine::Resize{.volume = {0}, .size_sectors = smaller});
        EXPECT_TRUE(answer.ok()) << answer.text;
        cluster.run_for(1s);
        EXPECT_EQ(size_of(cluster, Node::Alice), smaller);
        EXPECT_EQ(size_of(cluster, Node::Bob), smaller);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::Connected);
    });
}

// It has a smaller `size` in its file, and its disk comes back: that shrinks nobody's device.
TEST(SimGrowth, WhoAttachesWithASmallerSizeShrinksNobody) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    const std::uint64_t before = size_of(cluster, Node::Alice);
    ASSERT_TRUE(cluster.detach(Node::Bob).ok());
    engine::ResourceSettings own = cluster.settings;
    own.volumes.at(0).disk.size_sectors = before / 2 / 8 * 8;
    cluster.admin(Node::Bob, engine::ChangeSettings{own});
    cluster.replace_disk(Node::Bob);
    cluster.attach(Node::Bob);
    cluster.run_for(2s);
    EXPECT_EQ(size_of(cluster, Node::Alice), before);
}

TEST(SimGrowth, AloneItGrowsOnlyWhereThePeerIsSaidToHaveTheRoom) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = size_of(cluster, Node::Alice);
        cluster.disconnect(Node::Alice, true);
        cluster.disconnect(Node::Bob, true);
        grow_both(cluster);
        EXPECT_TRUE(cluster.resize(Node::Alice).ok());
        EXPECT_EQ(size_of(cluster, Node::Alice), before);
        EXPECT_TRUE(
            cluster.admin(Node::Alice, engine::Resize{.volume = {0}, .assume_peer_has_space = true})
                .ok());
        use_new_part(cluster, Node::Alice, before);
        EXPECT_TRUE(cluster.resize(Node::Bob).ok());  // its metadata move
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        cluster.check_convergence();
    });
}

// On either node. What is still at the old end is moved before the next attach: by check-resize,
// which drbdadm calls then.
class SimGrowthCrash : public testing::TestWithParam<Node> {};

TEST_P(SimGrowthCrash, AtEachEffectLosesNothing) {
    const Node victim = GetParam();
    for (std::uint64_t n = 1; n < 200; n += n < 60 ? 1 : 4) {
        SCOPED_TRACE("after effect " + std::to_string(n));
        TestCluster cluster(with_seed(n));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        if (n % 2 == 0) {
            cluster.random_io(Node::Alice, 40, 100ms);
            cluster.run_for(100ms);
        }
        grow_both(cluster);
        cluster.host(victim).crash_after_effects(n, PowerCut{});
        cluster.admin_begin(Node::Alice, engine::Resize{{0}});
        cluster.run_for(2s);
        if (cluster.host(victim).running()) {
            cluster.power_cut(victim);
        }
        cluster.run_for(1s);
        cluster.start(victim);
        cluster.run_for(5s);
        if (victim == Node::Alice) {
            ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.resize(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        cluster.check_convergence();
        if (testing::Test::HasFailure()) {
            return;
        }
    }
}

// Seed sim_fenced 2200002549: the disk failed while it stored the sync UUID for what was added. The
// peer heard of a resync from a node that had no disk any more.
TEST_P(SimGrowthCrash, EachOperationThatFailsLosesTheDiskAlone) {
    const Node victim = GetParam();
    for (std::uint64_t n = 1; n < 100; ++n) {
        SCOPED_TRACE("operation " + std::to_string(n));
        TestCluster cluster(with_seed(n));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        grow_both(cluster);
        const std::uint64_t before = cluster.disk(victim).operations();
        cluster.disk(victim).fail_operation(n, EIO);
        cluster.admin_begin(Node::Alice, engine::Resize{{0}});
        cluster.run_for(2s);
        const bool reached = cluster.disk(victim).operations() >= before + n;
        cluster.disk(victim).heal();
        if (cluster.disk_state(victim) == DiskState::Diskless) {
            cluster.move_metadata_to_end(victim);
            ASSERT_TRUE(cluster.attach(victim).ok());
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.resize(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(size_of(cluster, Node::Alice), size_of(cluster, Node::Bob));
        cluster.check_convergence();
        if (!reached || testing::Test::HasFailure()) {
            return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Nodes, SimGrowthCrash, testing::Values(Node::Alice, Node::Bob));

}  // namespace
}  // namespace sim
