// Disks that answer late, or not at all, while an administrator waits: a time-out changes an
// answer, never ownership or role. Design note "commands and time-outs".

#include "tests/sim/sim_test.h"

namespace sim {
namespace {

constexpr DiskLatency kSlow = {1200ms, 1800ms};

// "may still happen", in words that name the disk and not the peer.
void expect_still_running(const AdminResult& result) {
    EXPECT_TRUE(result.still_running) << result.code << " " << result.text;
    EXPECT_NE(result.text.find("local disk of volume"), std::string::npos) << result.text;
    EXPECT_NE(result.text.find("may still happen"), std::string::npos) << result.text;
    EXPECT_EQ(result.text.find("peer"), std::string::npos) << result.text;
}

AdminResult finally(Cluster& cluster, engine::AdminId id) {
    cluster.run_until([&] { return !cluster.answer(id).still_running; }, 600s);
    return cluster.answer(id);
}

engine::AdminId begin(Cluster& cluster, Node node, engine::AdminCommand command) {
    const engine::AdminId id = cluster.admin_begin(node, std::move(command));
    cluster.run_until([&] { return cluster.answer(id).answered; }, 2s);
    return id;
}

engine::AdminId begin_attach(Cluster& cluster, Node node, std::uint16_t volume = 0) {
    return begin(cluster, node, engine::Attach{{volume}, cluster.disk(node, volume).geometry()});
}

TEST(SimSlowDisk, AnAttachTakesAsLongAsItTakes) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.disk(Node::Alice).set_latency(kSlow);
        const engine::AdminId attach = begin_attach(cluster, Node::Alice);
        expect_still_running(cluster.answer(attach));
        // Another one does not get in between.
        EXPECT_EQ(cluster.attach(Node::Alice).code, 124);
        EXPECT_EQ(finally(cluster, attach).code, 0);
        EXPECT_GE(cluster.disk_state(Node::Alice), DiskState::Negotiating);
        cluster.disk(Node::Alice).set_latency({});
        cluster.check_convergence();
    });
}

TEST(SimSlowDisk, ADetachEndsTheAttachThatIsStillRunning) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.detach(Node::Bob).ok());
        cluster.disk(Node::Bob).set_latency(kSlow);
        const engine::AdminId attach = begin_attach(cluster, Node::Bob);
        cluster.run_for(std::chrono::milliseconds(seed * 700));
        const engine::AdminId detach =
            begin(cluster, Node::Bob, engine::Detach{{0}, seed % 2 == 0});
        EXPECT_EQ(finally(cluster, detach).code, 0);
        EXPECT_TRUE(finally(cluster, attach).answered);
        cluster.disk(Node::Bob).set_latency({});
        cluster.run_for(30s);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
        EXPECT_TRUE(cluster.attach(Node::Bob).ok());
        cluster.check_convergence();
    });
}

// A disk that is attached while a handshake is under way waits for its end.
TEST(SimSlowDisk, AnAttachThatWaitsForTheHandshakeCanBeTakenBack) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.detach(Node::Bob).ok());
        ASSERT_TRUE(cluster.disconnect(Node::Bob).ok());
        cluster.admin_begin(Node::Bob, engine::ConnectCommand{});
        cluster.run_for(std::chrono::milliseconds(seed * 7));
        cluster.admin_begin(Node::Bob, engine::Attach{{0}, cluster.disk(Node::Bob).geometry()});
        cluster.run_for(std::chrono::microseconds(seed * 900));
        EXPECT_TRUE(cluster.detach(Node::Bob, 0, true).ok());
        cluster.run_for(20s);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
        EXPECT_TRUE(cluster.attach(Node::Bob).ok());
        cluster.check_convergence();
    });
}

