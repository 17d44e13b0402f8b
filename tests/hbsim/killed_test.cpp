// kill -9 of the daemon: what it had at work goes on, and its successor knows; what nothing ends
// counts as running; and who was isolated goes on stopping.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

constexpr const char* kWithoutDisk = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";

Options without_disk() {
    Options options;
    options.haresources = kWithoutDisk;
    options.watchful = true;
    return options;
}

Options alone_by_quorum() {
    Options options = without_disk();
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    return options;
}

Ailment that_takes(Time start, Time stop) {
    Ailment ailment;
    ailment.start_takes = start;
    ailment.stop_takes = stop;
    return ailment;
}

// As systemd does.
void kill_and_start(Cluster& cluster, Node node) {
    cluster.kill_daemon(node);
    cluster.run_for(cluster.world().between(10ms, 300ms));
    cluster.daemon(node).start();
}

bool works(Cluster& cluster, Node node, const char* word) {
    return cluster.machine(node).works_on(word);
}

TEST(Killed, DuringASlowStartTheSuccessorWaitsForIt) {
    over_seeds(20, without_disk(), [](Cluster& cluster) {
        cluster.machine(Node::A).ail("mysqld", that_takes(12s, 0s));
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        ASSERT_TRUE(cluster.run_until([&] { return works(cluster, Node::A, "mysqld"); }, 60s));
        cluster.run_for(cluster.world().between(0s, 5s));
        kill_and_start(cluster, Node::A);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.machine(Node::A).starts(), 2u);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

// No hold is inherited from a daemon that is away for longer than it announced; but what its agent
// works on is claimed.
TEST(Killed, ForLongerThanThePartnerWaitsAndTheAgentOutlivesThat) {
    Options options = without_disk();
    options.exclusive = false;  // nothing stands between the nodes, and the guard is not drawn
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.machine(Node::A).ail("IPaddr", that_takes(25s, 0s));
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        ASSERT_TRUE(cluster.run_until(
            [&] { return works(cluster, Node::A, "IPaddr::10.0.0.17/24/eth0"); }, 60s));
        cluster.daemon(Node::B).command(hb::Command::Verb::shutdown);
        cluster.kill_daemon(Node::A);
        cluster.run_for(10s);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

TEST(Killed, DuringASlowStopTheSuccessorStartsNothingBesideIt) {
    over_seeds(20, without_disk(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ail("mysqld", that_takes(0s, 12s));
        cluster.daemon(Node::A).command(hb::Command::Verb::standby, "all");
        ASSERT_TRUE(cluster.run_until([&] { return works(cluster, Node::A, "mysqld"); }, 60s));
        kill_and_start(cluster, Node::A);
        cluster.expect_home(false);
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
    });
}

void begin_a_start_that_nothing_ends(Cluster& cluster) {
    Ailment ailment = that_takes(600s, 0s);
    ailment.unkillable = true;
    cluster.machine(Node::A).ail("mysqld", ailment);
    cluster.daemon(Node::A).start();
    cluster.daemon(Node::B).start();
    ASSERT_TRUE(cluster.run_until([&] { return works(cluster, Node::A, "mysqld"); }, 60s));
}

// Its limit kills it, and it lives on: its group stays where it is, and is started by nobody.
TEST(Stuck, AStartThatNothingEndsIsNoStartThatHasFailed) {
    Options options = without_disk();
    options.policy = "agent_timeout start 5\nagent_timeout stop 5\n";
    over_seeds(20, options, [](Cluster& cluster) {
        begin_a_start_that_nothing_ends(cluster);
        cluster.run_for(5500ms);
        EXPECT_TRUE(cluster.daemon(Node::A).alarmed(hb::AlarmKind::resource));
        while (works(cluster, Node::A, "mysqld") && cluster.world().violation().empty()) {
            EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
            cluster.run_for(100ms);
        }
        cluster.machine(Node::A).ailments().clear();
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

TEST(Stuck, ItsSuccessorsSuccessorKnowsItToo) {
    Options options = without_disk();
    options.policy = "agent_timeout start 5\n";
    over_seeds(20, options, [](Cluster& cluster) {
        begin_a_start_that_nothing_ends(cluster);
        for (int i = 0; i < 3; ++i) {
            cluster.run_for(cluster.world().between(1s, 8s));
            kill_and_start(cluster, Node::A);
        }
        cluster.machine(Node::A).ailments().clear();
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// Whenever the kill comes, before the stops or while they are at work: no word runs twice.
TEST(Killed, WhileIsolatedTheStopsGoOnAndEndInTime) {
    over_seeds(60, alone_by_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ail("mysqld", that_takes(0s, cluster.world().between(0s, 2800ms)));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.run_for(cluster.world().between(0s, 6s));
        kill_and_start(cluster, Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        cluster.run_for(30s);
        EXPECT_EQ(cluster.holder(0), Node::B);
    });
}

TEST(Killed, WhileNobodyHearsItTheStopsEndInTime) {
    over_seeds(60, alone_by_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ail("mysqld", that_takes(0s, cluster.world().between(0s, 2800ms)));
        cluster.mute(Node::A);
        cluster.run_for(cluster.world().between(0s, 7s));
        kill_and_start(cluster, Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
    });
}

// Neither the kill nor the silence before it costs the stops their time: they end, and no reset is
// needed.
TEST(Killed, WhileIsolatedTheSuccessorStopsAtOnce) {
    over_seeds(30, alone_by_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ail("IPaddr", that_takes(0s, 2200ms));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.daemon(Node::A).decided("Isolated") > 0; }, 20s));
        cluster.kill_daemon(Node::A);
        cluster.run_for(cluster.world().between(10ms, 100ms));
        cluster.daemon(Node::A).start();
        const auto stops = [&] { return works(cluster, Node::A, "IPaddr::10.0.0.17/24/eth0"); };
        EXPECT_TRUE(cluster.run_until(stops, 600ms));
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        EXPECT_TRUE(cluster.machine(Node::A).powered());
    });
}

TEST(Killed, BeforeItKnowsThatItIsIsolatedTheSilenceCountsOn) {
    over_seeds(30, alone_by_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.machine(Node::A).ail("mysqld", that_takes(0s, 1s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.run_for(2500ms);
        kill_and_start(cluster, Node::A);
        const auto knows = [&] { return cluster.daemon(Node::A).decided("Isolated") > 0; };
        EXPECT_TRUE(cluster.run_until(knows, 2400ms));
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 60s));
        EXPECT_TRUE(cluster.machine(Node::A).powered());
    });
}

// What an agent that is not there any more says of a group that ran is not that it is stopped.
TEST(Killed, AndAnAgentIsGoneTheGroupIsClaimedUntilItIsKnown) {
    Options options = without_disk();
    options.exclusive = false;
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.daemon(Node::B).command(hb::Command::Verb::shutdown);
        cluster.run_for(5s);
        Ailment gone;
        gone.missing = true;
        cluster.machine(Node::A).ail("IPaddr", gone);
        cluster.kill_daemon(Node::A);
        cluster.machine(Node::A).kill_resource("mysqld");
        cluster.run_for(10s);
        cluster.daemon(Node::A).start();
        cluster.daemon(Node::B).start();
        cluster.run_for(60s);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        cluster.machine(Node::A).ailments().clear();
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// The same while the group is being stopped, and over two kills: it does not go home before its
// agent has said that it is stopped.
TEST(Killed, TwiceInAReleaseTheGroupWhoseAgentIsGoneDoesNotGoHome) {
    over_seeds(20, {}, [](Cluster& cluster) {
        cluster.start_both();
        Ailment gone;
        gone.missing = true;
        cluster.machine(Node::A).ail("drbddisk", gone);
        cluster.daemon(Node::A).command(hb::Command::Verb::standby, "all");
        cluster.run_for(cluster.world().between(500ms, 5s));
        for (int i = 0; i < 2; ++i) {
            kill_and_start(cluster, Node::A);
            cluster.run_for(cluster.world().between(0s, 5s));
        }
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        cluster.machine(Node::A).ailments().clear();
        cluster.expect_home(false);
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

// A lone survivor with a ping node that answers, long after the partner's death: a kill is no
// reason to stop anything.
TEST(Killed, OfALoneSurvivorThatReachesTheWorldStopsNothing) {
    over_seeds(20, alone_by_quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::B);
        cluster.run_for(60s);
        kill_and_start(cluster, Node::A);
        for (int i = 0; i < 300; ++i) {
            cluster.run_for(100ms);
            ASSERT_EQ(cluster.holder(0), Node::A);
        }
    });
}

}  // namespace
}  // namespace hbsim
