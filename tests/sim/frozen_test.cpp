// I/O that is frozen although nobody has asked for it: fencing resource-and-stonith. That nothing
// is answered before the verdict is an oracle of every run. Configuration specification,
// section 13.2.
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

ClusterOptions stonith(std::uint64_t seed) {
    constexpr Protocol kProtocols[] = {Protocol::C, Protocol::B, Protocol::A};
    ClusterOptions options = with_seed(seed);
    options.protocol = kProtocols[seed % 3];
    options.fencing = engine::Fencing::ResourceAndStonith;
    options.net.explicit_flush = seed % 2 == 0;
    return options;
}

std::uint64_t generation(Cluster& cluster, Node node) {
    return cluster.status(node).current_uuid & ~std::uint64_t{1};
}

// In the middle of its work, whose peer is gone now.
void freeze_alice(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.random_io(Node::Alice, 40, 60ms);
    cluster.run_for(25ms);
    cluster.net().reset_connections();
    cluster.cut_link();
    EXPECT_TRUE(cluster.run_until([&] { return cluster.status(Node::Alice).state.susp_fen; }, 30s));
    cluster.run_for(100ms);
}

TEST(SimFrozen, UntilTheHandlerHasDealtWithThePeer) {
    over_seeds(24, [](std::uint64_t seed) {
        TestCluster cluster(stonith(seed));
        cluster.fence_time = 5s;
        freeze_alice(cluster);
        const std::uint64_t before = generation(cluster, Node::Alice);
        const std::size_t open = cluster.open_requests();
        EXPECT_GT(open, 0u);
        EXPECT_STREQ(cluster.status(Node::Alice).held_back_by, "fencing");
        cluster.run_for(3s);
        EXPECT_EQ(cluster.open_requests(), open);
        EXPECT_EQ(generation(cluster, Node::Alice), before);
        EXPECT_TRUE(cluster.drain());
        EXPECT_FALSE(cluster.status(Node::Alice).state.frozen());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, DiskState::Outdated);
        EXPECT_NE(generation(cluster, Node::Alice), before);
        cluster.heal_link();
        cluster.check_convergence();
    });
}

// What was on its way may be on one disk alone, and both disks are of one generation.
TEST(SimFrozen, ABrokenHandlerLeavesItToThePeersReturn) {
    over_seeds(48, [](std::uint64_t seed) {
        TestCluster cluster(stonith(seed));
        cluster.fence_exit_code = 1;
        freeze_alice(cluster);
        const std::uint64_t before = generation(cluster, Node::Alice);
        if (seed % 4 == 0) {
            cluster.power_cut(Node::Bob);
            cluster.start(Node::Bob);
        } else if (seed % 4 == 1) {
            cluster.kill(Node::Bob);
            cluster.start(Node::Bob);
        }
        cluster.run_for(20s);
        EXPECT_GT(cluster.open_requests(), 0u);
        EXPECT_TRUE(cluster.status(Node::Alice).state.susp_fen);
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until([&] { return cluster.open_requests() == 0; }, 60s));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(generation(cluster, Node::Alice), before);
        cluster.check_convergence();
        EXPECT_EQ(generation(cluster, Node::Alice), before);
        EXPECT_EQ(generation(cluster, Node::Bob), before);
    });
}

// Where nothing was on its way nothing is copied.
TEST(SimFrozen, AnIdleOneGoesOnWithoutAResync) {
    TestCluster cluster(stonith(3));
    cluster.fence_exit_code = 1;
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.write(Node::Alice, 0, 8);
    cluster.flush(Node::Alice);
    cluster.run_for(5s);
    const std::uint64_t resyncs = cluster.oracles().resyncs_begun();
    cluster.cut_link();
    cluster.run_for(20s);
    const RequestNumber waits = cluster.write(Node::Alice, 8, 8);
    const RequestNumber reads = cluster.read(Node::Alice, 0, 8);
    cluster.run_for(20s);
    EXPECT_FALSE(cluster.finished(waits));
    EXPECT_FALSE(cluster.finished(reads));
    cluster.heal_link();
    cluster.run_for(10s);
    EXPECT_EQ(cluster.result(waits), 0);
    EXPECT_EQ(cluster.result(reads), 0);
    EXPECT_EQ(cluster.oracles().resyncs_begun(), resyncs);
    cluster.check_convergence();
}

