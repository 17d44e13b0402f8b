// Fencing and the word of a cluster manager. Configuration specification, section 13.2; the
// simulated handler outdates the peer over another network, as drbd-peer-outdater does.

#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

ClusterOptions fenced(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.fencing = engine::Fencing::ResourceOnly;
    return options;
}

int code(engine::StateCode state) {
    return static_cast<int>(state);
}

TEST(SimFencing, ThePeerOfALonelyPrimaryIsOutdatedAndNotPromoted) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 40, 20s);
        cluster.run_for(20s);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
        EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, DiskState::Outdated);
        EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::NoUpToDateDisk));
        cluster.heal_link();
        cluster.check_convergence();
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
    });
}

TEST(SimFencing, AnOutdatedDiskStaysSoOverARestart) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(20s);
    cluster.power_cut(Node::Alice);
    cluster.power_cut(Node::Bob);
    cluster.start(Node::Bob);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::NoUpToDateDisk));
    cluster.heal_link();
    cluster.start(Node::Alice);
    cluster.check_convergence();
}

TEST(SimFencing, ASurvivorIsPromotedWhenTheHandlerFindsThePeerDead) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(1s);
        cluster.power_cut(Node::Alice);
        EXPECT_TRUE(cluster.admin(Node::Bob, engine::PeerDead{}).ok());
        EXPECT_LT(cluster.conn(Node::Bob), ConnState::WFReportParams);
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        EXPECT_EQ(cluster.status(Node::Bob).state.pdsk, DiskState::Outdated);
        cluster.random_writes(Node::Bob, 40, 1s);
        cluster.run_for(1s);
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// Only the connection between them is gone, and the other one still works.
TEST(SimFencing, APromotionBesideALivingPrimaryOutdatesItself) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.fence_exit_code = 1;  // Alice's own handler does not get through
    cluster.cut_link();
    cluster.run_for(20s);
    cluster.fence_exit_code.reset();
    const AdminResult slow = cluster.promote(Node::Bob);
    EXPECT_EQ(slow.code, code(engine::StateCode::InTransientState)) << slow.text;
    cluster.run_for(2s);
    EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::NoUpToDateDisk));
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    cluster.heal_link();
    cluster.check_convergence();
}

TEST(SimFencing, ABrokenHandlerNeverPromotesWithoutForce) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.fence_exit_code = 0;
    cluster.cut_link();
    cluster.run_for(20s);
    EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::PrimaryNop));
    EXPECT_TRUE(cluster.promote(Node::Bob, true).ok());
    EXPECT_TRUE(cluster.host(Node::Bob).logged("Forced into split brain situation!"));
    cluster.heal_link();
    cluster.check_convergence();
}

// After a crash it is not known whether the peer went on: the disk is only Consistent.
TEST(SimFencing, ARestartedNodeAsksBeforeItUsesItsData) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.fence_network = false;
    cluster.power_cut(Node::Bob);
    cluster.start(Node::Bob);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Consistent);
    EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::NoUpToDateDisk));
    cluster.heal_link();
    cluster.check_convergence();
}

// Its target is as good as it then, and may be promoted.
TEST(SimFencing, ASourceThatCrashesAtTheEndDoesNotTakeItsTargetForOutdated) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(20s);
        EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, DiskState::Outdated);
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Bob) == DiskState::UpToDate; }, 60s));
        cluster.power_cut(Node::Alice);
        cluster.start(Node::Alice, false);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Consistent);
        cluster.connect(Node::Alice);
        cluster.check_convergence();
    });
}

TEST(SimFencing, APrimaryThatDisconnectsOutdatesThePeer) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const Node leaving = seed % 2 == 0 ? Node::Alice : Node::Bob;
        ASSERT_TRUE(cluster.disconnect(leaving).ok());
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
        cluster.run_for(2s);  // the connection may end before the answer: then the handler asks
        EXPECT_EQ(cluster.status(Node::Alice).state.pdsk, DiskState::Outdated);
        cluster.random_writes(Node::Alice, 20, 1s);
        cluster.run_for(1s);
        cluster.connect(leaving);
        cluster.check_convergence();
    });
}

// The target of a resync is Primary, and the connection breaks before its end. It may still answer
// reads with what it has got: the source takes its place only when it has been asked.
TEST(SimFencing, ASourceIsNotPromotedBesideItsPrimaryTarget) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 40, 1s);
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(1s);
        cluster.admin_begin(Node::Alice, engine::Attach{{0}, cluster.disk(Node::Alice).geometry()});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncTarget; }, 10s));
        cluster.cut_link();
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s));
        EXPECT_FALSE(cluster.promote(Node::Bob).ok());
        cluster.run_for(2s);
        EXPECT_FALSE(cluster.promote(Node::Bob).ok());
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        ASSERT_TRUE(cluster.demote(Node::Alice).ok());
        cluster.promote(Node::Bob);  // answered before the handler has ended
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.heal_link();
        cluster.check_convergence();
    });
}

