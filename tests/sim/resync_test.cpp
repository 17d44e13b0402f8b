// Initial and bitmap based resync, and everything that can interrupt one. Wire specification,
// sections 7, 8 and 15.

#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

void make_differences(Cluster& cluster, std::size_t writes) {
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.random_writes(Node::Alice, writes);
    cluster.run_for(1s);
    cluster.drain();
}

TEST(SimResync, InitialFullSyncFromTheForcedPrimary) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_fresh();
        if (seed % 2 == 0) {
            cluster.connect_both();
            cluster.run_for(10s);
            EXPECT_FALSE(cluster.promote(Node::Alice).ok());
            EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
        } else {
            EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
            cluster.random_writes(Node::Alice, 50);
            cluster.run_for(1s);
            cluster.connect_both();
        }
        cluster.random_io(Node::Alice, 50, 1s);
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 1u);
    });
}

TEST(SimResync, BitmapSyncCopiesOnlyWhatChanged) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.use_rle = seed % 2 == 0;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 20);
        const auto differing = cluster.oracles().differing(0).size();
        cluster.heal_link();
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 1u);
        EXPECT_LE(cluster.status(Node::Bob).received_sectors, (differing + 40) * 64);
    });
}

// Its role, while the source only waits for the end: that was the peer's last word on it.
TEST(SimResync, WhatTheTargetSaysAtItsEndIsHeard) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.low_latency = 20ms;
        options.link.high_latency = 60ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.invalidate(Node::Bob);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status(Node::Bob).state.conn == ConnState::SyncTarget; }, 10s));
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status(Node::Bob).state.conn == ConnState::Connected; }, 300s));
        cluster.run_for(seed * 2ms);
        cluster.demote(Node::Bob);
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(1s);
        EXPECT_EQ(cluster.status(Node::Alice).state.peer, engine::Role::Secondary);
        EXPECT_TRUE(cluster.promote(Node::Alice).ok());
    });
}

// The bits that it cleared would come back from a disk that lost its cache, and be copied again.
TEST(SimResync, APowerCutLongAfterItsEndCopiesNothingAgain) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 20);
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(5s);
        const Node victim = seed % 2 == 0 ? Node::Bob : Node::Alice;
        if (victim == Node::Alice) {
            cluster.demote(Node::Alice);
        }
        cluster.run_for(5s);
        const std::uint64_t received = cluster.status(Node::Bob).received_sectors;
        cluster.power_cut(victim);
        cluster.run_for(1s);
        cluster.start(victim);
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_EQ(cluster.status(Node::Alice).received_sectors +
                      cluster.status(Node::Bob).received_sectors -
                      (victim == Node::Bob ? 0 : received),
                  0u);
    });
}

TEST(SimResync, ApplicationWritesGoOnDuringIt) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 200);
        cluster.heal_link();
        cluster.random_io(Node::Alice, 500, 3s);
        cluster.check_convergence();
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 1u);  // the first one comes to its end
    });
}

enum class Blow { KillSource, KillTarget, CutSource, CutTarget, ResetLink, CutLink };

void strike(Cluster& cluster, Blow blow) {
    switch (blow) {
        case Blow::KillSource:
            return cluster.kill(Node::Alice);
        case Blow::KillTarget:
            return cluster.kill(Node::Bob);
        case Blow::CutSource:
            return cluster.power_cut(Node::Alice);
        case Blow::CutTarget:
            return cluster.power_cut(Node::Bob);
        case Blow::ResetLink:
            return cluster.net().reset_connections();
        case Blow::CutLink:
            cluster.cut_link();
            cluster.run_for(30s);
            return cluster.heal_link();
    }
}

class SimResyncBroken : public testing::TestWithParam<Blow> {};

std::string blow_name(const testing::TestParamInfo<Blow>& tested) {
    const char* const names[] = {
        "KillSource", "KillTarget", "CutSource", "CutTarget", "ResetLink", "CutLink"};
    return names[static_cast<int>(tested.param)];
}

INSTANTIATE_TEST_SUITE_P(Blows,
                         SimResyncBroken,
                         testing::Values(Blow::KillSource,
                                         Blow::KillTarget,
                                         Blow::CutSource,
                                         Blow::CutTarget,
                                         Blow::ResetLink,
                                         Blow::CutLink),
                         blow_name);

