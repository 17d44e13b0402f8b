// Schedules that once ended with nobody serving although a node could, and promises that were
// dropped. Heartbeat specification, sections 3.7, 4.4 and 7.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

constexpr const char* kBefore = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";
constexpr const char* kAfter = "node-a IPaddr::10.0.0.17/24/eth0 postgres\n";

Options one_group() {
    Options options;
    options.haresources = kBefore;
    return options;
}

void fail_starts(Cluster& cluster, Node node, bool fail) {
    cluster.machine(node).ailments()["mysqld"].start_fails = fail ? 1 : 0;
}

TEST(Repair, WhatFailedOnBothNodesRunsAgainAfterTheRepair) {
    over_seeds(10, one_group(), [](Cluster& cluster) {
        fail_starts(cluster, Node::A, true);
        fail_starts(cluster, Node::B, true);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(cluster.world().between(60s, 3600s));
        fail_starts(cluster, Node::A, false);
        fail_starts(cluster, Node::B, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0).has_value(); }, 1300s));
    });
}

TEST(Repair, ALoneSurvivorTriesAgain) {
    over_seeds(10, one_group(), [](Cluster& cluster) {
        cluster.start_both();
        fail_starts(cluster, Node::B, true);
        cluster.power_cut(Node::A);
        cluster.run_for(cluster.world().between(20s, 300s));
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::resource));
        fail_starts(cluster, Node::B, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 620s));
    });
}

// The home has failed and says so: it is left alone, and asked again when it is repaired.
TEST(RefusedFailback, IsNotOfferedForEverAndComesAfterTheRepair) {
    Options options = one_group();
    options.policy = "monitor mysqld agent interval 2 timeout 1 restart 100 window 600\n";
    over_seeds(10, options, [](Cluster& cluster) {
        fail_starts(cluster, Node::A, true);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 90s));
        // As after the crash of the home: the holder wants to give the group back.
        cluster.daemon(Node::B).command(Verb::restart);
        cluster.run_for(60s);
        const std::size_t offers = cluster.daemon(Node::B).decided("go home");
        cluster.run_for(480s);
        EXPECT_LE(cluster.daemon(Node::B).decided("go home"), offers + 8);
        for (int i = 0; i < 5; ++i) {
            cluster.run_for(cluster.world().between(0s, 11s));
            cluster.machine(Node::B).kill_resource("mysqld");
            EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 5s));
        }
        fail_starts(cluster, Node::A, false);
        cluster.daemon(Node::A).command(Verb::clear);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::A; }, 30s));
    });
}

// Node-b has announced a longer deadtime, since it restarts in a moment; node-a gives it a group
// and loses touch with everybody.
TEST(Isolation, DuringAHandoverEndsIt) {
    Options options = one_group();
    options.pings = 1;
    options.policy = "quorum_ping 1\nagent_timeout stop 60\n";
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes = 20s;
        cluster.daemon(Node::B).deadtime_announced_more = 60s;
        cluster.run_for(3s);
        const auto command = cluster.daemon(Node::A).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).decided("Giving resources") > 0; }, 10s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.run_for(cluster.world().between(8s, 20s));
        EXPECT_TRUE(cluster.daemon(Node::A).result(command).has_value());
        cluster.network().heal();
        cluster.machine(Node::A).ailments().clear();
        cluster.expect_home(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(AloneByKnowledge, APingBlipStopsNothingWhileThePartnerIsStopped) {
    Options options = one_group();
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.daemon(Node::B).command(Verb::shutdown);
        cluster.run_for(30s);
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.run_for(4s);
        EXPECT_TRUE(cluster.runs(Node::A, 0));
        cluster.network().set_pings_reachable(Node::A, true);
        cluster.daemon(Node::B).start();
        cluster.run_for(30s);
        // It lives again: now the ping node counts.
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 30s));
    });
}

TEST(AloneByKnowledge, APingBlipStopsNothingWhileThePartnerIsFenced) {
    Options options = one_group();
    options.pings = 1;
    options.fencing = true;
    options.policy = "quorum_ping 1\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.stays_off = true;
        cluster.power_cut(Node::A);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 30s));
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(20s);
        EXPECT_TRUE(cluster.runs(Node::B, 0));
    });
}

