// What was true once and is not any more: a claim, a goodbye, an answer, what was found at the
// start. Schedules that random seeds have shown; each ended with two holders, or came close.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

constexpr const char* kGroup = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";
constexpr const char* kGroupOfB = "node-b IPaddr::10.0.0.17/24/eth0 mysqld\n";
constexpr const char* kAndAnother =
    "node-a IPaddr::10.0.0.17/24/eth0 mysqld\nnode-a IPaddr::10.0.0.21/24/eth0 httpd\n";

Options address_first(const std::string& failback = "on") {
    Options options;
    options.haresources = kGroup;
    options.failback = failback;
    options.watchful = true;
    return options;
}

Options with_quorum() {
    Options options = address_first();
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    return options;
}

void slow_stop(Cluster& cluster, Node node, Time takes) {
    cluster.machine(node).ailments()["mysqld"].stop_takes = takes;
}

// Node-b is stopping the group for its home, which has another one already.
void let_b_stop_slowly_for_a(Cluster& cluster) {
    cluster.start_both();
    cluster.power_cut(Node::A);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
    slow_stop(cluster, Node::B, 60s);
    cluster.boot(Node::A);
    ASSERT_TRUE(cluster.run_until(
        [&] { return cluster.daemon(Node::B).decided("Giving group") > 0; }, 30s));
    cluster.reload(Node::A, kAndAnother);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.machine(Node::A).runs("httpd"); }, 10s));
}

// Other groups of ours run here, so the node holds its own: but not each of them.
TEST(Legacy, AClearTakesNothingThatThePartnerStillStops) {
    over_seeds(10, address_first("legacy"), [](Cluster& cluster) {
        let_b_stop_slowly_for_a(cluster);
        cluster.run_for(cluster.world().between(1s, 20s));
        cluster.daemon(Node::A).command(Verb::clear);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(0), Node::A);
    });
}

TEST(Legacy, AClearTakesNothingBeforeTheDeviceHasConfirmed) {
    Options options = address_first("legacy");
    options.fencing = true;
    over_seeds(10, options, [](Cluster& cluster) {
        let_b_stop_slowly_for_a(cluster);
        cluster.fence().works = false;
        cluster.network().cut_all();
        cluster.run_for(cluster.world().between(5s, 15s));
        cluster.daemon(Node::A).command(Verb::clear);
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.runs_nothing(Node::A, 0));
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// Both ran it while the nodes did not hear each other, and this daemon was restarted meanwhile.
TEST(Legacy, WhatWasKeptOverARestartStopsIfItsHomeIsAtWork) {
    for (const bool original : {false, true}) {
        Options options = address_first("legacy");
        options.exclusive = false;  // nothing stands between the nodes
        options.original_partner = original;
        over_seeds(10, options, [](Cluster& cluster) {
            cluster.start_both();
            cluster.power_cut(Node::A);
            ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
            cluster.run_for(20s);
            cluster.network().cut_all();
            cluster.boot(Node::A);
            ASSERT_TRUE(cluster.run_until([&] { return cluster.runs(Node::A, 0); }, 60s));
            cluster.daemon(Node::B).command(Verb::restart);
            cluster.run_for(cluster.world().between(2s, 4s));
            cluster.network().heal();
            EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
            EXPECT_EQ(cluster.holder(0), Node::A);
        });
    }
}

// It is declared dead, and silent about what it holds: what ran at our start has been stopped.
TEST(Isolation, NothingThatWasFoundAtTheStartIsAdoptedAfterTheStops) {
    Options options = with_quorum();
    options.haresources = kGroupOfB;
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        cluster.run_for(30s);
        cluster.daemon(Node::B).command(Verb::restart);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::B).decided("declared dead") > 1; }, 30s));
        cluster.machine(Node::A).ailments()["IPaddr"].status_takes = 8s;
        cluster.boot(Node::A);
        cluster.run_for(cluster.world().between(1s, 2s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::B, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::A; }, 60s));
        cluster.run_for(30s);
        EXPECT_EQ(cluster.holder(0), Node::A);
    });
}