// From the bitmap exchange to the end: struck at ever later moments, twice, then left alone.
TEST_P(SimResyncBroken, IsFinishedAfterwards) {
    for (std::uint64_t seed = 1; seed <= 25 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 100);
        cluster.heal_link();
        for (int i = 0; i < 2; ++i) {
            cluster.run_until([&] { return cluster.conn(Node::Bob) >= ConnState::WFBitMapT; }, 60s);
            cluster.run_for(seed * 700us);
            strike(cluster, GetParam());
            cluster.run_for(seed * 10ms);
            cluster.start(Node::Alice);
            cluster.start(Node::Bob);
        }
        cluster.check_convergence();
    }
}

// What the target has confirmed may still be in its disk's cache, while the source has cleared the
// bits: until a flush the target's own bitmap remembers them.
TEST(SimResync, APowerCutOfTheTargetLosesNoBlock) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.bytes_per_second = 1'000'000;
        options.latency.high = 30ms;
        TestCluster cluster(options);
        cluster.start_fresh();
        cluster.promote(Node::Alice, true);
        cluster.random_writes(Node::Alice, 60, 100ms);
        cluster.drain();
        cluster.connect_both();
        for (int cut = 0; cut < 3; ++cut) {
            cluster.run_for(2s + 37ms * static_cast<std::int64_t>(seed) + 1100ms * cut);
            PowerCut power;
            power.drop_unflushed = 1.0;
            cluster.power_cut(Node::Bob, power);
            cluster.start(Node::Bob);
        }
        cluster.check_convergence();
    });
}

TEST(SimResync, TargetThatLostItsSourceIsNotPromoted) {
    TestCluster cluster(with_seed(3));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    make_differences(cluster, 100);
    cluster.heal_link();
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 60s));
    cluster.kill(Node::Alice);
    cluster.run_for(20s);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Inconsistent);
    EXPECT_FALSE(cluster.promote(Node::Bob).ok());
    cluster.start(Node::Alice);
    cluster.check_convergence();
}

TEST(SimResync, PrimaryTargetReadsGoodDataFromItsSource) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        if (seed % 2 == 0) {
            options.link.bytes_per_second = 2'000'000;  // most is read before it is copied
        }
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 200);
        cluster.demote(Node::Alice);
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 60s));
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.random_io(Node::Bob, 200, 1s);
        cluster.check_convergence();
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

TEST(SimResync, TwoVolumesAtOnce) {
    over_seeds(5, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.volumes = 2;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        make_differences(cluster, 200);
        cluster.heal_link();
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 2u);
    });
}

TEST(SimResync, InvalidateCopiesEverything) {
    over_seeds(4, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        cluster.run_for(100ms);
        cluster.drain();
        EXPECT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.invalidate(Node::Bob).ok());
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 10s));
        cluster.random_io(Node::Alice, 50, 1s);
        cluster.check_convergence();
        EXPECT_TRUE(cluster.invalidate_remote(Node::Alice).ok());
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncSource; }, 10s));
        cluster.check_convergence();
    });
}

// Seed sim_fenced 491: the connection ends before the source has begun. Both bear one identifier
// then, and what was written meanwhile is on one side only: that the data were declared bad is all
// that says which side.
TEST(SimResync, InvalidDataStayInvalidWhenTheConnectionEndsBeforeTheSourceBegins) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency.low = 5ms;
        options.latency.high = 60ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 60, 300ms);
        cluster.run_for(200ms);
        cluster.admin_begin(Node::Bob, engine::InvalidateRemote{{0}});
        ASSERT_TRUE(cluster.run_until(
            [&] {
                return cluster.conn(Node::Alice) ==
                       (seed % 2 == 0 ? ConnState::StartingSyncT : ConnState::WFSyncUUID);
            },
            10s));
        cluster.oracles().allow_data_loss();  // declared bad by a person
        cluster.kill(Node::Bob);
        cluster.run_for(seed * 50ms);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

