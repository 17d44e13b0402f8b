// Who has the better data: crashes, failover, split brain and its resolutions. Wire specification,
// sections 5 and 15.

#include "tests/sim/disk_metadata.h"
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

std::uint64_t current_uuid(Cluster& cluster, Node node) {
    return cluster.status(node).current_uuid & ~meta::kUuidPrimaryBit;
}

// Protocol C promises: a write the application saw completed is on both disks. Cut the power of the
// primary in the middle of a random load, promote the other node, and look for what is gone.
TEST(SimPrimaryCrash, ProtocolCLosesNoAckedWrite) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 200);
        cluster.run_for(seed * 1ms);
        if (seed % 2 == 0) {
            cluster.power_cut(Node::Alice, {.drop_unflushed = 0.5, .tear_in_flight = true});
        } else {
            cluster.kill(Node::Alice);
        }
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s));
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
        cluster.random_writes(Node::Bob, 30);
        cluster.run_for(20ms);

        // The old primary comes back with a damaged disk and must be repaired by resync alone.
        cluster.start(Node::Alice);
        cluster.check_convergence();
        EXPECT_EQ(cluster.status(Node::Bob).state.role, Role::Primary);
    });
}

// Variant of 15.1: nobody was promoted meanwhile. What the crashed primary has wins.
TEST(SimPrimaryCrash, WithoutFailoverTheCrashedPrimaryIsTheSource) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 2 == 0 ? Protocol::C : Protocol::A;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(seed * 1ms);
        cluster.kill(Node::Alice);
        cluster.run_for(seed % 3 == 0 ? 1ms : 20s);
        cluster.start(Node::Alice);
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 1u);
    });
}

TEST(SimCrash, BothNodesAtOnce) {
    over_seeds(30, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(seed * 1ms);
        cluster.power_cut(Node::Alice);
        cluster.run_for(seed % 4 * 100us);
        cluster.power_cut(Node::Bob);
        const Node first = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.start(first);
        cluster.start(other(first));
        cluster.check_convergence();
    });
}

TEST(SimCrash, SecondPowerCutDuringRecovery) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(10ms);
        cluster.power_cut(Node::Alice);
        for (std::uint64_t n = 0; n < 3; ++n) {
            cluster.host(Node::Alice).crash_after_effects(seed + n * 3, PowerCut{});
            cluster.start(Node::Alice);
            cluster.run_for(2s);
            cluster.power_cut(Node::Alice);
        }
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

TEST(SimSecondaryCrash, PrimaryGoesOnAndResyncsIt) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const auto before = current_uuid(cluster, Node::Alice);
        cluster.random_io(Node::Alice, 300, 60ms);
        cluster.run_for(seed * 2ms);
        if (seed % 2 == 0) {
            cluster.power_cut(Node::Bob);
        } else {
            cluster.kill(Node::Bob);
        }
        ASSERT_TRUE(cluster.drain());
        EXPECT_NE(current_uuid(cluster, Node::Alice), before);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// Both nodes become Primary while they cannot see each other.
void split(Cluster& cluster, std::size_t writes_of_bob) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.oracles().allow_data_loss();
    ASSERT_TRUE(cluster.promote(Node::Bob).ok());
    cluster.random_writes(Node::Alice, 40);
    cluster.random_writes(Node::Bob, writes_of_bob);
    cluster.run_for(1s);
    ASSERT_TRUE(cluster.drain());
}

bool both_stand_alone(Cluster& cluster) {
    return cluster.conn(Node::Alice) == ConnState::StandAlone &&
           cluster.conn(Node::Bob) == ConnState::StandAlone;
}

TEST(SimSplitBrain, BothGoStandAloneAndSaySo) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        split(cluster, 40);
        if (seed % 2 == 0) {
            cluster.demote(Node::Bob);
        }
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until([&] { return both_stand_alone(cluster); }, 60s));
        bool alert = false;
        for (const Node node : kNodes) {
            alert = alert || cluster.host(node).logged(
                                 "Split-Brain detected but unresolved, dropping connection!");
        }
        EXPECT_TRUE(alert);
        EXPECT_TRUE(cluster.host(Node::Alice).logged("uuid_compare()=100 by rule 90"));
    });
}