TEST(SimSlowDisk, AnAttachThatFailsLateSaysSo) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    ASSERT_TRUE(cluster.detach(Node::Bob).ok());
    cluster.disk(Node::Bob).set_latency(kSlow);
    cluster.disk(Node::Bob).fail_operation(2, EIO);
    const engine::AdminId attach = begin_attach(cluster, Node::Bob);
    expect_still_running(cluster.answer(attach));
    EXPECT_GT(finally(cluster, attach).code, 100);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
    cluster.disk(Node::Bob).set_latency({});
    EXPECT_TRUE(cluster.attach(Node::Bob).ok());
    cluster.check_convergence();
}

TEST(SimSlowDisk, APromotionGoesOnOrIsNoneAtAll) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.run_for(1s);
        const bool alone = seed % 2 == 0;
        if (alone) {
            cluster.kill(Node::Bob);
            cluster.run_for(20s);
        }
        cluster.disk(Node::Alice).set_latency(kSlow);
        const engine::AdminId promotion = begin(cluster, Node::Alice, engine::Promote{});
        expect_still_running(cluster.answer(promotion));
        // Who asks again is answered by the same promotion.
        const engine::AdminId again = begin(cluster, Node::Alice, engine::Promote{});
        EXPECT_NE(cluster.answer(again).text, "") << "done, before it is on the disk";
        EXPECT_EQ(finally(cluster, promotion).code, 0);
        EXPECT_EQ(cluster.host(Node::Alice).status().role, Role::Primary);
        EXPECT_TRUE(cluster.promote(Node::Alice).ok());

        const engine::AdminId demotion = begin(cluster, Node::Alice, engine::Demote{});
        expect_still_running(cluster.answer(demotion));
        EXPECT_EQ(finally(cluster, demotion).code, 0);
        EXPECT_EQ(cluster.host(Node::Alice).status().role, Role::Secondary);
        cluster.disk(Node::Alice).set_latency({});
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// The later command has the last word, and the earlier one does not come back as done.
TEST(SimSlowDisk, ADemotionOvertakesAPromotionThatIsStillRunning) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.run_for(1s);
    cluster.disk(Node::Alice).set_latency(kSlow);
    const engine::AdminId promotion = begin(cluster, Node::Alice, engine::Promote{});
    const engine::AdminId demotion = begin(cluster, Node::Alice, engine::Demote{});
    EXPECT_EQ(finally(cluster, demotion).code, 0);
    EXPECT_NE(finally(cluster, promotion).code, 0);
    EXPECT_EQ(cluster.host(Node::Alice).status().role, Role::Secondary);
    cluster.disk(Node::Alice).set_latency({});
    cluster.check_convergence();
}

// Nobody answers, and the disk is not to blame: the promotion is withdrawn, for good.
TEST(SimSlowDisk, APromotionThatThePeerDoesNotAnswerHasNotHappened) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.ping_timeout = 2s;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.run_for(1s);
        cluster.cut_link(seed % 2 == 0 ? Node::Alice : Node::Bob);
        const AdminResult result = cluster.promote(Node::Alice);
        EXPECT_FALSE(result.still_running);
        EXPECT_EQ(result.code, static_cast<int>(engine::StateCode::InTransientState));
        EXPECT_NE(result.text.find("no answer from the peer"), std::string::npos) << result.text;
        EXPECT_EQ(result.text.find("disk"), std::string::npos) << result.text;
        cluster.heal_link();
        cluster.run_for(30s);
        EXPECT_EQ(cluster.host(Node::Alice).status().role, Role::Secondary);
        cluster.check_convergence();
    });
}

// Without a disk of our own nothing is promised before the peer has begun the new generation.
TEST(SimSlowDisk, APromotionThatWaitsForThePeersGenerationNamesThePeer) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    ASSERT_TRUE(cluster.detach(Node::Alice).ok());
    cluster.run_for(1s);
    cluster.disk(Node::Bob).set_latency(kSlow);
    const engine::AdminId promotion = begin(cluster, Node::Alice, engine::Promote{});
    const AdminResult answer = cluster.answer(promotion);
    EXPECT_TRUE(answer.still_running) << answer.code;
    EXPECT_NE(answer.text.find("the peer"), std::string::npos) << answer.text;
    EXPECT_EQ(answer.text.find("disk"), std::string::npos) << answer.text;
    EXPECT_EQ(finally(cluster, promotion).code, 0);
    cluster.disk(Node::Bob).set_latency({});
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.check_convergence();
}

