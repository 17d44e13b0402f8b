// A Primary that runs ahead of a congested link. Wire specification, section 6.12.

#include "tests/sim/sim_test.h"

#include <algorithm>
#include <cerrno>

namespace sim {
namespace {

ClusterOptions slow_link(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.protocol = Protocol::A;
    options.net.on_congestion = engine::OnCongestion::PullAhead;
    options.net.congestion_fill = 256;  // 128 KiB
    options.net.explicit_flush = seed % 2 == 0;
    options.link.bytes_per_second = 4'000'000;
    return options;
}

// Alice is Primary and ahead.
void run_ahead(TestCluster& cluster) {
    cluster.start_in_sync();
    ASSERT_TRUE(cluster.promote(Node::Alice).ok());
    cluster.random_writes(Node::Alice, 400, 100ms);
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::Ahead; }, 5s));
}

bool is_behind(TestCluster& cluster) {
    return cluster.conn(Node::Bob) == ConnState::Behind;
}

TEST(SimAhead, ACongestedLinkHoldsNobodyUp) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(slow_link(seed));
        run_ahead(cluster);
        ASSERT_TRUE(cluster.run_until([&] { return is_behind(cluster); }, 5s));
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
        EXPECT_FALSE(cluster.promote(Node::Bob).ok());
        EXPECT_TRUE(cluster.drain(1s));
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::Ahead);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.run_until_in_sync(30s));
        EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 0u);
        EXPECT_EQ(cluster.status(Node::Bob).out_of_sync_bits, 0u);
        EXPECT_TRUE(cluster.host(Node::Alice).logged("Congestion-fill threshold reached"));
        EXPECT_EQ(cluster.handlers_run("split-brain"), 0u);
        cluster.check_convergence();
    });
}

// Nothing is lost that was written while the peer was behind, whatever comes in between.
TEST(SimAhead, WhatIsWrittenIsNotLostWithAnything) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(slow_link(seed));
        run_ahead(cluster);
        cluster.run_for(std::chrono::milliseconds(seed * 37));
        const Node victim = seed % 3 == 0 ? Node::Bob : Node::Alice;
        switch (seed % 6) {
            case 0:
            case 1:
                cluster.power_cut(victim);
                break;
            case 2:
                cluster.kill(victim);
                break;
            case 3:
                cluster.net().reset_connections();
                break;
            case 4:
                EXPECT_TRUE(cluster.demote(Node::Alice).ok());
                cluster.net().reset_connections();
                break;
            default:
                cluster.disconnect(Node::Alice);
                cluster.random_writes(Node::Alice, 50, 10ms);
                break;
        }
        cluster.run_for(500ms);
        if (!cluster.host(victim).running()) {
            cluster.start(victim);
        }
        cluster.run_for(2s);
        cluster.connect(Node::Alice);
        cluster.check_convergence();
        EXPECT_EQ(cluster.handlers_run("split-brain"), 0u);
    });
}

// Our disk goes while the peer lacks what is on it: the peer's is none to go on with.
TEST(SimAhead, ADiskThatIsLostLeavesNoOldDataInUse) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(slow_link(seed));
        run_ahead(cluster);
        ASSERT_TRUE(cluster.run_until([&] { return is_behind(cluster); }, 5s));
        cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Write, EIO);
        cluster.random_writes(Node::Alice, 20, 10ms);
        cluster.run_for(3s);
        EXPECT_NE(cluster.status(Node::Alice).state.pdsk, DiskState::UpToDate);
        EXPECT_NE(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        cluster.disk(Node::Alice).heal();
        cluster.run_for(1s);
        cluster.attach(Node::Alice);
        cluster.connect(Node::Alice);  // it has left a peer that lacks what its applications saw
        cluster.check_convergence();
    });
}