TEST(Reload, OfAGroupThatFailedIsATryOfTheNewWords) {
    over_seeds(5, one_group(), [](Cluster& cluster) {
        fail_starts(cluster, Node::A, true);
        cluster.power_cut(Node::B);
        cluster.daemon(Node::A).start();
        cluster.run_for(25s);
        cluster.reload(Node::A, kAfter);
        EXPECT_TRUE(
            cluster.run_until([&] { return cluster.machine(Node::A).runs("postgres"); }, 5s));
    });
}

// What is read anew waits for a group that runs: `clear` means the one that has failed all the
// same.
TEST(Reload, ThatWaitsKeepsNoClearFromAGroupThatFailed) {
    Options options = one_group();
    options.haresources += "node-a IPaddr::10.0.0.20/24/eth0 httpd\n";
    over_seeds(5, options, [](Cluster& cluster) {
        fail_starts(cluster, Node::A, true);
        cluster.power_cut(Node::B);
        cluster.daemon(Node::A).start();
        cluster.run_for(25s);
        EXPECT_TRUE(cluster.machine(Node::A).runs("httpd"));
        cluster.reload(Node::A, std::string(kBefore) + "node-a IPaddr::10.0.0.20/24/eth0 nginx\n");
        cluster.run_for(1s);
        EXPECT_NE(cluster.daemon(Node::A).status().pending.find("haresources"), std::string::npos);
        fail_starts(cluster, Node::A, false);
        cluster.daemon(Node::A).command(Verb::clear);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::A, 0); }, 5s));
        EXPECT_TRUE(cluster.machine(Node::A).runs("httpd"));
    });
}

TEST(Reload, WaitsForTheGroupThatChangesAndIsThenDone) {
    Options options = one_group();
    options.failback = "off";
    over_seeds(5, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.reload(Node::A, kAfter);
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.runs(Node::A, 0));
        EXPECT_NE(cluster.daemon(Node::A).status().pending.find("haresources"), std::string::npos);
        cluster.daemon(Node::A).command(Verb::standby, "all");
        cluster.run_for(10s);
        EXPECT_EQ(cluster.daemon(Node::A).status().pending, "");
        cluster.reload(Node::B, kAfter);
        cluster.daemon(Node::A).command(Verb::takeover, "all");
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.machine(Node::A).runs("postgres"));
        EXPECT_FALSE(cluster.machine(Node::A).runs("mysqld"));
    });
}

TEST(Reload, ANewGroupOfOursIsStartedAndTheOldOneGoesOn) {
    over_seeds(5, one_group(), [](Cluster& cluster) {
        cluster.start_both();
        const std::string both = std::string(kBefore) + "node-a IPaddr::10.0.0.20/24/eth0 httpd\n";
        const std::uint64_t starts = cluster.machine(Node::A).starts();
        cluster.reload(Node::B, both);
        cluster.reload(Node::A, both);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.machine(Node::A).runs("httpd"); }, 10s));
        EXPECT_EQ(cluster.machine(Node::A).starts(), starts + 2);
    });
}

TEST(LostStateDirectory, OfThePartnerIsAnAlarm) {
    over_seeds(5, one_group(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::B);
        cluster.machine(Node::B).generation = 1;
        cluster.boot(Node::B);
        cluster.run_for(30s);
        EXPECT_TRUE(cluster.daemon(Node::A).alarmed(hb::AlarmKind::partition));
    });
}

TEST(Confirmation, OfAnotherNodeIsNone) {
    Options options = one_group();
    options.policy = "takeover manual\n";
    over_seeds(5, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        cluster.run_for(30s);
        Daemon& daemon = cluster.daemon(Node::B);
        EXPECT_EQ(daemon.result(daemon.command(Verb::confirm_takeover, "node-b"))->exit_code, 1);
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.runs_nothing(Node::B, 0));
        daemon.command(Verb::confirm_takeover, "NODE-A");
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 10s));
    });
}

}  // namespace
}  // namespace hbsim