// What the peer has to be asked waits for our own disk: that one is named.
TEST(SimSlowDisk, ARequestThatCannotLeaveDoesNotBlameThePeer) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.run_for(1s);
    cluster.disk(Node::Alice).set_latency(kSlow);
    begin(cluster, Node::Alice, engine::Promote{});
    begin(cluster, Node::Alice, engine::Demote{});
    const AdminResult result = cluster.promote(Node::Alice);
    EXPECT_EQ(result.code, static_cast<int>(engine::StateCode::InTransientState));
    EXPECT_NE(result.text.find("local disk of volume 0"), std::string::npos) << result.text;
    cluster.run_for(30s);
    EXPECT_EQ(cluster.host(Node::Alice).status().role, Role::Secondary);
    EXPECT_EQ(cluster.host(Node::Bob).status().peer_role, Role::Secondary);
    cluster.disk(Node::Alice).set_latency({});
    cluster.check_convergence();
}

TEST(SimSlowDisk, AnOutdateIsDurableBeforeItIsDone) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.cut_link();
    cluster.run_for(20s);
    cluster.disk(Node::Bob).set_latency(kSlow);
    const engine::AdminId outdate = begin(cluster, Node::Bob, engine::Outdate{{0}});
    expect_still_running(cluster.answer(outdate));
    EXPECT_EQ(finally(cluster, outdate).code, 0);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Outdated);
    cluster.heal_link();
    cluster.disk(Node::Bob).set_latency({});
    cluster.check_convergence();
}

TEST(SimSlowDisk, VolumesAttachAndDetachBesideEachOther) {
    ClusterOptions options = with_seed(1);
    options.volumes = 4;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.run_for(1s);
    for (const bool attach : {false, true}) {
        std::vector<engine::AdminId> ids;
        for (std::uint16_t volume = 0; volume < 4; ++volume) {
            SimDisk& disk = cluster.disk(Node::Bob, volume);
            disk.set_latency(volume == 0 ? DiskLatency{20s, 21s} : kSlow);
            ids.push_back(
                attach ? cluster.admin_begin(Node::Bob, engine::Attach{{volume}, disk.geometry()})
                       : cluster.admin_begin(Node::Bob, engine::Detach{{volume}}));
        }
        cluster.run_for(19s);
        for (std::uint16_t volume = 0; volume < 4; ++volume) {
            const AdminResult result = cluster.answer(ids[volume]);
            EXPECT_EQ(result.still_running, volume == 0) << result.text;
            EXPECT_EQ(cluster.disk_state(Node::Bob, volume) == DiskState::UpToDate,
                      attach && volume != 0);
        }
        EXPECT_EQ(finally(cluster, ids[0]).code, 0);
    }
}

// Even where another volume's disk never answers.
TEST(SimSlowDisk, ADownGoesOnUntilTheDisksAreFree) {
    ClusterOptions options = with_seed(1);
    options.volumes = 2;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.disk(Node::Bob, 1).set_stuck(true);
    const engine::AdminId down = begin(cluster, Node::Bob, engine::Down{});
    expect_still_running(cluster.answer(down));
    EXPECT_NE(cluster.connect(Node::Bob).code, 0);
    EXPECT_NE(cluster.attach(Node::Bob, 0).code, 0);
    cluster.run_for(30s);
    EXPECT_TRUE(cluster.answer(down).still_running);
    EXPECT_TRUE(cluster.detach(Node::Bob, 1, true).ok());
    EXPECT_TRUE(cluster.answer(down).ok()) << cluster.answer(down).text;
}

// --- detach --force ---