TEST(SimFrozen, WhatTheExitCodesSay) {
    struct Case {
        int exit_code;
        bool thaws;
        DiskState peer;
    };

    const Case cases[] = {{0, false, DiskState::DUnknown},
                          {1, false, DiskState::DUnknown},
                          {3, true, DiskState::Inconsistent},
                          {4, true, DiskState::Outdated},
                          {5, true, DiskState::Outdated},
                          {6, false, DiskState::DUnknown},
                          {7, true, DiskState::Outdated},
                          {20, false, DiskState::DUnknown},
                          {-1, false, DiskState::DUnknown}};
    for (const Case& one : cases) {
        SCOPED_TRACE(one.exit_code);
        TestCluster cluster(stonith(3));
        cluster.fence_exit_code = one.exit_code;
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const std::uint64_t before = generation(cluster, Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        const RequestNumber write = cluster.write(Node::Alice, 0, 8);
        cluster.run_for(5s);
        EXPECT_EQ(cluster.finished(write), one.thaws);
        EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, one.peer);
        EXPECT_EQ(generation(cluster, Node::Alice) != before, one.thaws);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        if (!one.thaws) {
            EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
        }
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_NE(generation(cluster, Node::Alice), before);
        cluster.heal_link();
        cluster.check_convergence();
    }
}

// Its word is of the time before: the peer has come back and gone again since.
TEST(SimFrozen, ALateVerdictIsNone) {
    TestCluster cluster(stonith(3));
    cluster.fence_exit_code = 4;
    cluster.fence_time = 20s;
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.net().reset_connections();
    cluster.run_for(5s);
    EXPECT_EQ(cluster.conn(Node::Alice), ConnState::Connected);
    cluster.cut_link();
    cluster.net().reset_connections();
    cluster.run_for(1s);
    cluster.write(Node::Alice, 0, 8);
    cluster.run_for(16s);
    EXPECT_TRUE(cluster.status(Node::Alice).state.susp_fen);
    EXPECT_EQ(cluster.open_requests(), 1u);
    EXPECT_TRUE(cluster.drain());  // the second call's
    cluster.heal_link();
    cluster.check_convergence();
}

TEST(SimFrozen, APausedResyncDoesNotHoldItUp) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(stonith(seed));
        cluster.fence_exit_code = 1;
        freeze_alice(cluster);
        cluster.pause_sync(Node::Bob, true);
        cluster.heal_link();
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.pause_sync(Node::Bob, false);
        cluster.check_convergence();
    });
}

TEST(SimFrozen, ADemotionSaysWhatItWaitsFor) {
    TestCluster cluster(stonith(3));
    cluster.fence_exit_code = 1;
    freeze_alice(cluster);
    const AdminResult refused = cluster.demote(Node::Alice);
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(refused.text.find("resume-io"), std::string::npos) << refused.text;
    cluster.heal_link();
    EXPECT_TRUE(cluster.drain());
    EXPECT_TRUE(cluster.demote(Node::Alice).ok());
    cluster.check_convergence();
}

// Nobody waits for it: it parts with nothing, and the peer need not be outdated for it.
TEST(SimFrozen, AnIdleOneMayBeDemotedAndItsPeerPromoted) {
    TestCluster cluster(stonith(3));
    cluster.fence_exit_code = 1;
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.run_for(5s);
    const std::uint64_t before = generation(cluster, Node::Alice);
    cluster.cut_link();
    cluster.run_for(20s);
    EXPECT_TRUE(cluster.demote(Node::Alice).ok());
    EXPECT_FALSE(cluster.status(Node::Alice).state.frozen());
    EXPECT_EQ(generation(cluster, Node::Alice), before);
    cluster.heal_link();
    cluster.check_convergence();
    EXPECT_EQ(generation(cluster, Node::Bob), before);
}

// The power of either node goes at each effect of the freeze, of the verdict and of the return. The
// survivor of a Primary has it fenced, is promoted and writes; all is well in the end.
void cut_power_at_each_effect(Node victim, bool handler_works) {
    for (std::uint64_t n = 0; n < 120 && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE("effect " + std::to_string(n) + " of " + name(victim));
        TestCluster cluster(stonith(n));
        cluster.fence_time = 1s;
        if (!handler_works) {
            cluster.fence_exit_code = 1;
        }
        freeze_alice(cluster);
        cluster.host(victim).crash_after_effects(n, PowerCut{});
        cluster.run_for(handler_works ? 3s : 1s);
        cluster.heal_link();
        cluster.run_for(5s);
        const bool reached = !cluster.host(victim).crash_armed();
        cluster.host(victim).crash_after_effects(~0ull, std::nullopt);
        if (reached && victim == Node::Alice && n % 2 == 0) {
            cluster.fence_exit_code.reset();
            cluster.fence_time = 30ms;
            cluster.run_for(5s);
            cluster.promote(Node::Bob);
            cluster.random_writes(Node::Bob, 8, 100ms);
            cluster.run_for(1s);
        }
        cluster.start(victim);
        cluster.check_convergence();
        if (!reached) {
            return;
        }
    }
}

TEST(SimFrozen, APowerCutOfThePrimaryAtEachEffect) {
    cut_power_at_each_effect(Node::Alice, true);
    cut_power_at_each_effect(Node::Alice, false);
}

TEST(SimFrozen, APowerCutOfThePeerAtEachEffect) {
    cut_power_at_each_effect(Node::Bob, true);
    cut_power_at_each_effect(Node::Bob, false);
}

}  // namespace
}  // namespace sim
