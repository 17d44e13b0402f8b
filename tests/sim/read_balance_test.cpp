// Reads that go to the peer although our own copy is good. Specification of the configuration,
// section 4 (read-balancing); wire specification, section 6.10.

#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

ClusterOptions balanced(std::uint64_t seed, engine::ReadBalancing mode) {
    ClusterOptions options = with_seed(seed);
    options.disk.read_balancing = mode;
    return options;
}

// Whatever is written meanwhile, under each protocol, beside a peer that orders nothing.
TEST(SimReadBalance, AReadFindsWhatWasWrittenBefore) {
    over_seeds(30, [](std::uint64_t seed) {
        ClusterOptions options = balanced(seed, static_cast<engine::ReadBalancing>(seed % 11));
        constexpr Protocol kProtocols[] = {Protocol::A, Protocol::B, Protocol::C};
        options.protocol = kProtocols[seed % 3];
        options.net.explicit_flush = false;
        options.link.bytes_per_second = 20'000'000;
        TestCluster cluster(options);
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        for (int i = 0; i < 40; ++i) {
            cluster.random_io(Node::Alice, 20, 10ms);
            cluster.read(Node::Alice, 0, 64);
            cluster.run_for(12ms);
        }
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

std::uint64_t sectors_from_peer(TestCluster& cluster) {
    return cluster.status(Node::Alice).received_sectors;
}

TEST(SimReadBalance, GoesWhereTheModeSays) {
    using enum engine::ReadBalancing;
    const auto from_peer = [](engine::ReadBalancing mode) {
        TestCluster cluster(balanced(1, mode));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = sectors_from_peer(cluster);
        for (std::uint64_t i = 0; i < 64; ++i) {
            cluster.read(Node::Alice, i * 64, 8);  // 32 KiB apart
            EXPECT_TRUE(cluster.drain());
        }
        return (sectors_from_peer(cluster) - before) / 8;
    };
    EXPECT_EQ(from_peer(PreferLocal), 0u);
    EXPECT_EQ(from_peer(PreferRemote), 64u);
    EXPECT_EQ(from_peer(RoundRobin), 32u);
    EXPECT_EQ(from_peer(LeastPending), 0u);
    EXPECT_EQ(from_peer(WhenCongestedRemote), 0u);
    EXPECT_EQ(from_peer(Striping32K), 32u);
    EXPECT_EQ(from_peer(Striping1M), 32u);
}

// All at once: what is too much for our disk goes to the other one.
TEST(SimReadBalance, GoesAwayFromABusyDisk) {
    using enum engine::ReadBalancing;
    for (const engine::ReadBalancing mode : {LeastPending, WhenCongestedRemote}) {
        TestCluster cluster(balanced(1, mode));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = sectors_from_peer(cluster);
        for (std::uint64_t i = 0; i < 200; ++i) {
            cluster.read(Node::Alice, i * 8, 8);
        }
        EXPECT_TRUE(cluster.drain());
        const std::uint64_t from_peer = (sectors_from_peer(cluster) - before) / 8;
        EXPECT_EQ(from_peer, mode == LeastPending ? 100u : 72u);
    }
}

// The peer can't, or is gone: our own copy answers.
TEST(SimReadBalance, WhatThePeerDoesNotAnswerIsReadHere) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(balanced(seed, engine::ReadBalancing::PreferRemote));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50, 5ms);
        cluster.run_for(50ms);
        for (std::uint64_t i = 0; i < 50; ++i) {
            cluster.read(Node::Alice, i * 16, 8);
        }
        cluster.run_for(std::chrono::microseconds(seed * 100));
        switch (seed % 3) {
            case 0:
                cluster.disk(Node::Bob).fail_all(io::DiskOp::Kind::Read, EIO);
                break;
            case 1:
                cluster.power_cut(Node::Bob);
                break;
            default:
                cluster.cut_link();
                break;
        }
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.disk(Node::Bob).heal();
    });
}

// Our disk is gone, and the peer has the write in its memory at most: a kernel would read what was
// there before.
TEST(SimReadBalance, WithoutADiskAReadComesAfterTheWritesThatWereSent) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = balanced(seed, engine::ReadBalancing::PreferLocal);
        options.protocol = seed % 2 == 0 ? Protocol::A : Protocol::B;
        options.net.explicit_flush = false;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).set_latency({20ms, 60ms});
        for (std::uint64_t i = 0; i < 16; ++i) {
            cluster.write(Node::Alice, i * 8, 8);
        }
        cluster.run_for(10ms);
        cluster.disk(Node::Alice).fail_operation(1, EIO);
        for (std::uint64_t i = 0; i < 16; ++i) {
            cluster.read(Node::Alice, i * 8, 8);
        }
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

// What a verify has found to differ is ours that counts.
TEST(SimReadBalance, WhatIsMarkedIsReadHere) {
    ClusterOptions options = balanced(1, engine::ReadBalancing::PreferRemote);
    options.net.verify_alg = "crc32c";
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.write(Node::Alice, 0, 8);
    EXPECT_TRUE(cluster.drain());
    cluster.run_for(1s);
    std::vector<std::uint8_t> other(4096, 0x5a);
    cluster.disk(Node::Bob).poke(base::Sector{0}, other);
    EXPECT_TRUE(cluster.verify(Node::Alice).ok());
    cluster.run_for(5s);
    cluster.read(Node::Alice, 0, 8);
    EXPECT_TRUE(cluster.drain());
    EXPECT_EQ(cluster.failed_requests(), 0u);
}

}  // namespace
}  // namespace sim