// It has come to the end of the resync, and its source does not hear of it: somebody may work with
// it. The source was told "Inconsistent" last.
TEST(SimFencing, ATargetThatMayHaveFinishedIsFencedLikeAnyOther) {
    over_seeds(20, [](std::uint64_t seed) {
        const bool primary = seed % 2 == 0;
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.power_cut(Node::Alice);
        cluster.run_for(20s);
        cluster.random_writes(Node::Bob, 40, 1s);
        cluster.run_for(1s);
        if (primary) {
            cluster.demote(Node::Bob);
        }
        cluster.start(Node::Alice);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::SyncTarget; }, 30s));
        if (primary) {
            cluster.admin_begin(Node::Alice, engine::Promote{});
        }
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::UpToDate; }, 60s));
        cluster.cut_link();
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s));
        cluster.run_for(2s);
        EXPECT_GE(cluster.status(Node::Bob).state.pdsk, DiskState::Outdated);
        if (primary) {
            cluster.promote(Node::Bob);
            cluster.run_for(2s);
            EXPECT_FALSE(cluster.promote(Node::Bob).ok());
        } else {
            EXPECT_FALSE(cluster.promote(Node::Alice).ok());
        }
        cluster.heal_link();
        cluster.check_convergence();
    });
}

// Nobody knows what is on a disk that is not attached: no answer is "worse than outdated", which
// would make the other node's data the newest. Only a peer that can be heard, and has data that are
// UpToDate, is told what the kernel says.
TEST(SimFencing, OutdateMakesNoLostDiskBetter) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    ASSERT_TRUE(cluster.detach(Node::Bob).ok());
    const auto outdated = [&] { return cluster.admin(Node::Bob, engine::Outdate{{0}}).code; };
    EXPECT_EQ(outdated(), code(engine::StateCode::LowerThanOutdated));
    cluster.cut_link();
    EXPECT_EQ(outdated(), code(engine::StateCode::IsDiskless));
    cluster.run_for(20s);
    EXPECT_EQ(outdated(), code(engine::StateCode::IsDiskless));
    cluster.heal_link();
    cluster.run_for(20s);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
    ASSERT_TRUE(cluster.attach(Node::Bob).ok());
    cluster.check_convergence();
}

// Seed sim_fenced 42172: the disk with the newest data can't be read. Its node must not say that it
// is "worse than outdated", which would make the other's older data the newest.
TEST(SimFencing, ADiskThatCouldNotBeReadVouchesForNoOther) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.power_cut(Node::Bob);
        cluster.run_for(20s);
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(2s);
        cluster.power_cut(Node::Alice);
        cluster.cut_link();
        cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Read, EIO);
        cluster.start(Node::Alice, false);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        cluster.start(Node::Bob, seed % 2 == 0);
        for (int i = 0; i < 3; ++i) {
            EXPECT_FALSE(cluster.promote(Node::Bob).ok());
            cluster.run_for(2s);
        }
        EXPECT_LT(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        cluster.disk(Node::Alice).heal();
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.heal_link();
        for (const Node node : kNodes) {
            cluster.connect(node);
        }
        cluster.check_convergence();
    });
}

// Seed sim_fenced 48147: the Primary has no disk, and then no connection either. It is a Primary
// all the same: the other one is not promoted beside it. And that one has the newest data although
// no bit tells so: nobody outdates them.
TEST(SimFencing, APrimaryWithoutADiskIsNotJoinedByAnother) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        ASSERT_TRUE(cluster.detach(Node::Bob).ok());
        cluster.random_writes(Node::Bob, seed % 3 * 20, 1s);
        cluster.run_for(2s);
        cluster.cut_link();
        ASSERT_TRUE(cluster.run_until(
            [&] {
                return cluster.conn(Node::Alice) < ConnState::Connected &&
                       cluster.conn(Node::Bob) < ConnState::Connected;
            },
            30s));
        for (int i = 0; i < 3; ++i) {
            EXPECT_FALSE(cluster.promote(Node::Alice).ok());
            cluster.run_for(2s);
        }
        EXPECT_TRUE(cluster.demote(Node::Bob).ok());
        EXPECT_TRUE(cluster.attach(Node::Bob).ok());
        for (int i = 0; i < 3; ++i) {
            EXPECT_FALSE(cluster.promote(Node::Bob).ok());
            cluster.run_for(2s);
        }
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        cluster.heal_link();
        cluster.check_convergence();
    });
}

