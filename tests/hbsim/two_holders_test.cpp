// Schedules that once ended with both nodes holding a group, or with nobody. The groups begin with
// an address, as most do: nothing but the failover daemon protects them. Heartbeat specification,
// sections 3.5 to 3.7 and 7.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

constexpr const char* kAddress = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";

Options address_first(const std::string& failback = "on") {
    Options options;
    options.haresources = kAddress;
    options.failback = failback;
    return options;
}

Options quorum_first() {
    Options options = address_first();
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    return options;
}

void slow_stop(Cluster& cluster, Node node, Time takes) {
    cluster.machine(node).ailments()["mysqld"].stop_takes = takes;
}

// Node-b holds the group of node-a, which is off.
void let_b_hold(Cluster& cluster) {
    cluster.start_both();
    cluster.power_cut(Node::A);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
    cluster.run_for(15s);
}

// The daemon of the holder was killed and has come back, and its look at what runs takes longer
// than the home node waits for others.
TEST(UnknownHold, AHolderThatStillLooksAroundHasNotSaidThatItHoldsNothing) {
    over_seeds(10, address_first(), [](Cluster& cluster) {
        let_b_hold(cluster);
        cluster.kill_daemon(Node::B);
        cluster.machine(Node::B).ailments()["IPaddr"].status_takes = 15s;
        cluster.boot(Node::A);
        cluster.run_for(cluster.world().between(100ms, 2s));
        cluster.daemon(Node::B).start();
        cluster.run_for(40s);
        cluster.machine(Node::B).ailments().clear();
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
    });
}

// The same, and it was away for too long to inherit what it held: only its agents can tell.
TEST(UnknownHold, AHolderThatInheritsNothingSaysNothingBeforeItHasLooked) {
    over_seeds(10, address_first(), [](Cluster& cluster) {
        let_b_hold(cluster);
        cluster.kill_daemon(Node::B);
        cluster.machine(Node::B).ailments()["IPaddr"].status_takes = 15s;
        cluster.boot(Node::A);
        cluster.run_for(cluster.world().between(3500ms, 5s));
        cluster.daemon(Node::B).start();
        cluster.run_for(40s);
        cluster.machine(Node::B).ailments().clear();
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
    });
}

TEST(UnknownHold, ATimerThatEndsBeforeTheNewLifeHasSpokenStartsNothing) {
    over_seeds(20, address_first(), [](Cluster& cluster) {
        let_b_hold(cluster);
        cluster.boot(Node::A);
        cluster.run_for(cluster.world().between(0s, 3s));
        for (int i = 0; i < 4; ++i) {  // in each life it comes to another step of the fail-back
            cluster.kill_daemon(Node::B);
            cluster.run_for(cluster.world().between(10ms, 2s));
            cluster.daemon(Node::B).start();
            cluster.run_for(cluster.world().between(100ms, 4s));
        }
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
    });
}