TEST(SimSplitBrain, DiscardMyDataMakesTheVictimTheTarget) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        split(cluster, 40);
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until([&] { return both_stand_alone(cluster); }, 60s));
        const Node victim = seed % 2 == 0 ? Node::Alice : Node::Bob;
        EXPECT_TRUE(cluster.demote(victim).ok());
        cluster.connect(seed % 3 == 0 ? victim : other(victim), seed % 3 == 0);
        cluster.run_for(seed * 30ms);
        cluster.connect(seed % 3 == 0 ? other(victim) : victim, seed % 3 != 0);
        cluster.check_convergence();
        EXPECT_TRUE(cluster.host(victim).logged("Sync from peer node"));
    });
}

struct Policy {
    const char* label;
    engine::AfterSplitBrain zero_primaries;
    engine::AfterSplitBrain one_primary;
    bool bob_is_secondary;
    bool alice_is_secondary;
    std::size_t writes_of_bob;
    Node winner;
};

class SimAfterSplitBrain : public testing::TestWithParam<Policy> {};

using After = engine::AfterSplitBrain;

INSTANTIATE_TEST_SUITE_P(
    Policies,
    SimAfterSplitBrain,
    testing::Values(
        Policy{"LeastChanges",
               After::DiscardLeastChanges,
               After::Disconnect,
               true,
               true,
               3,
               Node::Alice},
        Policy{"ZeroChanges",
               After::DiscardZeroChanges,
               After::Disconnect,
               true,
               true,
               0,
               Node::Alice},
        Policy{
            "Secondary", After::Disconnect, After::DiscardSecondary, true, false, 40, Node::Alice},
        Policy{"SecondaryTheOther",
               After::Disconnect,
               After::DiscardSecondary,
               false,
               true,
               3,
               Node::Bob},
        Policy{
            "Consensus", After::DiscardLeastChanges, After::Consensus, true, false, 3, Node::Alice},
        Policy{"ViolentlyAs0p",
               After::DiscardZeroChanges,
               After::ViolentlyAs0p,
               true,
               false,
               0,
               Node::Alice}),
    [](const auto& tested) { return tested.param.label; });

TEST_P(SimAfterSplitBrain, DecidesTheSameOnBothNodes) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.after_sb_0p = GetParam().zero_primaries;
        options.net.after_sb_1p = GetParam().one_primary;
        TestCluster cluster(options);
        split(cluster, GetParam().writes_of_bob);
        if (GetParam().bob_is_secondary) {
            EXPECT_TRUE(cluster.demote(Node::Bob).ok());
        }
        if (GetParam().alice_is_secondary) {
            EXPECT_TRUE(cluster.demote(Node::Alice).ok());
        }
        const auto winning = current_uuid(cluster, GetParam().winner);
        cluster.heal_link();
        cluster.check_convergence();
        EXPECT_EQ(current_uuid(cluster, Node::Alice), winning);
        EXPECT_EQ(current_uuid(cluster, Node::Bob), winning);
    });
}

TEST(SimSplitBrain, TwoPrimariesWithEqualDataAreRefused) {
    TestCluster cluster(with_seed(4));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    EXPECT_FALSE(cluster.promote(Node::Bob).ok());
    EXPECT_FALSE(cluster.promote(Node::Bob, true).ok());
    cluster.check_convergence();
}

TEST(SimGenerations, UnrelatedDataIsNotConnected) {
    TestCluster cluster(with_seed(1));
    cluster.start_fresh();
    EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
    EXPECT_TRUE(cluster.promote(Node::Bob, true).ok());
    cluster.oracles().allow_data_loss();
    cluster.connect_both();
    EXPECT_TRUE(cluster.run_until([&] { return both_stand_alone(cluster); }, 60s));
}

TEST(SimGenerations, ReplacedDiskIsSyncedFully) {
    over_seeds(5, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        cluster.run_for(1s);
        cluster.kill(Node::Bob);
        cluster.replace_disk(Node::Bob);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// Alice is Primary and source of a resync that is over in a moment.
void resync_one_block(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.write(Node::Alice, 0, 8);
    cluster.drain();
    cluster.heal_link();
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::SyncSource; }, 60s));
}

// The source missed the end of a resync (rules 34 and 36) or the target did (35 and 37): the power
// goes at every effect around it.
TEST(SimGenerations, EndOfResyncMayBeMissedByEitherNode) {
    for (std::uint64_t n = 0; n < 60 && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE(n);
        TestCluster cluster(with_seed(5));
        resync_one_block(cluster);
        const Node victim = n % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.host(victim).crash_after_effects(n / 2, PowerCut{});
        cluster.run_for(5s);
        cluster.power_cut(victim);
        cluster.start(victim);
        cluster.check_convergence();
    }
}