TEST(SimResync, AnInvalidationThatWasAnsweredIsRemembered) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.run_for(1s);
        if (seed % 2 == 0) {
            ASSERT_TRUE(cluster.disconnect(Node::Bob).ok());
        }
        ASSERT_TRUE(cluster.invalidate(Node::Bob).ok());
        cluster.power_cut(Node::Bob, {.drop_unflushed = 1.0});
        cluster.power_cut(Node::Alice, {.drop_unflushed = 1.0});
        cluster.start(Node::Alice);
        cluster.start(Node::Bob);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 30s));
        cluster.check_convergence();
    });
}

// There are no others, and nothing has been written over them yet. Whoever is Primary, and whether
// the target still sets its bits or waits for the source (wide fenced seed 9800000693).
TEST(SimResync, WhereTheSourceLosesItsDiskInvalidDataAreGoodAgain) {
    over_seeds(60, [](std::uint64_t seed) {
        const Node primary = seed % 2 == 0 ? Node::Alice : Node::Bob;
        const ConnState when = seed % 3 == 0 ? ConnState::StartingSyncT : ConnState::WFSyncUUID;
        ClusterOptions options = with_seed(seed);
        options.latency.low = 10ms;
        options.latency.high = 60ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(primary);
        cluster.random_writes(primary, 20);
        EXPECT_TRUE(cluster.drain());
        cluster.disk(Node::Bob).set_latency({1ms, 5ms});
        cluster.random_writes(primary, 200, 200ms);
        if (seed % 5 == 0) {
            cluster.admin_begin(Node::Alice, engine::InvalidateRemote{{0}});
        } else {
            cluster.admin_begin(Node::Bob, engine::Invalidate{{0}});
        }
        ASSERT_TRUE(cluster.run_until([&] { return cluster.conn(Node::Bob) == when; }, 10s));
        cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Write, EIO);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::Diskless; }, 10s));
        cluster.run_for(3s);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        cluster.random_io(primary, 40, 1s);
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.drain());
        if (primary == Node::Alice) {  // for a moment no good disk has what the other one writes
            EXPECT_EQ(cluster.failed_requests(), 0u);
        }
        cluster.disk(Node::Alice).heal();
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// A power cut at any moment of that: what the Primary has acknowledged since is still its own.
TEST(SimResync, InvalidDataThatAreGoodAgainSurviveAPowerCut) {
    over_seeds(80, [](std::uint64_t seed) {
        const ConnState when = seed % 3 == 0 ? ConnState::StartingSyncT : ConnState::WFSyncUUID;
        ClusterOptions options = with_seed(seed);
        options.latency = {5ms, 20ms};
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.random_writes(Node::Bob, 20);
        EXPECT_TRUE(cluster.drain());
        cluster.random_writes(Node::Bob, 100, 200ms);
        cluster.admin_begin(Node::Bob, engine::Invalidate{{0}});
        ASSERT_TRUE(cluster.run_until([&] { return cluster.conn(Node::Bob) == when; }, 10s));
        cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Write, EIO);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::Diskless; }, 10s));
        cluster.run_for(seed * 1ms);
        cluster.power_cut(Node::Bob);
        cluster.disk(Node::Alice).heal();
        cluster.start(Node::Bob);
        cluster.run_for(
            30s);  // older data are refused while nobody is there who has the newer ones
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// Of either node, before it begins or in the middle, over a lost connection: nothing is copied, and
// all that is written reaches both.
TEST(SimResync, APauseHoldsItUntilBothNodesAgree) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.c_max_rate_kib = 2'048;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const Node pauser = seed % 2 == 0 ? Node::Alice : Node::Bob;
        const bool before = seed % 3 == 0;
        if (before) {
            EXPECT_TRUE(cluster.pause_sync(pauser, true).ok());
        }
        EXPECT_TRUE(cluster.invalidate_remote(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until(
            [&] {
                return cluster.conn(Node::Bob) ==
                       (before ? ConnState::PausedSyncT : ConnState::SyncTarget);
            },
            10s));
        cluster.run_for(seed * 20ms);
        if (!before) {
            EXPECT_TRUE(cluster.pause_sync(pauser, true).ok());
        }
        EXPECT_EQ(cluster.pause_sync(pauser, true).code, 134);
        cluster.run_for(2s);
        const std::uint64_t left = cluster.status(Node::Bob).out_of_sync_bits;
        ASSERT_GT(left, 0u);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::PausedSyncS);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::PausedSyncT);
        cluster.random_io(Node::Alice, 8, 2s);
        EXPECT_TRUE(cluster.pause_sync(other(pauser), true).ok());
        if (seed % 4 == 0) {
            cluster.net().reset_connections();
        }
        cluster.run_for(20s);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.pause_sync(pauser, false).ok());
        EXPECT_EQ(cluster.pause_sync(pauser, false).code, 135);
        cluster.run_for(5s);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::PausedSyncT);
        EXPECT_GT(cluster.status(Node::Bob).out_of_sync_bits, 0u);
        EXPECT_TRUE(cluster.pause_sync(other(pauser), false).ok());
        cluster.check_convergence();
        EXPECT_TRUE(cluster.host(Node::Bob).logged("Syncer continues."));
    });
}