// Cut off before it was certain for the first time: what the partner said then is of no use when
// they are in touch again, whichever of its looks comes first.
TEST(UnknownHold, ANodeThatWasCutOffWhileItCameUpForgetsWhatItHadHeard) {
    over_seeds(40, quorum_first(), [](Cluster& cluster) {
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(cluster.world().between(1500ms, 6s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        cluster.run_for(cluster.world().between(0s, 5s));
        for (Link& link : cluster.network().links()) {
            link.cut[index(Node::A)] = false;  // what node-b says then is lost
        }
        cluster.run_for(cluster.world().between(1s, 2500ms));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
    });
}

// Not heard while it comes up, and the partner's notice of its takeover is lost: but each heartbeat
// of the partner says that it does not hear us.
TEST(UnknownHold, ANodeThatIsNotHeardWhileItComesUpAcquiresNothing) {
    over_seeds(40, quorum_first(), [](Cluster& cluster) {
        std::vector<Link>& links = cluster.network().links();
        const auto cut = [&](Node from, bool is_cut) {
            for (Link& link : links) {
                link.cut[index(from)] = is_cut;
            }
        };
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(cluster.world().between(1500ms, 4s));
        cut(Node::A, true);
        const auto dead = [&] {
            return cluster.daemon(Node::B).decided("Node node-a declared") > 0;
        };
        ASSERT_TRUE(cluster.run_until(dead, 10s));
        cut(Node::B, true);
        cluster.run_for(1900ms);
        cut(Node::B, false);
        cluster.run_for(cluster.world().between(20s, 30s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
    });
}

// The partner took over while this daemon was away, and its agent cannot say whether the address is
// still here: as soon as it can, it is stopped here.
TEST(UnknownHold, WhatAnAgentDidNotKnowAtTheStartIsLookedAtAgain) {
    Options options;
    options.exclusive = false;
    options.failback = "off";
    options.haresources = "node-a IPaddr::10.0.0.17/24/eth0\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.kill_daemon(Node::A);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 20s));
        cluster.machine(Node::A).ail("IPaddr", {.garbage = true});
        cluster.daemon(Node::A).start();
        cluster.run_for(60s);
        EXPECT_TRUE(cluster.daemon(Node::A).alarmed(hb::AlarmKind::resource));
        cluster.machine(Node::A).ailments().clear();
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(0), Node::B);
    });
}

TEST(Stable, ATakerThatRestartsInASlowFailbackWaitsForTheStops) {
    over_seeds(10, address_first(), [](Cluster& cluster) {
        let_b_hold(cluster);
        slow_stop(cluster, Node::B, 30s);
        cluster.boot(Node::A);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::B).decided("Giving resources") > 0; }, 30s));
        cluster.run_for(cluster.world().between(1s, 5s));
        cluster.kill_daemon(Node::A);
        cluster.run_for(cluster.world().between(100ms, 2s));
        cluster.daemon(Node::A).start();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Stable, AnIsolationThatHealsWhileItStopsLeavesNoSecondHolder) {
    Options options = quorum_first();
    options.haresources = "node-b IPaddr::10.0.0.17/24/eth0 mysqld\n";
    options.failback = "off";
    options.policy += "agent_timeout stop 120\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.daemon(Node::B).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::A; }, 20s));
        cluster.run_for(10s);
        slow_stop(cluster, Node::A, 40s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).decided("Isolated") > 0; }, 10s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Mute, AHolderThatHearsButIsNotHeardStopsBeforeTheOtherStarts) {
    over_seeds(20, quorum_first(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.mute(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 25s));
        cluster.run_for(30s);
        EXPECT_EQ(cluster.holder(0), Node::B);
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// Only the taker is deaf: both reach the ping node, so that nobody is isolated.
TEST(Mute, AHolderThatThePartnerDoesNotHearIsToldInTime) {
    over_seeds(20, quorum_first(), [](Cluster& cluster) {
        cluster.start_both();
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, true, false);
        }
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 25s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Mute, ABusyAgentDoesNotKeepTheAddressOfANodeThatIsTakenForDead) {
    Options options = quorum_first();
    options.policy += "agent_timeout start 200\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.daemon(Node::A).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 20s));
        cluster.run_for(10s);
        cluster.machine(Node::A).ailments()["mysqld"].start_takes = 100s;
        cluster.daemon(Node::B).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.machine(Node::A).runs("IPaddr::10.0.0.17/24/eth0"); }, 20s));
        cluster.mute(Node::A);
        cluster.run_for(60s);
        EXPECT_EQ(cluster.holder(0), Node::B);
    });
}

TEST(Quorum, TheGraceHoldsForACutAtAnyMoment) {
    for (const char* times : {"1", "2"}) {
        Options options = quorum_first();
        options.keepalive = times;
        options.deadtime = std::string(times) == "1" ? "2001ms" : "4001ms";
        options.initdead = "10";
        over_seeds(30, options, [](Cluster& cluster) {
            cluster.start_both();
            slow_stop(cluster, Node::A, 1900ms);
            cluster.run_for(cluster.world().between(0s, 2s));
            cluster.network().cut_all();
            cluster.network().set_pings_reachable(Node::A, false);
            EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 40s));
        });
    }
}

