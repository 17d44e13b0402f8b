// The administrator's commands. Wire specification, sections 4.4, 4.6 and 9.1.

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

TEST(SimRoles, SwitchoverMovesThePrimary) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        const Protocol protocols[] = {Protocol::A, Protocol::B, Protocol::C};
        options.protocol = protocols[seed % 3];
        TestCluster cluster(options);
        cluster.start_in_sync();
        Node primary = Node::Alice;
        ASSERT_TRUE(cluster.promote(primary).ok());
        for (int i = 0; i < 4; ++i) {
            cluster.random_io(primary, 30, 10ms);
            cluster.run_for(10ms);
            ASSERT_TRUE(cluster.drain());
            ASSERT_TRUE(cluster.demote(primary).ok());
            primary = other(primary);
            ASSERT_TRUE(cluster.promote(primary).ok());
        }
        cluster.check_convergence();
        EXPECT_EQ(cluster.oracles().resyncs_begun(), 0u);
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

TEST(SimRoles, BothPromotingAtOnceGivesAtMostOnePrimary) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        const engine::AdminId ids[] = {
            cluster.admin_begin(Node::Alice, engine::Promote{}),
            (cluster.run_for(seed * 10us), cluster.admin_begin(Node::Bob, engine::Promote{}))};
        cluster.run_for(5s);
        const int primaries =
            (cluster.answer(ids[0]).ok() ? 1 : 0) + (cluster.answer(ids[1]).ok() ? 1 : 0);
        EXPECT_LE(primaries, 1);
        cluster.check_convergence();
    });
}

TEST(SimRoles, PromotionOfAnInconsistentDiskNeedsForce) {
    TestCluster cluster(with_seed(1));
    cluster.start_fresh();
    const AdminResult refused = cluster.promote(Node::Alice);
    EXPECT_EQ(refused.code, static_cast<int>(engine::StateCode::NoUpToDateDisk));
    EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
}

TEST(SimRoles, DisconnectLeavesThePeerWaiting) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const Node initiator = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(5ms);
        EXPECT_TRUE(cluster.disconnect(initiator, seed % 3 == 0).ok());
        EXPECT_EQ(cluster.conn(initiator), ConnState::StandAlone);
        cluster.run_for(2s);
        EXPECT_EQ(cluster.conn(other(initiator)), ConnState::WFConnection);
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(1s);
        EXPECT_TRUE(cluster.connect(initiator).ok());
        cluster.check_convergence();
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

TEST(SimRoles, BothDisconnectingAtOnceIsAnswered) {
    over_seeds(30, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.admin_begin(Node::Alice, engine::Disconnect{});
        cluster.run_for(seed * 15us);
        cluster.admin_begin(Node::Bob, engine::Disconnect{});
        cluster.run_for(5s);
        cluster.connect_both();
        cluster.check_convergence();
    });
}

TEST(SimRoles, DownClosesEverythingAndUpBringsItBack) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(20ms);
        EXPECT_TRUE(cluster.down(Node::Bob).ok());
        EXPECT_FALSE(cluster.host(Node::Bob).volume(0).attached);
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(1s);
        EXPECT_TRUE(cluster.attach(Node::Bob).ok());
        EXPECT_TRUE(cluster.connect(Node::Bob).ok());
        cluster.check_convergence();
    });
}

TEST(SimRoles, CommandsAreAnsweredWhileTheLinkIsCut) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(5ms);
        cluster.cut_link();
        switch (seed % 5) {
            case 0:
                cluster.demote(Node::Alice);
                break;
            case 1:
                cluster.disconnect(Node::Alice);
                break;
            case 2:
                cluster.oracles().allow_data_loss();  // without fencing that makes two of them
                cluster.promote(Node::Bob);
                break;
            case 3:
                cluster.detach(Node::Bob);
                break;
            default:
                cluster.down(Node::Bob);
                break;
        }
        cluster.run_for(60s);
    });
}

// The role is that of the resource: a volume that was not named must be fit by itself.
TEST(SimRoles, ForceIsForTheNamedVolumeOnly) {
    ClusterOptions options = with_seed(1);
    options.volumes = 2;
    TestCluster fresh(options);
    fresh.start_fresh();
    const AdminResult refused =
        fresh.admin(Node::Alice, engine::Promote{true, engine::VolumeNumber{0}});
    EXPECT_EQ(refused.code, static_cast<int>(engine::StateCode::NoUpToDateDisk));
    EXPECT_NE(refused.text.find("only volume 0 was forced"), std::string::npos);
    for (std::size_t volume = 0; volume < 2; ++volume) {
        EXPECT_EQ(fresh.disk_state(Node::Alice, volume), DiskState::Inconsistent);
    }
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.disconnect(Node::Bob);
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::Outdate{{1}}).ok());
    EXPECT_FALSE(cluster.promote(Node::Bob).ok());
    EXPECT_FALSE(cluster.admin(Node::Bob, engine::Promote{true, engine::VolumeNumber{0}}).ok());
    EXPECT_EQ(cluster.disk_state(Node::Bob, 1), DiskState::Outdated);
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::Promote{true, engine::VolumeNumber{1}}).ok());
    EXPECT_EQ(cluster.disk_state(Node::Bob, 1), DiskState::UpToDate);
}

// The peer has agreed for one volume, and was not asked for the other when the time was over: it
// must not go on taking us for a Primary, or nobody could be promoted there.
TEST(SimRoles, APromotionThatIsTakenBackIsTakenBackForEachVolume) {
    ClusterOptions options = with_seed(1);
    options.volumes = 3;
    TestCluster cluster(options);
    cluster.start_in_sync();
    ASSERT_TRUE(cluster.promote(Node::Bob).ok());
    cluster.disk(Node::Bob, 1).set_stuck(true);
    EXPECT_TRUE(cluster.demote(Node::Bob).still_running);  // until the disk has stored it
    const AdminResult promoted = cluster.promote(Node::Bob);
    EXPECT_EQ(promoted.code, static_cast<int>(engine::StateCode::InTransientState))
        << promoted.text;
    EXPECT_FALSE(promoted.still_running);
    cluster.disk(Node::Bob, 1).set_stuck(false);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.host(Node::Alice).status().peer_role, Role::Secondary);
    EXPECT_TRUE(cluster.promote(Node::Alice).ok());
    cluster.check_convergence();
}

}  // namespace
}  // namespace sim
