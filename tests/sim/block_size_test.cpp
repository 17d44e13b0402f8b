// Disks with sectors of 4096 bytes, alone and beside such of 512: a request for a part of a sector
// is served wherever it comes from, and costs nobody the disk.

#include "tests/sim/sim_test.h"

#include <tuple>

namespace sim {
namespace {

using Blocks = std::tuple<std::uint32_t, std::uint32_t>;  // of alice's and bob's disk

class SimBlockSizes : public testing::TestWithParam<Blocks> {
protected:
    static ClusterOptions options(std::uint64_t seed) {
        ClusterOptions made = with_seed(seed);
        std::tie(made.block_bytes, made.bobs_block_bytes) = GetParam();
        made.protocol = seed % 3 == 0 ? Protocol::A : seed % 3 == 1 ? Protocol::B : Protocol::C;
        made.can_discard = seed % 2 == 0;
        return made;
    }
};

std::string blocks_name(const testing::TestParamInfo<Blocks>& tested) {
    return "Alice" + std::to_string(std::get<0>(tested.param)) + "Bob" +
           std::to_string(std::get<1>(tested.param));
}

INSTANTIATE_TEST_SUITE_P(Disks,
                         SimBlockSizes,
                         testing::Values(Blocks{512, 4096}, Blocks{4096, 512}, Blocks{4096, 4096}),
                         blocks_name);

TEST_P(SimBlockSizes, RequestsOfAnySizeAreServedOnBothNodes) {
    over_seeds(9, [](std::uint64_t seed) {
        ClusterOptions made = options(seed);
        made.volumes = 2;
        TestCluster cluster(made);
        cluster.start_in_sync();
        const Node node = seed % 2 == 0 ? Node::Alice : Node::Bob;
        ASSERT_TRUE(cluster.promote(node).ok());
        for (std::uint64_t i = 0; i < 40; ++i) {
            cluster.write(node, i * 3 % 24, 1 + i % 3);  // many in one block at once
        }
        cluster.random_io(node, 300, 200ms);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.status(node).logical_block_bytes, 4096u);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        cluster.check_convergence();
    });
}

// Also where the device does not end with a block, which a resync has to copy.
TEST_P(SimBlockSizes, ResyncAndPowerCutsAreSurvived) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions made = options(seed);
        made.disk.size_sectors = seed % 2 == 0 ? 0 : 16001;
        TestCluster cluster(made);
        cluster.start_fresh();
        ASSERT_TRUE(cluster.promote(Node::Alice, true).ok());
        cluster.connect_both();
        cluster.random_io(Node::Alice, 100, 1s);
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.random_io(Node::Alice, 100, 50ms);
        cluster.run_for(seed * 3ms);
        cluster.power_cut(seed % 3 == 0 ? Node::Bob : Node::Alice);
        cluster.run_for(2s);
        cluster.start(Node::Alice);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

TEST_P(SimBlockSizes, ANodeWithoutADiskReadsAndWritesPartsOfBlocks) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 50, 50ms);
        EXPECT_TRUE(cluster.drain());
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.random_io(Node::Alice, 200, 200ms);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// A disk that fails in the middle of reading, changing and writing.
TEST_P(SimBlockSizes, AFailingDiskIsStillNoticed) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 60, 30ms);
        cluster.disk(seed % 2 == 0 ? Node::Alice : Node::Bob).fail_operation(1 + seed * 3, EIO);
        cluster.run_for(200ms);
        EXPECT_TRUE(cluster.drain());
        for (const Node node : kNodes) {
            if (cluster.disk_state(node) == DiskState::Diskless) {
                cluster.disk(node).heal();
                cluster.attach(node);
            }
        }
        cluster.check_convergence();
    });
}

// A disk that tells of 512 and takes only 4096: a loop device that was changed, a file that moved.
TEST(SimBlockSize, ARequestThatADiskRefusesAsUnalignedIsNoFaultOfTheDisk) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 50, 20ms);
        cluster.run_for(10ms);
        cluster.disk(seed % 2 == 0 ? Node::Alice : Node::Bob).refuse_parts_of(4096);
        for (std::uint64_t i = 0; i < 40; ++i) {
            cluster.write(Node::Alice, 1000 + i * 3 % 24, 1 + i % 3);
        }
        cluster.random_io(Node::Alice, 200, 100ms);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        cluster.check_convergence();
    });
}

// What users were told to keep to while the peer was there holds when it is away.
TEST(SimBlockSize, TheLargerOneIsToldAlsoWhenThePeerIsGone) {
    ClusterOptions options = with_seed(1);
    options.bobs_block_bytes = 4096;
    TestCluster cluster(options);
    cluster.start_fresh();
    EXPECT_EQ(cluster.status(Node::Alice).logical_block_bytes, 512u);
    EXPECT_EQ(cluster.status(Node::Bob).logical_block_bytes, 4096u);
    cluster.connect_both();
    cluster.run_for(10s);
    EXPECT_EQ(cluster.status(Node::Alice).logical_block_bytes, 4096u);
    cluster.power_cut(Node::Bob);
    cluster.run_for(30s);
    EXPECT_EQ(cluster.status(Node::Alice).logical_block_bytes, 4096u);
}

TEST(SimBlockSize, SectorsThatTheMetadataDoNotFitAreRefusedAtAttach) {
    ClusterOptions options = with_seed(1);
    options.block_bytes = 8192;
    TestCluster cluster(options);
    cluster.start_fresh();
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
    EXPECT_TRUE(cluster.host(Node::Alice).logged("sectors of 8192 bytes"));
}

}  // namespace
}  // namespace sim
