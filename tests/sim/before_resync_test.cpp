// The handler before-resync-target: it may take a snapshot of the data that a resync will
// overwrite, and it may forbid the resync. Configuration specification, section 13.2.

#include "tests/sim/sim_test.h"

#include <algorithm>

namespace sim {
namespace {

constexpr auto kBeforeResync = "before-resync-target";

void part_and_write(Cluster& cluster) {
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.random_writes(Node::Alice, 100);
    cluster.run_for(1s);
    cluster.drain();
}

long handler_count(Cluster& cluster) {
    const auto& handlers = cluster.host(Node::Bob).handlers();
    return std::count(handlers.begin(), handlers.end(), kBeforeResync);
}

bool handler_runs(Cluster& cluster, long wanted) {
    return cluster.run_until([&] { return handler_count(cluster) == wanted; }, 60s);
}

std::uint64_t received_by_bob(Cluster& cluster) {
    return cluster.status(Node::Bob).received_sectors;
}

TEST(SimBeforeResync, NothingIsTouchedUntilItHasEnded) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        part_and_write(cluster);
        cluster.before_resync_time = 20s;
        cluster.heal_link();
        ASSERT_TRUE(handler_runs(cluster, 1));
        const std::uint64_t before = received_by_bob(cluster);
        cluster.random_io(Node::Alice, 200, 5s);
        cluster.run_for(15s);
        EXPECT_TRUE(cluster.drain());  // the application goes on
        EXPECT_LT(cluster.conn(Node::Bob), ConnState::SyncTarget);
        EXPECT_EQ(received_by_bob(cluster), before);
        EXPECT_GE(cluster.disk_state(Node::Bob), DiskState::Outdated);
        cluster.check_convergence();
        EXPECT_EQ(handler_count(cluster), 1);
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

TEST(SimBeforeResync, AFailureForbidsIt) {
    for (const int code : {1, 3, 127, -1}) {
        SCOPED_TRACE(code);
        TestCluster cluster(with_seed(1));
        cluster.start_in_sync();
        part_and_write(cluster);
        const std::uint64_t before = received_by_bob(cluster);
        cluster.before_resync_exit_code = [code](Node, engine::VolumeNumber) { return code; };
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::StandAlone; }, 60s));
        EXPECT_TRUE(cluster.host(Node::Bob).logged("before-resync-target handler "));
        EXPECT_TRUE(cluster.host(Node::Bob).logged(", dropping connection."));
        cluster.random_writes(Node::Alice, 20);
        EXPECT_TRUE(cluster.drain());
        cluster.run_for(30s);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::StandAlone);
        EXPECT_EQ(received_by_bob(cluster), before);
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 0u);
        cluster.before_resync_exit_code = nullptr;
        EXPECT_TRUE(cluster.connect(Node::Bob).ok());
        cluster.check_convergence();
    }
}

// The other volume's resync, and all else, goes on beside it; and somebody can end the wait.
TEST(SimBeforeResync, OneThatNeverEndsKeepsNothingElse) {
    for (const Protocol protocol : {Protocol::C, Protocol::B, Protocol::A}) {
        ClusterOptions options = with_seed(2);
        options.volumes = 2;
        options.protocol = protocol;
        TestCluster cluster(options);
        cluster.start_in_sync();
        part_and_write(cluster);
        cluster.before_resync_exit_code = [](Node, engine::VolumeNumber volume) {
            return volume.value == 0 ? std::nullopt : std::optional(0);
        };
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Bob, 1) == DiskState::UpToDate; }, 60s));
        cluster.random_io(Node::Alice, 200, 5s);
        cluster.run_for(60s);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.conn(Node::Bob, 1), ConnState::Connected);
        EXPECT_LT(cluster.conn(Node::Bob, 0), ConnState::SyncTarget);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.disconnect(Node::Bob).ok());
        cluster.before_resync_exit_code = nullptr;
        EXPECT_TRUE(cluster.connect(Node::Bob).ok());
        cluster.check_convergence();
    }
}

// Its answer is none to the next one, which has to run for the next resync.
TEST(SimBeforeResync, AnAnswerOfAnEarlierConnectionCountsNoMore) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        part_and_write(cluster);
        cluster.before_resync_time = 20s;
        const int first = seed % 2 == 0 ? 1 : 0;  // the second one says the contrary
        cluster.before_resync_exit_code = [&](Node, engine::VolumeNumber) {
            return handler_count(cluster) == 1 ? first : 1 - first;
        };
        cluster.heal_link();
        ASSERT_TRUE(handler_runs(cluster, 1));
        cluster.run_for(5s);
        cluster.net().reset_connections();
        ASSERT_TRUE(handler_runs(cluster, 2));
        cluster.run_for(16s);  // the first has ended
        EXPECT_GE(cluster.conn(Node::Bob), ConnState::Connected);
        EXPECT_LT(cluster.conn(Node::Bob), ConnState::SyncTarget);
        cluster.run_for(10s);
        if (first == 0) {
            EXPECT_EQ(cluster.conn(Node::Bob), ConnState::StandAlone);
            cluster.before_resync_exit_code = nullptr;
            cluster.connect(Node::Bob);
        }
        cluster.check_convergence();
    });
}

// There the source does not wait for a bitmap of ours, and sends its writes at once.
TEST(SimBeforeResync, AResyncOfEverythingWaitsAsWell) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 3 == 0 ? Protocol::A : seed % 3 == 1 ? Protocol::B : Protocol::C;
        options.volumes = 2;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        EXPECT_TRUE(cluster.drain());
        cluster.before_resync_time = 20s;
        bool forbid = seed % 2 == 0;
        cluster.before_resync_exit_code = [&](Node, engine::VolumeNumber) {
            return forbid ? 1 : 0;
        };
        cluster.random_io(Node::Alice, 300, 10s);
        if (seed % 4 < 2) {
            EXPECT_TRUE(cluster.invalidate(Node::Bob).ok());
        } else {
            EXPECT_TRUE(cluster.invalidate_remote(Node::Alice).ok());
        }
        ASSERT_TRUE(handler_runs(cluster, 1));
        cluster.run_for(15s);
        EXPECT_TRUE(cluster.drain());
        EXPECT_LT(cluster.conn(Node::Bob), ConnState::SyncTarget);
        EXPECT_EQ(cluster.conn(Node::Bob, 1), ConnState::Connected);
        cluster.run_for(10s);
        if (forbid) {
            EXPECT_EQ(cluster.conn(Node::Bob), ConnState::StandAlone);
            forbid = false;
            cluster.connect(Node::Bob);
        }
        cluster.check_convergence();
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

// Whatever breaks while it runs, at ever later moments.
TEST(SimBeforeResync, ItIsSurvivedByEveryCrash) {
    for (std::uint64_t seed = 1; seed <= 40 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        part_and_write(cluster);
        cluster.before_resync_time = seed * 30ms;
        cluster.heal_link();
        if (seed % 2 == 0) {
            cluster.check_convergence();
            cluster.promote(Node::Alice);
            cluster.invalidate(Node::Bob);
        }
        cluster.random_io(Node::Alice, 200, 2s);
        handler_runs(cluster, seed % 2 == 0 ? 2 : 1);
        cluster.run_for(seed * 37ms);
        switch (seed / 2 % 4) {
            case 0:
                cluster.power_cut(Node::Alice);
                break;
            case 1:
                cluster.power_cut(Node::Bob);
                break;
            case 2:
                cluster.kill(Node::Bob);
                break;
            default:
                cluster.net().reset_connections();
        }
        cluster.run_for(3s);
        cluster.start(Node::Alice);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    }
}

}  // namespace
}  // namespace sim