TEST(SimFencing, OutdateIsRefusedByAPrimaryAndNoticedOnlyWhenAlone) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::Outdate{{0}}).ok());
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(20s);
    EXPECT_EQ(cluster.admin(Node::Alice, engine::Outdate{{0}}).code,
              code(engine::StateCode::NoUpToDateDisk));
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::Outdate{{0}}).ok());
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    cluster.heal_link();
    cluster.check_convergence();
}

// The Primary has noticed the loss of the connection, the node that it fences has not yet.
TEST(SimFencing, ANodeThatStillSeemsConnectedIsOutdated) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link(Node::Bob);  // he still hears her for a while
        cluster.run_for(9500ms + seed * 50ms);
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 40, 1s);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) < ConnState::Connected; }, 30s));
        cluster.run_for(2s);
        cluster.power_cut(Node::Alice);
        cluster.run_until([&] { return cluster.conn(Node::Bob) < ConnState::Connected; }, 30s);
        EXPECT_EQ(cluster.promote(Node::Bob).code, code(engine::StateCode::NoUpToDateDisk));
        cluster.heal_link();
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// It has fenced its peer and gone on: nobody has what it wrote, whatever the peer finds when it
// asks.
TEST(SimFencing, WhoHasFencedItsPeerIsNotOutdatedByIt) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.power_cut(Node::Bob);
    cluster.run_for(20s);
    cluster.random_writes(Node::Alice, 40, 1s);
    cluster.run_for(1s);
    cluster.cut_link();
    cluster.demote(Node::Alice);
    cluster.start(Node::Bob);
    cluster.promote(Node::Bob);
    cluster.run_for(2s);
    EXPECT_FALSE(cluster.promote(Node::Bob).ok());
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    cluster.heal_link();
    cluster.check_convergence();
}

TEST(SimFencing, AnOutdatedDiskStaysSoBesideAPeerWithoutADisk) {
    TestCluster cluster(fenced(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(20s);
    cluster.random_writes(Node::Alice, 40, 1s);
    cluster.run_for(1s);
    cluster.demote(Node::Alice);
    cluster.detach(Node::Alice);
    cluster.heal_link();
    cluster.run_for(20s);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    cluster.attach(Node::Alice);
    cluster.check_convergence();
}

// What the answer to a disconnect says of the disk outlives any power cut after it.
TEST(SimFencing, ADisconnectIsAnsweredWhenOutdatedIsStored) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(fenced(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        ASSERT_TRUE(cluster.disconnect(Node::Bob).ok());
        cluster.power_cut(Node::Bob, {.drop_unflushed = 1.0});
        cluster.start(Node::Bob, false);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
        cluster.connect(Node::Bob);
        cluster.check_convergence();
    });
}

// Its answer was waited for while it was suspected: nothing is left to wait for.
TEST(SimFencing, ASuspectThatHasNotAnsweredIsGivenUpAtOnce) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 40, 1s);
        cluster.run_for(1s);
        cluster.power_cut(Node::Alice);
        EXPECT_TRUE(cluster.admin(Node::Bob, engine::PeerSuspect{}).ok());
        cluster.run_for(200ms);
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::Connected);
        const auto declared = cluster.now();
        EXPECT_TRUE(cluster.admin(Node::Bob, engine::PeerDead{}).ok());
        EXPECT_LT(cluster.now() - declared, 50ms);
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

// At any moment of a connection's life: one that lives stays, whatever is suspected or declared.
TEST(SimFencing, ASuspectThatAnswersStays) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100, 3s);
        ASSERT_TRUE(cluster.disconnect(Node::Bob).ok());
        cluster.run_for(500ms);
        cluster.connect(Node::Bob);
        for (int i = 0; i < 40; ++i) {
            const Node node = i % 2 == 0 ? Node::Alice : Node::Bob;
            EXPECT_TRUE(cluster.admin(node, engine::PeerSuspect{}).ok());
            cluster.run_for(std::chrono::milliseconds(1 + seed % 7 * 10));
            const bool connected = cluster.conn(node) >= ConnState::Connected;
            const bool given_up = cluster.admin(node, engine::PeerDead{}).ok();
            EXPECT_FALSE(connected && given_up) << i;
            EXPECT_TRUE(!connected || cluster.conn(node) >= ConnState::Connected) << i;
        }
        cluster.check_convergence();
    });
}

// A cluster manager that lost all its own paths: the replication link still says who lives.
TEST(SimFencing, APeerThatAnswersIsNotDead) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100, 2s);
        cluster.run_for(1s);
        EXPECT_FALSE(cluster.admin(Node::Bob, engine::PeerDead{}).ok());
        EXPECT_EQ(cluster.conn(Node::Bob), ConnState::Connected);
        EXPECT_FALSE(cluster.promote(Node::Bob).ok());
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