// resync-after: beside a pause by hand, and known again after a connection is lost.
TEST(SimResync, WaitsForItsTurnAndForWhoPausedIt) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.c_max_rate_kib = 2'048;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const Node waiting = seed % 2 == 0 ? Node::Alice : Node::Bob;
        EXPECT_TRUE(cluster.invalidate_remote(Node::Alice).ok());
        cluster.run_for(seed * 20ms);
        cluster.resync_turn(waiting, true);
        EXPECT_TRUE(cluster.pause_sync(waiting, true).ok());
        cluster.run_for(1s);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::PausedSyncS);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::PausedSyncT);
        EXPECT_TRUE(cluster.status(other(waiting)).state.peer_isp);
        cluster.random_io(Node::Alice, 50, 500ms);
        if (seed % 3 == 0) {
            cluster.net().reset_connections();
        }
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.pause_sync(waiting, false).ok());
        cluster.run_for(5s);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::PausedSyncT);
        EXPECT_GT(cluster.status(Node::Bob).out_of_sync_bits, 0u);
        cluster.resync_turn(waiting, false);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

TEST(SimResync, SourceReadErrorLeavesTheBlockMarked) {
    TestCluster cluster(with_seed(2));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    cluster.write(Node::Alice, 80, 8);
    cluster.write(Node::Alice, 800, 8);
    cluster.drain();
    cluster.disk(Node::Alice).add_bad_sector({80});
    cluster.heal_link();
    cluster.run_for(30s);
    EXPECT_NE(cluster.disk_state(Node::Bob), DiskState::UpToDate);
    EXPECT_TRUE(cluster.oracles().differing(0).contains(10));
}

// The second one is asked for while the first is being agreed on: it comes to nothing, or each node
// waits for a resync that the other one does not begin (fenced wide seed 9860008532).
TEST(SimResync, AFullSyncIsNotAgreedOnTwice) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.high_latency = 2ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(seed % 2 == 0 ? Node::Alice : Node::Bob);
        std::vector<engine::AdminId> commands;
        for (std::uint64_t i = 0; i < 3; ++i) {
            commands.push_back(cluster.admin_begin(Node::Bob, engine::Invalidate{{0}}));
            cluster.run_for(seed * 200us);
        }
        cluster.run_for(5s);
        for (const engine::AdminId command : commands) {
            EXPECT_TRUE(cluster.answer(command).answered);
        }
        EXPECT_TRUE(cluster.answer(commands.front()).ok());
        cluster.check_convergence();
    });
}

// The peer answers after the administrator has been: it begins then all the same, and that was not
// denied (fenced wide seed 9860011742).
TEST(SimResync, AFullSyncThatThePeerAgreesToLateTakesPlace) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.ping_timeout = 2s;
        options.latency.high = 30ms;  // the peer is still beginning when it hears of us again
        TestCluster cluster(options);
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(seed % 3 == 0 ? Node::Alice : Node::Bob).ok());
        cluster.cut_link(Node::Bob);
        const AdminResult answer =
            seed % 2 == 0 ? cluster.invalidate(Node::Bob) : cluster.invalidate_remote(Node::Bob);
        EXPECT_TRUE(answer.still_running) << answer.text;
        EXPECT_NE(answer.text.find("the peer's answer"), std::string::npos) << answer.text;
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until([&] { return cluster.oracles().resyncs_begun() == 1; }, 20s));
        ASSERT_TRUE(cluster.run_until_in_sync(60s));
        EXPECT_FALSE(cluster.host(Node::Alice).logged("Connection closed"));
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