// The Primary writes alone and loses its disk; then a node comes that was its sync target. However
// far that had come, its data are no substitute: they lack the writes. Once the disk is back all is
// well.
void lose_the_only_good_disk(Cluster& cluster) {
    cluster.power_cut(Node::Bob);
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 60s));
    cluster.random_writes(Node::Alice, 40, 100ms);
    cluster.run_for(1s);
    cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Write, EIO);
    cluster.write(Node::Alice, 0, 8);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
    cluster.start(Node::Bob);
    cluster.run_for(3s);
    cluster.random_io(Node::Alice, 40, 100ms);
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.drain());
    EXPECT_LT(cluster.conn(Node::Alice), ConnState::Connected);
    cluster.disk(Node::Alice).heal();
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    if (cluster.conn(Node::Alice) == ConnState::StandAlone) {
        cluster.connect(Node::Alice);  // it had refused the other data
    }
    cluster.check_convergence();
}

TEST(SimGenerations, AnInvalidatedDiskIsNoSubstituteForTheSources) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.low_latency = 20ms;
        options.link.high_latency = 40ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.admin_begin(Node::Bob, engine::Invalidate{{0}});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncSource; }, 10s));
        cluster.run_for(seed * 2ms);
        lose_the_only_good_disk(cluster);
    });
}

// The target never heard of it: both bear one identifier. The source knows that, and still does
// after a restart.
TEST(SimGenerations, ATargetThatNeverHeardOfItIsNoSubstituteForItsSourceAfterARestart) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.run_for(1s);
        cluster.disk(Node::Bob).set_stuck(true);
        cluster.admin_begin(Node::Bob, engine::Invalidate{{0}});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncSource; }, 10s));
        cluster.power_cut(Node::Bob);
        cluster.disk(Node::Bob).set_stuck(false);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 60s));
        cluster.run_for(1s);
        cluster.kill(Node::Alice);
        cluster.start(Node::Alice);
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        lose_the_only_good_disk(cluster);
    });
}

TEST(SimGenerations, ATargetWhoseEndWasMissedIsNoSubstituteForTheSources) {
    for (std::uint64_t n = 0; n < 30 && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE(n);
        TestCluster cluster(with_seed(5));
        resync_one_block(cluster);
        cluster.host(Node::Bob).crash_after_effects(n, PowerCut{});
        cluster.run_for(5s);
        lose_the_only_good_disk(cluster);
    }
}

// Seed sim_random 7005730: a resync was repeated (rules 36 and 37), and its source forgot its end.
// When both have gone their own ways, they are relatives still: a split brain, which a person ends.
TEST(SimGenerations, WhoHasRepeatedAResyncAndPartedIsNoStranger) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.low_latency = 5ms;
        options.link.high_latency = 15ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.admin_begin(Node::Alice, engine::Invalidate{{0}});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::WFSyncUUID; }, 10s));
        cluster.run_for(seed * 1ms);
        cluster.cut_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 60s));
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncTarget; }, 60s));
        ASSERT_TRUE(cluster.run_until(
            [&] {
                return cluster.disk_state(Node::Alice) == DiskState::UpToDate &&
                       cluster.conn(Node::Bob) == ConnState::Connected;
            },
            60s));
        cluster.power_cut(Node::Bob, {.drop_unflushed = 1.0});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 60s));
        cluster.oracles().allow_data_loss();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_writes(Node::Alice, 20, 100ms);
        cluster.run_for(1s);
        cluster.kill(Node::Alice);
        cluster.start(Node::Bob, false);
        ASSERT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.random_writes(Node::Bob, 20, 100ms);
        cluster.run_for(1s);
        cluster.start(Node::Alice, false);
        cluster.connect_both();
        EXPECT_TRUE(cluster.run_until([&] { return both_stand_alone(cluster); }, 60s));
        EXPECT_TRUE(cluster.host(Node::Bob).logged("Split-Brain detected"));
        EXPECT_FALSE(cluster.host(Node::Bob).logged("Unrelated data"));
        ASSERT_TRUE(cluster.connect(Node::Bob).ok());
        ASSERT_TRUE(cluster.connect(Node::Alice, true).ok());
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