TEST(SimAhead, ItMayEndTheConnectionInstead) {
    ClusterOptions options = slow_link(1);
    options.net.on_congestion = engine::OnCongestion::Disconnect;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.random_writes(Node::Alice, 400, 100ms);
    EXPECT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::StandAlone; }, 5s));
    EXPECT_TRUE(cluster.drain(2s));
    EXPECT_EQ(cluster.failed_requests(), 0u);
    cluster.connect(Node::Alice);
    cluster.check_convergence();
}

// Many extents of the activity log in use are congestion too.
TEST(SimAhead, ManyExtentsAreCongestion) {
    ClusterOptions options = slow_link(1);
    options.net.congestion_fill = 0;
    options.net.congestion_extents = 40;
    options.device_bytes = 320u << 20;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    for (std::uint64_t i = 0; i < 60; ++i) {
        cluster.write(Node::Alice, i * 8192, 128);
    }
    EXPECT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::Ahead; }, 1s));
    cluster.check_convergence();
}

// Under a protocol that promises two copies nobody runs ahead.
TEST(SimAhead, ItIsForProtocolAAlone) {
    ClusterOptions options = slow_link(1);
    options.protocol = Protocol::C;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.random_writes(Node::Alice, 400, 100ms);
    cluster.run_for(2s);
    EXPECT_FALSE(cluster.host(Node::Alice).logged("Ahead"));
    cluster.check_convergence();
}

// Adjusted while the peer is behind: a write waits until it gets it.
TEST(SimAhead, WithAnotherProtocolItComesBackFirst) {
    TestCluster cluster(slow_link(1));
    run_ahead(cluster);
    EXPECT_TRUE(cluster.drain(1s));
    engine::ResourceSettings settings = cluster.settings;
    settings.net.protocol = Protocol::C;
    settings.net.on_congestion = engine::OnCongestion::Block;
    EXPECT_TRUE(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).ok());
    ASSERT_EQ(cluster.conn(Node::Alice), ConnState::Ahead);
    cluster.write(Node::Alice, 0, 8);
    EXPECT_TRUE(cluster.run_until([&] { return cluster.open_requests() == 0; }, 10s));
    EXPECT_NE(cluster.conn(Node::Alice), ConnState::Ahead);
    EXPECT_TRUE(cluster.run_until_in_sync());
}

void cut_power(Node victim, std::uint64_t step) {
    for (std::uint64_t n = step;; n += 23) {
        TestCluster cluster(slow_link(n));
        run_ahead(cluster);
        cluster.host(victim).crash_after_effects(n, PowerCut{});
        const bool over = cluster.run_until(
            [&] { return !cluster.host(victim).crash_armed() || cluster.in_sync(); }, 60s);
        ASSERT_TRUE(over);
        const bool reached = !cluster.host(victim).crash_armed();
        cluster.host(victim).crash_after_effects(~0ull, std::nullopt);
        cluster.start(victim);
        cluster.run_for(1s);
        cluster.check_convergence();
        if (!reached || testing::Test::HasFailure()) {
            return;
        }
    }
}

TEST(SimAhead, APowerCutAtManyAnEffectUntilTheyAreInSync) {
    cut_power(Node::Alice, 1);
    cut_power(Node::Bob, 3);
}

// Its source has marked only what was written meanwhile; what is written now, while the handler may
// still forbid the resync, is left to it, and the source has to hear of that.
TEST(SimAhead, WhatIsWrittenWhileTheHandlerBeforeTheResyncRunsIsCopied) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(slow_link(seed));
        cluster.before_resync_time = 5s;
        run_ahead(cluster);
        const auto& handlers = cluster.host(Node::Bob).handlers();
        ASSERT_TRUE(cluster.run_until(
            [&] {
                return std::count(handlers.begin(), handlers.end(), "before-resync-target") > 0;
            },
            60s));
        for (std::uint64_t block = 0; block < 40; ++block) {
            cluster.write(Node::Alice, block * 128, 8);
            cluster.run_for(50ms);
        }
        EXPECT_NE(cluster.conn(Node::Bob), ConnState::SyncTarget);
        EXPECT_TRUE(cluster.run_until_in_sync(60s));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