// It was killed without a successor for longer than its hold is inherited, and comes back isolated;
// what runs here is known before that, or after.
TEST(Isolation, WhatASuccessorFindsMustHaveStoppedBeforeThePartnerStarts) {
    over_seeds(30, with_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        slow_stop(cluster, Node::A, 60s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.kill_daemon(Node::A);
        cluster.machine(Node::A).ailments()["IPaddr"].status_takes =
            cluster.world().between(10ms, 4s);
        cluster.run_for(cluster.world().between(2s, 5s));
        cluster.daemon(Node::A).start();
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Isolation, WhileANodeIsStoppedItsStopsMustEndInTime) {
    over_seeds(30, with_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        slow_stop(cluster, Node::A, 60s);
        cluster.daemon(Node::A).command(Verb::shutdown);
        cluster.run_for(cluster.world().between(0s, 5s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// It hears the partner again for a moment, which goes on hearing nothing: its stops are as late as
// they were.
TEST(Isolation, ASecondOneDoesNotPutTheEndOfTheStopsOff) {
    Options options = with_quorum();
    options.policy += "agent_timeout stop 20\n";
    over_seeds(30, options, [](Cluster& cluster) {
        cluster.start_both();
        slow_stop(cluster, Node::A, 60s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).decided("Isolated") > 0; }, 20s));
        cluster.run_for(cluster.world().between(5s, 17s));
        cluster.network().heal();
        cluster.mute(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// The tenth second after its start is over while nobody hears it: it would have to stop at once
// what it starts.
TEST(Mute, ANodeThatIsIsolatedAcquiresNothing) {
    over_seeds(30, with_quorum(), [](Cluster& cluster) {
        slow_stop(cluster, Node::A, 2800ms);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(cluster.world().between(500ms, 3s));
        cluster.mute(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 40s));
        EXPECT_EQ(cluster.machine(Node::A).starts(), 0u);
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// It reaches the ping node, so that it is not isolated; but it hears that it is taken for dead.
TEST(Mute, ANodeThatIsToldOfItsTakeoverAcquiresNothing) {
    over_seeds(30, with_quorum(), [](Cluster& cluster) {
        slow_stop(cluster, Node::A, 2800ms);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(cluster.world().between(500ms, 3s));
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, true, false);
        }
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 40s));
        EXPECT_EQ(cluster.machine(Node::A).starts(), 0u);
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// Both nodes count from one in their first lives. The giver alone notices a blip and goes on with
// its groups; the taker's question is not about the hand-over of the same number before.
TEST(Handover, TheFirstOfEachNodeAreTwo) {
    over_seeds(10, address_first("off"), [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.daemon(Node::A).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 20s));
        cluster.run_for(10s);
        slow_stop(cluster, Node::B, 10s);
        cluster.daemon(Node::B).command(Verb::standby, "all");
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.machine(Node::B).works_on("mysqld"); }, 10s));
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, true, false);
        }
        cluster.run_for(cluster.world().between(4s, 20s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// The giver notices nothing; an original that lost touch for a moment has forgotten what it was to
// take, and nobody answers.
TEST(Handover, ThatAnOriginalHasForgottenIsTakenBack) {
    Options options = address_first("off");
    options.original_partner = true;
    options.fencing = true;
    options.policy = "partition_policy gentle\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.fence().works = false;
        slow_stop(cluster, Node::A, 8s);
        cluster.daemon(Node::A).command(Verb::standby, "all");
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.machine(Node::A).works_on("mysqld"); }, 10s));
        for (std::size_t i = 0; i < cluster.network().links().size(); ++i) {
            cluster.network().cut(i, true, false);
        }
        cluster.run_for(cluster.world().between(9s, 12s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// It left before we had come up, and has come back since: we have nothing to take over from it.
TEST(Goodbye, OfALifeThatIsOverIsForgottenAlsoBeforeWeAreUp) {
    for (const std::string failback : {"on", "legacy"}) {
        Options options = address_first(failback);
        options.haresources = kGroupOfB;
        options.pings = 1;  // awaited at the start, like a node
        options.initdead = "60";
        over_seeds(10, options, [](Cluster& cluster) {
            cluster.network().set_pings_reachable(Node::A, false);
            cluster.daemon(Node::A).start();
            cluster.daemon(Node::B).start();
            cluster.run_for(cluster.world().between(1s, 3s));
            cluster.daemon(Node::B).command(Verb::shutdown);
            ASSERT_TRUE(cluster.run_until([&] { return cluster.daemon(Node::B).exited(); }, 30s));
            cluster.run_for(cluster.world().between(100ms, 2s));
            cluster.daemon(Node::B).start();
            cluster.run_for(cluster.world().between(100ms, 3s));
            cluster.network().set_pings_reachable(Node::A, true);
            EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
            EXPECT_EQ(cluster.daemon(Node::A).decided("Taking over from"), 0u);
        });
    }
}

// A stop of a killed daemon that nothing ends: what it leaves is not known at its end, also if
// another group has been looked at meanwhile.
TEST(Stuck, WhatItHasLeftIsLookedAtBeforeItIsFree) {
    Options options = address_first("off");
    options.haresources =
        "node-b IPaddr::10.0.0.21/24/eth0 httpd\nnode-b mysqld IPaddr::10.0.0.17/24/eth0\n";
    options.policy = "agent_timeout stop 5\n";
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.daemon(Node::B).command(Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until([&] { return cluster.holder(1) == Node::A; }, 20s));
        cluster.run_for(10s);
        Ailment ailment;
        ailment.stop_takes = 600s;
        ailment.unkillable = true;
        cluster.machine(Node::A).ail("mysqld", ailment);
        cluster.daemon(Node::A).command(Verb::standby, "all");
        const auto stops = [&] { return cluster.machine(Node::A).works_on("mysqld"); };
        ASSERT_TRUE(cluster.run_until(stops, 10s));
        cluster.kill_daemon(Node::A);
        cluster.run_for(100ms);
        cluster.daemon(Node::A).start();
        cluster.run_until([&] { return !stops(); }, 120s);
        cluster.machine(Node::A).ailments().clear();
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

}  // namespace
}  // namespace hbsim
