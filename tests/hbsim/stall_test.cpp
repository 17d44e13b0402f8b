// A daemon or a machine that did not run for longer than it had announced, and runs again: it looks
// like an isolation to the partner, and like nothing at all to itself. Whatever has happened
// meanwhile, it stops before the partner's grace is over, and its new life knows nothing.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

Options stalled_pair(const std::string& failback = "on") {
    Options options;
    options.haresources = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    options.failback = failback;
    return options;
}

// With a deadtime of 3 s the partner begins 10 s after the last heartbeat at the earliest; the
// stops would take longer than that in most of these runs.
TEST(Stall, AHolderHasStoppedOrResetsItselfBeforeTheOtherStarts) {
    over_seeds(60, stalled_pair(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes =
            cluster.world().between(100ms, 9s);
        cluster.daemon(Node::A).stall(cluster.world().between(3s, 8900ms));
        cluster.run_for(40s);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// It had lost touch, which it did not know yet: the partner counts from the last heartbeat that it
// heard, not from the last one that was sent.
TEST(Stall, ThatBeginsWithoutTouchCountsFromWhatThePartnerHasHeard) {
    over_seeds(200, stalled_pair(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes =
            cluster.world().between(100ms, 9s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        const Time unknowing = cluster.world().between(0s, 3s);
        cluster.run_for(unknowing);
        cluster.daemon(Node::A).stall(cluster.world().between(3s, 8900ms - unknowing));
        cluster.run_for(40s);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// Too short to be seen as one; what was to be noticed meanwhile is noticed late.
TEST(Stall, ThatIsNoneByItsLengthIsTakenFromTheTimeOfTheStops) {
    Options options = stalled_pair();
    options.deadtime = "10";
    options.initdead = "20";
    over_seeds(200, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes =
            cluster.world().between(100ms, 20s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.run_for(cluster.world().between(6s, 10s));
        cluster.daemon(Node::A).stall(cluster.world().between(3s, 9s));
        cluster.run_for(60s);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// It does not hear us, and is isolated: its grace begins when it reaches the ping node again.
TEST(Stall, WhileAnIsolatedPartnerComesBackHasItsShorterGrace) {
    over_seeds(200, stalled_pair(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes =
            cluster.world().between(100ms, 9s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(cluster.world().between(20s, 25s));
        EXPECT_EQ(cluster.holder(0), Node::A);
        cluster.daemon(Node::A).stall(cluster.world().between(3s, 6900ms));
        cluster.network().heal();
        cluster.run_for(40s);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// It was told to stop, or hands over, and its daemon stands still meanwhile.
TEST(Stall, WhileItStopsTheGraceOfThePartnerCountsOn) {
    over_seeds(60, stalled_pair(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes = cluster.world().between(8s, 14s);
        cluster.daemon(Node::A).command(Verb::shutdown);
        cluster.run_for(cluster.world().between(100ms, 1s));
        cluster.daemon(Node::A).stall(cluster.world().between(6s, 8900ms));
        cluster.run_for(40s);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// Both hold it when this one runs again, since it stood still for longer than any grace: it resets
// itself at once.
TEST(Stall, ForLongerThanTheGraceEndsWithAReset) {
    Options options = stalled_pair("off");
    options.exclusive = false;
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.machine(Node::A).ailments()["mysqld"].stop_takes = 20s;
        cluster.daemon(Node::A).stall(30s);
        cluster.run_for(29s);
        EXPECT_TRUE(cluster.runs(Node::B, 0));
        cluster.run_for(1500ms);
        EXPECT_EQ(cluster.holder(0), Node::B);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(0), Node::B);
    });
}

// Without a defence both run it for the time of the stops. The new life has been told nothing: it
// takes nothing before the partner has said what it holds.
TEST(Stall, TheNewLifeTakesNothingBeforeThePartnerHasSpoken) {
    Options options = stalled_pair("off");
    options.pings = 0;
    options.policy.clear();
    options.exclusive = false;
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.expect_home(false);
        cluster.start_both();
        cluster.daemon(Node::A).stall(cluster.world().between(5s, 60s));
        cluster.run_for(75s);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(0), Node::B);
        EXPECT_EQ(cluster.machine(Node::A).starts(), 2u);
    });
}

// The grace of its takeover ended while it stood still; its partner has been back for a while.
TEST(Stall, ATakerDoesNotGoOnWhereItStood) {
    over_seeds(30, stalled_pair(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::B).decided("Quorum: enough") > 0; }, 20s));
        cluster.daemon(Node::B).stall(cluster.world().between(25s, 60s));
        cluster.run_for(cluster.world().between(0s, 2s));
        cluster.boot(Node::A);
        cluster.run_for(90s);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(0), Node::A);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

}  // namespace
}  // namespace hbsim