// Node-a does not hear node-b for longer than deadtime while it takes node-b's offer; no link is
// ever cut in the other direction.
TEST(Handover, ABlipThatOnlyTheTakerNoticesEndsItOnBothSides) {
    Options options = address_first();
    options.policy = "takeover_delay 20\n";
    over_seeds(20, options, [](Cluster& cluster) {
        let_b_hold(cluster);
        slow_stop(cluster, Node::B, 12s);
        cluster.boot(Node::A);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::B).decided("Giving resources") > 0; }, 60s));
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, false, true);
        }
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).alarmed(hb::AlarmKind::node_dead); }, 20s));
        cluster.run_for(cluster.world().between(0s, 4s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Handover, ABlipThatOnlyTheGiverNoticesEndsItOnBothSides) {
    Options options = address_first();
    options.policy = "takeover_delay 20\n";
    over_seeds(20, options, [](Cluster& cluster) {
        let_b_hold(cluster);
        slow_stop(cluster, Node::B, 12s);
        cluster.boot(Node::A);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::B).decided("Giving resources") > 0; }, 60s));
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, true, false);
        }
        cluster.run_for(cluster.world().between(6s, 9s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Legacy, BothStartAndEachGroupRunsAtItsHome) {
    Options options = address_first("legacy");
    options.haresources += "node-b IPaddr::10.0.0.18/24/eth0 httpd\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.holder(0) == Node::A && cluster.holder(1) == Node::B; }, 20s));
        cluster.power_cut(Node::A, 20s);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 15s));
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::A; }, 60s));
    });
}

TEST(Legacy, TheAnswerToASecondQuestionWaitsForTheSameStop) {
    over_seeds(10, address_first("legacy"), [](Cluster& cluster) {
        let_b_hold(cluster);
        slow_stop(cluster, Node::B, 25s);  // the home node asks again after 10 s
        cluster.boot(Node::A);
        cluster.run_for(60s);
        EXPECT_EQ(cluster.holder(0), Node::A);
    });
}

TEST(Legacy, AHolderThatWasKilledAdoptsWhatItFinds) {
    over_seeds(10, address_first("legacy"), [](Cluster& cluster) {
        let_b_hold(cluster);
        cluster.kill_daemon(Node::B);
        cluster.run_for(1s);
        cluster.daemon(Node::B).start();
        cluster.run_for(20s);
        EXPECT_EQ(cluster.holder(0), Node::B);
        slow_stop(cluster, Node::B, 5s);
        cluster.boot(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::A; }, 60s));
    });
}

TEST(Legacy, AQuestionForAGroupThatThePartnerDoesNotKnowIsAnswered) {
    over_seeds(5, address_first("legacy"), [](Cluster& cluster) {
        cluster.reload(Node::B, "node-b IPaddr::10.0.0.99/24/eth0 httpd\n");
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::A, 0); }, 40s));
    });
}

TEST(Legacy, AReloadWithFewerGroupsForgetsItsQuestions) {
    Options options = address_first("legacy");
    options.haresources = "node-a IPaddr::10.0.0.16/24/eth0 web\n" + options.haresources;
    over_seeds(5, options, [](Cluster& cluster) {
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().links()[i].delay_min = Time(400);
            cluster.network().links()[i].delay_max = Time(800);
        }
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).status().status == "active"; }, 30s));
        cluster.reload(Node::A, kAddress);
        cluster.reload(Node::B, kAddress);
        cluster.run_for(60s);
        EXPECT_TRUE(cluster.runs(Node::A, 1));
    });
}

}  // namespace
}  // namespace hbsim