// At once, and the requests with it: through the peer, or with an error.
TEST(SimHungDisk, AForcedDetachReleasesWhatWaits) {
    over_seeds(30, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        const Protocol protocols[] = {Protocol::A, Protocol::B, Protocol::C};
        options.protocol = protocols[seed % 3];
        TestCluster cluster(options);
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        const bool alone = seed % 5 == 0;
        if (alone) {
            cluster.kill(Node::Bob);
            cluster.run_for(20s);
        }
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(std::chrono::microseconds(seed * 500));
        const Node hung = seed % 2 == 0 || alone ? Node::Alice : Node::Bob;
        cluster.disk(hung).set_stuck(true);
        cluster.run_for(2s);
        const io::Instant before = cluster.now();
        EXPECT_TRUE(cluster.detach(hung, 0, true).ok());
        EXPECT_LT(cluster.now() - before, 1ms);
        EXPECT_TRUE(cluster.drain(2s)) << "requests wait for a disk that is none any more";
        EXPECT_EQ(cluster.disk_state(hung), DiskState::Diskless);
        if (!alone) {
            EXPECT_EQ(cluster.failed_requests(), 0u);
        }
        // It still works for its former owner: nobody else gets it.
        if (cluster.disk(hung).outstanding() > 0) {
            EXPECT_EQ(cluster.attach(hung).code, 114);
        }
        cluster.random_io(Node::Alice, 50, 20ms);
        cluster.run_for(1s);
        cluster.disk(hung).heal();  // now it answers, late
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.attach(hung).ok());
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// An orderly detach that hangs, an attach that hangs, a disk that has failed and hangs.
TEST(SimHungDisk, AForcedDetachEndsWhateverIsUnderWay) {
    over_seeds(30, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 50, 20ms);
        cluster.run_for(5ms);
        engine::AdminId under_way{};
        if (seed % 3 == 0) {
            cluster.disk(Node::Alice).set_stuck(true);
            under_way = begin(cluster, Node::Alice, engine::Detach{{0}});
        } else if (seed % 3 == 1) {
            cluster.drain();
            ASSERT_TRUE(cluster.detach(Node::Alice).ok());
            cluster.disk(Node::Alice).set_stuck(true);
            under_way = begin_attach(cluster, Node::Alice);
        } else {
            cluster.disk(Node::Alice).fail_operation(1, EIO);
            cluster.run_for(1ms);
            cluster.disk(Node::Alice).set_stuck(true);
            under_way = begin(cluster, Node::Alice, engine::Detach{{0}});
        }
        EXPECT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
        EXPECT_FALSE(cluster.answer(under_way).still_running);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        EXPECT_TRUE(cluster.drain(2s));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.disk(Node::Alice).heal();
        cluster.run_for(1s);
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// What the disk does late must not count: both nodes crash while it has not answered yet.
TEST(SimHungDisk, WhatAnAbandonedDiskDoesLateIsRepaired) {
    over_seeds(40, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_writes(Node::Alice, 100, 20ms);
        cluster.run_for(std::chrono::microseconds(seed * 400));
        const Node hung = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.disk(hung).set_stuck(true);
        cluster.run_for(100ms);
        EXPECT_TRUE(cluster.detach(hung, 0, true).ok());
        cluster.drain(2s);
        cluster.random_writes(Node::Alice, 50, 20ms);
        cluster.run_for(200ms);
        cluster.drain(2s);
        if (seed % 3 == 0) {
            cluster.power_cut(hung);
        } else {
            cluster.disk(hung).heal();
            cluster.run_for(10ms);
        }
        if (seed % 3 == 1) {
            cluster.kill(other(hung));
        }
        cluster.run_for(20s);
        cluster.disk(hung).heal();
        cluster.start(other(hung));
        cluster.start(hung);
        cluster.run_until([&] { return cluster.conn(Node::Alice) >= ConnState::Connected; }, 60s);
        cluster.attach(hung);
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
