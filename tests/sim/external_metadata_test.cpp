// Metadata on a device of its own: that of the data is used to its end, and either may fail alone.
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

constexpr std::array<std::array<bool, 2>, 3> kWhose{{{true, true}, {true, false}, {false, true}}};

ClusterOptions external_with_seed(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.external_metadata = kWhose[seed % kWhose.size()];
    return options;
}

Node external_node(const ClusterOptions& options) {
    return options.external_metadata[0] ? Node::Alice : Node::Bob;
}

TEST(SimExternalMetadata, LeavesAllOfTheDataDeviceToTheData) {
    TestCluster cluster(external_with_seed(3));  // both
    cluster.start_in_sync();
    EXPECT_EQ(cluster.status(Node::Alice).size_sectors, (8u << 20) / 512);
    cluster.promote(Node::Alice);
    const RequestNumber last = cluster.write(Node::Alice, (8u << 20) / 512 - 8, 8);
    cluster.random_io(Node::Alice, 100, 20ms);
    ASSERT_TRUE(cluster.drain());
    EXPECT_EQ(cluster.result(last), 0);
    cluster.check_convergence();
}

TEST(SimExternalMetadata, ANewDiskIsSyncedAsAWhole) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(external_with_seed(seed));
        cluster.start_fresh();
        cluster.connect_both();  // the smaller one decides, before anybody uses more
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::Connected; }, 30s));
        ASSERT_TRUE(cluster.promote(Node::Alice, true).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.random_io(Node::Alice, 60, 20ms);
        cluster.check_convergence();
    });
}

// The larger disk is new and comes while the peer is there, or while it is still being read.
TEST(SimExternalMetadata, ALargerDiskThatIsAttachedLaterFitsIntoThePeers) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.external_metadata = {true, false};
        TestCluster cluster(options);
        cluster.start_fresh();
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::Connected; }, 30s));
        ASSERT_TRUE(cluster.promote(Node::Bob, true).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        const std::uint64_t sectors = cluster.status(Node::Bob).size_sectors;
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.replace_disk(Node::Alice);
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(cluster.status(Node::Alice).size_sectors, sectors);
        cluster.check_convergence();
    });
}

TEST(SimExternalMetadata, ASlowAttachKeepsTheSizeThatWasAgreed) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.external_metadata = {true, false};
        options.link.low_latency = 50ms;  // a handshake takes a while too
        options.link.high_latency = 150ms;
        options.latency.low = 100ms;
        options.latency.high = 100ms + seed * 20ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 0u);
        EXPECT_EQ(cluster.status(Node::Alice).size_sectors, cluster.status(Node::Bob).size_sectors);
        EXPECT_TRUE(cluster.violation().empty());
    });
}

// The activity log and the bitmap are found where they were written.
TEST(SimExternalMetadata, ACrashedPrimaryIsRepairedByItsLog) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(external_with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(std::chrono::milliseconds(1 + seed));
        cluster.power_cut(Node::Alice);
        cluster.run_for(1s);
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// It can't be told any more what differs: the disk is given up, the data come from the peer.
TEST(SimExternalMetadata, AMetadataDeviceThatFailsIsAFailedDisk) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = external_with_seed(seed);
        options.disk.on_io_error =
            seed % 2 == 0 ? engine::OnIoError::Detach : engine::OnIoError::PassOn;
        const Node node = external_node(options);
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(node);
        cluster.random_io(node, 100, 20ms);
        ASSERT_TRUE(cluster.drain());
        cluster.disk(node).fail_metadata(EIO);
        cluster.admin_begin(node, engine::Demote{});  // the superblock must say so
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(node) == DiskState::Diskless; }, 10s));
        cluster.disk(node).heal();
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.attach(node).ok());
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
