// Storage, agents and monitors that fail. Heartbeat specification, sections 4 and 6.5.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

TEST(StorageVerdict, ANodeWithOutdatedDataNeverTakesOver) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.storage().set_disk(Node::B, DiskState::Outdated);
        cluster.power_cut(Node::A, 60s);
        cluster.run_for(58s);
        EXPECT_TRUE(cluster.runs_nothing(Node::B, 0));
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::resource));
        cluster.run_for(10s);
        cluster.daemon(Node::B).command(Verb::clear);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(StorageVerdict, ThePeerIsOutdatedOverTheHeartbeatLinks) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.storage().set_link(false);
        cluster.run_for(15s);
        EXPECT_EQ(cluster.storage().disk(Node::B), DiskState::Outdated);
        EXPECT_EQ(cluster.daemon(Node::A).outdate_answers(), std::vector<int>{4});
        EXPECT_EQ(cluster.holder(0), Node::A);
        cluster.storage().set_link(true);
        cluster.run_for(10s);
        EXPECT_EQ(cluster.storage().disk(Node::B), DiskState::UpToDate);
    });
}

TEST(StorageVerdict, WithTheHeartbeatGoneThePeerIsUnreachable) {
    over_seeds(5, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::B);
        cluster.run_for(20s);
        EXPECT_EQ(cluster.daemon(Node::A).outdate_answers(), std::vector<int>{5});
        EXPECT_EQ(cluster.holder(0), Node::A);
    });
}

// The replication is cut when a Primary crashes. Its group goes home when it is back, but not to
// old data: who has gone on alone refuses to be outdated.
TEST(StorageVerdict, WhoWentOnAloneKeepsTheGroupUntilTheOtherHasItsWrites) {
    Options options;
    options.storage_must_not_split = true;
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.storage().set_link(false);
        cluster.power_cut(Node::A, 15s);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 30s));
        cluster.run_for(120s);
        EXPECT_EQ(cluster.holder(0), Node::B);
        EXPECT_EQ(cluster.storage().disk(Node::A), DiskState::Outdated);
        cluster.heal();
        EXPECT_TRUE(cluster.settle(300s)) << cluster.unsettled();
    });
}

TEST(Agents, AGroupThatDoesNotStartIsHandedOver) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.machine(Node::A).ailments()["mysqld"].start_fails = 1;
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 90s));
        EXPECT_TRUE(cluster.daemon(Node::A).alarmed(hb::AlarmKind::resource));
        cluster.run_for(120s);
        EXPECT_EQ(cluster.holder(0), Node::B) << "it must not come and go";
    });
}

TEST(Agents, AMachineThatCannotStopIsReset) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["Filesystem"].stop_fails = 1;
        cluster.daemon(Node::A).command(Verb::standby, "all");
        EXPECT_TRUE(cluster.run_until([&] { return !cluster.machine(Node::A).powered(); }, 60s));
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 30s));
    });
}

TEST(Agents, AHangingStartIsKilledAtItsLimit) {
    Options options;
    options.policy = "agent_timeout start 5\nagent_timeout stop 20\nagent_timeout status 5\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::B).ailments()["mysqld"].hangs = true;
        cluster.daemon(Node::A).command(Verb::standby, "all");
        cluster.run_for(120s);
        cluster.heal();
        cluster.expect_home(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Agents, GarbageIsNoReasonToStart) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::B).ailments()["Filesystem"].garbage = true;
        cluster.power_cut(Node::A);
        cluster.run_for(60s);
        EXPECT_FALSE(cluster.machine(Node::B).runs("mysqld"));
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::resource));
        cluster.machine(Node::B).ailments().clear();
        cluster.daemon(Node::B).command(Verb::clear);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 60s));
    });
}

TEST(Monitors, AKilledServiceIsRestartedWhereItIs) {
    Options options;
    options.policy = "monitor mysqld agent interval 2 timeout 1 restart 2 window 600\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).kill_resource("mysqld");
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::A, 0); }, 10s));
        EXPECT_TRUE(cluster.daemon(Node::A).alarmed(hb::AlarmKind::service));
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

TEST(Monitors, AServiceThatKeepsFailingIsHandedOver) {
    Options options;
    options.policy = "monitor mysqld agent interval 2 timeout 1 restart 1 window 600\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        for (int i = 0; i < 4 && cluster.holder(0) != Node::B; ++i) {
            cluster.machine(Node::A).kill_resource("mysqld");
            cluster.run_for(10s);
        }
        EXPECT_EQ(cluster.holder(0), Node::B);
    });
}

TEST(Monitors, HandoversAreLimited) {
    Options options;
    options.failback = "off";
    options.policy =
        "monitor mysqld agent interval 2 timeout 1 restart 0 window 600\nhandover_limit 2 3600\n";
    over_seeds(5, options, [](Cluster& cluster) {
        cluster.start_both();
        std::size_t moves = 0;
        for (int i = 0; i < 12; ++i) {
            const auto before = cluster.holder(0);
            for (const Node node : kNodes) {
                cluster.machine(node).kill_resource("mysqld");
            }
            cluster.run_for(20s);
            moves += before.has_value() && cluster.holder(0) == other(*before) ? 1u : 0u;
        }
        EXPECT_GE(moves, 1u);
        EXPECT_LE(moves, 4u);
    });
}

}  // namespace
}  // namespace hbsim
