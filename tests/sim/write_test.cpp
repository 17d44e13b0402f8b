// The life of writes: protocols, epochs, flushes, overlaps, the activity log. Wire specification,
// section 6; metadata specification, section 4.

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

class SimWrites : public testing::TestWithParam<Protocol> {
protected:
    static ClusterOptions options(std::uint64_t seed) {
        ClusterOptions made = with_seed(seed);
        made.protocol = GetParam();
        return made;
    }
};

std::string protocol_name(const testing::TestParamInfo<Protocol>& tested) {
    const char* const names[] = {"", "A", "B", "C"};
    return names[static_cast<int>(tested.param)];
}

INSTANTIATE_TEST_SUITE_P(Protocols,
                         SimWrites,
                         testing::Values(Protocol::A, Protocol::B, Protocol::C),
                         protocol_name);

TEST_P(SimWrites, ReachBothDisks) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 200, 100ms);
        cluster.run_for(100ms);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

TEST_P(SimWrites, OverlappingWritesEndTheSameOnBothNodes) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        for (std::uint64_t i = 0; i < 60; ++i) {
            cluster.write(Node::Bob, i * 5 % 16, 1 + i % 24);
            cluster.run_for(100us);
        }
        EXPECT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

TEST_P(SimWrites, EpochsOfFewWritesAreAcknowledgedInOrder) {
    over_seeds(5, [](std::uint64_t seed) {
        ClusterOptions made = options(seed);
        made.net.max_epoch_size = 3;
        made.volumes = 2;
        TestCluster cluster(made);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 200);
        cluster.run_for(100ms);
        EXPECT_TRUE(cluster.drain());
        cluster.check_convergence();
        EXPECT_EQ(cluster.status(Node::Alice).pending, 0u);
        EXPECT_EQ(cluster.status(Node::Bob).unacked, 0u);
    });
}

TEST_P(SimWrites, SmallSendBufferOnlySlowsThemDown) {
    over_seeds(5, [](std::uint64_t seed) {
        ClusterOptions made = options(seed);
        made.link.send_buffer = 3000;
        made.link.bytes_per_second = 5'000'000;
        made.net.max_buffers = 32;
        TestCluster cluster(made);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(20ms);
        EXPECT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

std::size_t barriers(TestCluster& cluster) {
    const std::string trace = cluster.world().trace.last(1000);
    const std::string wanted = "alice Barrier ";
    std::size_t count = 0;
    for (auto at = trace.find(wanted); at != std::string::npos; at = trace.find(wanted, at + 1)) {
        ++count;
    }
    return count;
}

// Between two nodes that need no order of epochs, a barrier does not leave before the next write
// or, when none comes, a moment later.
TEST(SimBarrier, TravelsWithTheNextWrite) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    for (std::size_t sent = 0; sent < 3; ++sent) {
        cluster.write(Node::Alice, 8 * sent, 8);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(barriers(cluster), sent);
    }
    cluster.run_for(10ms);
    EXPECT_EQ(barriers(cluster), 3u);
    cluster.run_for(100ms);
    EXPECT_EQ(cluster.status(Node::Alice).pending, 0u);
    cluster.check_convergence();
}

// A flush covers the epoch before it.
TEST(SimBarrier, DoesNotWaitForTheApplicationsFlush) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.write(Node::Alice, 0, 8);
    ASSERT_TRUE(cluster.drain());
    cluster.flush(Node::Alice);
    EXPECT_EQ(barriers(cluster), 1u);
    ASSERT_TRUE(cluster.drain());
}

// A flush that was answered covers every write answered before it, on both nodes: any power cut
// may follow, of one node or of both at once.
TEST(SimFlush, UnderProtocolCSurvivesAnyPowerCut) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        cluster.run_for(20ms);
        ASSERT_TRUE(cluster.drain());
        const RequestNumber flush = cluster.flush(Node::Alice);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(flush), 0);
        const PowerCut cut{.drop_unflushed = 1.0};
        cluster.power_cut(Node::Alice, cut);
        if (seed % 2 == 0) {
            cluster.power_cut(Node::Bob, cut);
            cluster.start(Node::Bob, false);
        } else {
            ASSERT_TRUE(cluster.run_until(
                [&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s));
        }
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
        cluster.start(Node::Alice);
        cluster.connect(Node::Bob);
        cluster.check_convergence();
    });
}

// Under A and B the promise is the primary's own disk.
TEST_P(SimWrites, FlushedWritesSurviveThePrimarysPowerCut) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        cluster.run_for(20ms);
        ASSERT_TRUE(cluster.drain());
        const RequestNumber flush = cluster.flush(Node::Alice);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(flush), 0);
        cluster.power_cut(Node::Alice, {.drop_unflushed = 1.0});
        cluster.run_for(10s);
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

TEST_P(SimWrites, FuaIsDurableOnItsOwn) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        for (std::uint64_t i = 0; i < 20; ++i) {
            cluster.write(Node::Alice, i * 8, 8, {.volume = 0, .fua = true});
        }
        ASSERT_TRUE(cluster.drain());
        cluster.power_cut(Node::Alice, {.drop_unflushed = 1.0});
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

TEST(SimActivityLog, EvictionsKeepEveryDifferenceCovered) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.device_bytes = 400u << 20;
        options.disk.al_extents = 67;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        if (seed % 2 == 0) {
            cluster.cut_link();  // the evicted extents have bits to save
            cluster.run_for(30s);
        }
        for (std::uint64_t i = 0; i < 300; ++i) {
            cluster.write(Node::Alice, i * 37 % 99 * 8192 + i, 8);
            cluster.run_for(500us);
        }
        if (seed % 3 == 0) {
            cluster.power_cut(Node::Alice, {.drop_unflushed = 1.0});
            cluster.start(Node::Alice);
        }
        cluster.heal_link();
        cluster.drain();
        cluster.check_convergence();
    });
}

TEST(SimActivityLog, WriteAcrossTwoExtentsTakesBoth) {
    over_seeds(5, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.write(Node::Alice, 8192 - 4, 8);
        ASSERT_TRUE(cluster.drain());
        EXPECT_TRUE(cluster.host(Node::Alice).engine().is_al_active({0}, 0));
        EXPECT_TRUE(cluster.host(Node::Alice).engine().is_al_active({0}, 1));
        EXPECT_FALSE(cluster.host(Node::Bob).engine().is_al_active({0}, 0));
    });
}

TEST(SimDiscards, DiscardAndZeroingAreReplicated) {
    over_seeds(6, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.can_discard = seed % 2 == 0;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.write(Node::Alice, 0, 64);
        cluster.drain();
        const RequestNumber zeroed = cluster.write_zeroes(Node::Alice, 3, 50);
        const RequestNumber discarded = cluster.discard(Node::Alice, 1000, 8192);
        cluster.read(Node::Alice, 0, 64);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(zeroed), 0);
        EXPECT_EQ(cluster.result(discarded), 0);
        cluster.read(Node::Alice, 0, 64);
        ASSERT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

TEST(SimWritesRefused, OnASecondary) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    const RequestNumber request = cluster.write(Node::Alice, 0, 8);
    ASSERT_TRUE(cluster.drain());
    EXPECT_NE(cluster.result(request), 0);
    cluster.check_convergence();
}

}  // namespace
}  // namespace sim
