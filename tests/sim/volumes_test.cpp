// Volumes that are added to a resource which runs, or taken out of it.

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

ClusterOptions two_volumes(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.volumes = 2;
    options.net.explicit_flush = seed % 2 == 0;
    return options;
}

void detach_and_remove(Cluster& cluster, Node node) {
    ASSERT_TRUE(cluster.detach(node, 1).ok());
    const AdminResult removed = cluster.remove_volume(node, 1);
    ASSERT_TRUE(removed.ok()) << removed.text;
}

void add_and_attach(Cluster& cluster, Node node) {
    const AdminResult added = cluster.add_volume(node, 1);
    ASSERT_TRUE(added.ok()) << added.text;
    const AdminResult attached = cluster.attach(node, 1);
    ASSERT_TRUE(attached.ok()) << attached.text;
}

bool stayed_connected(Cluster& cluster) {
    return !cluster.host(Node::Alice).logged("Connection closed") &&
           !cluster.host(Node::Bob).logged("Connection closed");
}

// At whatever interval, beside a load on the other volume, with a peer that speaks as a kernel does
// in half of the runs: it tells of a volume once, and listens to nothing about one that it lacks.
TEST(SimVolumes, OneThatIsAddedToBothNodesIsConnectedAndCopied) {
    over_seeds(24, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        for (const Node node : kNodes) {
            ASSERT_TRUE(cluster.detach(node, 1).ok());
        }
        for (const Node node : kNodes) {
            const AdminResult removed = cluster.remove_volume(node, 1);
            ASSERT_TRUE(removed.ok()) << removed.text;
        }
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 100, 20s);
        const Node first = seed % 4 < 2 ? Node::Alice : Node::Bob;
        ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, first));
        cluster.run_for(seed % 3 * 4s);
        ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, other(first)));
        ASSERT_TRUE(cluster.run_until_in_sync(30s));
        EXPECT_TRUE(stayed_connected(cluster));
        cluster.check_convergence();
    });
}

// The resource's role is not yet that of a new volume: as in DRBD it is promoted by a command.
TEST(SimVolumes, OneThatIsAddedToAPrimaryIsPromotedByTheNextCommand) {
    over_seeds(8, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        for (const Node node : kNodes) {
            ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, node));
        }
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        for (const Node node : kNodes) {
            ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, node));
        }
        ASSERT_TRUE(cluster.run_until_in_sync(30s));
        EXPECT_EQ(cluster.status(Node::Alice, 1).state.role, Role::Secondary);
        const std::uint64_t before = cluster.status(Node::Alice, 0).current_uuid;
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        EXPECT_EQ(cluster.status(Node::Alice, 0).current_uuid, before);
        const RequestNumber write = cluster.write(Node::Alice, 64, 8, {.volume = 1});
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(write), 0);
        EXPECT_EQ(cluster.remove_volume(Node::Alice, 1).code, 160);
        cluster.check_convergence();
    });
}

// The other node goes on with what it has, and becomes Primary of it.
TEST(SimVolumes, OneThatOnlyOneNodeHasIsUsedThereAndCopiedLater) {
    over_seeds(16, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, Node::Bob));
        const AdminResult promoted = cluster.promote(Node::Alice);
        ASSERT_TRUE(promoted.ok()) << promoted.text;
        for (std::uint64_t block = 0; block < 10; ++block) {
            const RequestNumber write = cluster.write(Node::Alice, block * 8, 8, {.volume = 1});
            ASSERT_TRUE(cluster.drain());
            EXPECT_EQ(cluster.result(write), 0);
        }
        cluster.run_for(seed % 4 * 3s);
        ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, Node::Bob));
        ASSERT_TRUE(cluster.run_until_in_sync(30s));
        EXPECT_TRUE(stayed_connected(cluster));
        cluster.check_convergence();
    });
}

// Each hears of the other one, whoever was first, and of a disk that was attached meanwhile.
TEST(SimVolumes, OneWithoutADiskIsConnectedToo) {
    over_seeds(16, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        const bool both = seed % 4 < 2;
        ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, Node::Bob));
        if (both) {
            ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, Node::Alice));
            ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, Node::Alice));
        }
        cluster.run_for(seed % 3 * 1s);
        ASSERT_TRUE(cluster.add_volume(Node::Bob, 1).ok());
        EXPECT_TRUE(cluster.run_until(
            [&] {
                const engine::VolumeState& seen = cluster.status(Node::Bob, 1).state;
                return seen.conn == ConnState::Connected && seen.pdsk == DiskState::UpToDate &&
                       cluster.conn(Node::Alice, 1) == ConnState::Connected;
            },
            10s));
        ASSERT_TRUE(cluster.attach(Node::Bob, 1).ok());
        cluster.check_convergence();
    });
}

// Gone between two connections.
TEST(SimVolumes, OneThatIsMissingAtTheConnectIsAddedLater) {
    over_seeds(16, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, Node::Bob));
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.net().reset_connections();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob, 0) == ConnState::Connected; }, 30s));
        cluster.write(Node::Alice, 64, 8, {.volume = 1});
        cluster.run_for(seed % 4 * 3s);
        ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, Node::Bob));
        ASSERT_TRUE(cluster.run_until_in_sync(30s));
        cluster.check_convergence();
    });
}

TEST(SimVolumes, AResourceWithoutAnyConnects) {
    over_seeds(8, [](std::uint64_t seed) {
        TestCluster cluster(two_volumes(seed));
        cluster.start_in_sync();
        for (const Node node : kNodes) {
            ASSERT_NO_FATAL_FAILURE(detach_and_remove(cluster, node));
            ASSERT_TRUE(cluster.detach(node, 0).ok());
            ASSERT_TRUE(cluster.remove_volume(node, 0).ok());
        }
        const auto connected = [&] {
            return cluster.host(Node::Alice).status().conn == ConnState::Connected &&
                   cluster.host(Node::Bob).status().conn == ConnState::Connected;
        };
        EXPECT_TRUE(connected());
        cluster.net().reset_connections();
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.run_until(connected, 30s));
        cluster.run_for(20s);
        EXPECT_TRUE(connected());
        EXPECT_EQ(cluster.promote(Node::Alice).code, 127);
        for (const Node node : kNodes) {
            ASSERT_TRUE(cluster.add_volume(node, 0).ok());
            ASSERT_NO_FATAL_FAILURE(add_and_attach(cluster, node));
            ASSERT_TRUE(cluster.attach(node, 0).ok());
        }
        ASSERT_TRUE(cluster.run_until_in_sync(30s));
        cluster.check_convergence();
    });
}

TEST(SimVolumes, OneWithADiskIsNotRemovedAndNoneIsAddedTwice) {
    TestCluster cluster(two_volumes(1));
    cluster.start_in_sync();
    EXPECT_EQ(cluster.remove_volume(Node::Alice, 1).code, 160);
    EXPECT_EQ(cluster.add_volume(Node::Alice, 1).code, 161);
    EXPECT_EQ(cluster.remove_volume(Node::Alice, 7).code, 127);
    EXPECT_EQ(cluster.disk_state(Node::Alice, 1), DiskState::UpToDate);
}

}  // namespace
}  // namespace sim
