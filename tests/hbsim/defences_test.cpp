// Each defence against two writers under the fault that it is there for. That nothing runs twice is
// checked at every start. Heartbeat specification, sections 6 and 7.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

using Verb = hb::Command::Verb;

std::size_t holders(const Cluster& cluster) {
    return static_cast<std::size_t>(cluster.runs(Node::A, 0)) +
           static_cast<std::size_t>(cluster.runs(Node::B, 0));
}

Options fencing() {
    Options options;
    options.fencing = true;
    return options;
}

Options quorum() {
    Options options;
    options.pings = 1;
    options.policy = "quorum_ping 1\n";
    return options;
}

TEST(Links, WhileOneIsLeftNothingIsTakenOver) {
    Options options;
    options.links = 3;
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        for (std::size_t spared = 0; spared < 3; ++spared) {
            for (std::size_t i = 0; i < 3; ++i) {
                cluster.network().cut(i, i != spared, i != spared);
            }
            cluster.run_for(20s);
        }
        EXPECT_EQ(cluster.holder(0), Node::A);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::last_link));
    });
}

// On three links: on two, three heartbeats in a row are lost about once in ten minutes.
TEST(Links, LossDelayAndRepetitionOnAllIsNoDeath) {
    Options options;
    options.links = 3;
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        for (Link& link : cluster.network().links()) {
            link.loss = 0.1;
            link.duplicate = 0.3;
            link.delay_max = 400ms;
        }
        cluster.run_for(300s);
        EXPECT_EQ(cluster.unsettled(), "");
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

TEST(Fencing, APartitionLeavesOneNodeWithTheGroup) {
    over_seeds(20, fencing(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.network().cut_all();
        cluster.run_for(60s);
        EXPECT_LE(holders(cluster), 1u);
        cluster.heal();
        EXPECT_TRUE(cluster.settle(180s)) << cluster.unsettled();
    });
}

TEST(Fencing, NothingIsTakenOverUntilTheDeviceConfirms) {
    over_seeds(10, fencing(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.fence().works = false;
        cluster.power_cut(Node::A);
        cluster.run_for(60s);
        EXPECT_TRUE(cluster.runs_nothing(Node::B, 0));
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::fencing));
        cluster.fence().works = true;
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 15s));
    });
}

TEST(Fencing, AKilledDaemonsMachineIsResetBeforeItsGroupIsTaken) {
    over_seeds(10, fencing(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.kill_daemon(Node::A);  // the resources go on there
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 15s));
        EXPECT_EQ(cluster.daemon(Node::B).fencings(), 1u);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
    });
}

TEST(Fencing, ANodeThatStoodStillFindsItselfReset) {
    over_seeds(10, fencing(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.daemon(Node::A).stall(10s);
        cluster.run_for(9s);
        EXPECT_EQ(cluster.holder(0), Node::B);
        EXPECT_TRUE(cluster.settle(90s)) << cluster.unsettled();
    });
}

TEST(Watchdog, ResetsAMachineWhoseDaemonIsGone) {
    Options options;
    options.watchdog = true;
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.kill_daemon(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 10s));
        EXPECT_TRUE(cluster.runs_nothing(Node::A, 0));
    });
}

TEST(Watchdog, ResetsAMachineThatHangsBeforeItsGroupIsTaken) {
    Options options;
    options.watchdog = true;
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.run_for(2s);
        cluster.daemon(Node::A).stall(60s);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 10s));
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Quorum, AnIsolatedHolderStopsBeforeTheOtherStarts) {
    over_seeds(20, quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.holder(0) == Node::B; }, 20s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Quorum, AnIsolatedStandbyNodeTakesNothing) {
    over_seeds(20, quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(60s);
        EXPECT_EQ(cluster.holder(0), Node::A);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

// Its agents are slow to say that there is nothing to stop. A reset for their sake would take the
// last node away that can serve.
TEST(Quorum, AnIsolatedNodeWithoutTheGroupHasNothingToStop) {
    Options options = quorum();
    options.policy += "agent_timeout stop 8\n";
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        const std::uint64_t life = cluster.machine(Node::B).generation;
        for (const char* resource : {"drbddisk", "mysqld"}) {
            cluster.machine(Node::B).ailments()[resource].stop_takes = 6s;
        }
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(cluster.world().between(3s, 12s));
        cluster.network().heal();
        cluster.network().set_pings_reachable(Node::B, true);
        cluster.run_for(cluster.world().between(0s, 3s));
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 25s));
        EXPECT_EQ(cluster.machine(Node::B).generation, life);
        cluster.machine(Node::B).ailments().clear();
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Quorum, WithBothIsolatedNobodyRunsTheGroup) {
    over_seeds(10, quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::A, false);
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(30s);
        EXPECT_EQ(holders(cluster), 0u);
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Quorum, ADeadNodeIsTakenOverFrom) {
    over_seeds(10, quorum(), [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 12s));
    });
}

TEST(Manual, ATakeoverWaitsForAPerson) {
    Options options;
    options.policy = "takeover manual\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        cluster.run_for(60s);
        EXPECT_TRUE(cluster.runs_nothing(Node::B, 0));
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::takeover));
        cluster.daemon(Node::B).command(Verb::takeover);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::B, 0); }, 5s));
    });
}

// It had enough ping nodes when it began to wait for a person, and has none when that one comes.
TEST(Manual, QuorumIsLookedAtAgainWhenThePersonHasCome) {
    Options options;
    options.haresources = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";
    options.pings = 1;
    options.policy = "quorum_ping 1\ntakeover manual\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.power_cut(Node::A);
        cluster.run_for(30s);
        cluster.network().cut_all();
        cluster.network().set_pings_reachable(Node::B, false);
        cluster.run_for(5s);
        cluster.boot(Node::A);
        cluster.run_for(30s);
        cluster.daemon(Node::A).command(Verb::takeover);
        EXPECT_TRUE(cluster.run_until([&] { return cluster.runs(Node::A, 0); }, 5s));
        cluster.daemon(Node::B).command(Verb::takeover);
        cluster.run_for(30s);
        EXPECT_EQ(cluster.holder(0), Node::A);
        cluster.heal(false);
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Delay, ANodeThatReturnsInTimeKeepsItsGroup) {
    Options options;
    options.policy = "takeover_delay 10\n";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.start_both();
        const std::uint64_t starts = cluster.machine(Node::A).starts();
        cluster.network().cut_all();
        cluster.run_for(8s);
        EXPECT_TRUE(cluster.daemon(Node::B).alarmed(hb::AlarmKind::takeover));
        cluster.network().heal();
        cluster.run_for(60s);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_GE(cluster.machine(Node::A).starts(), starts);
    });
}

TEST(Partition, WithoutADefenceItHealsToOneHolder) {
    for (const char* policy : {"", "partition_policy gentle\n"}) {
        Options options;
        options.exclusive = false;
        options.policy = policy;
        over_seeds(20, options, [](Cluster& cluster) {
            cluster.start_both();
            cluster.network().cut_all();
            cluster.run_for(cluster.world().between(1s, 30s));
            cluster.network().heal();
            EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
        });
    }
}

// Both held everything, and the home seemed to be the later taker since it was restarted: what the
// other keeps goes home all the same.
TEST(Partition, WhatTheFirstTakerKeepsGoesHome) {
    Options options;
    options.exclusive = false;
    options.policy = "partition_policy gentle\n";
    options.haresources = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";
    over_seeds(20, options, [](Cluster& cluster) {
        cluster.start_both();
        cluster.network().cut_all();
        cluster.run_for(cluster.world().between(10s, 30s));
        EXPECT_TRUE(cluster.runs(Node::B, 0));
        cluster.daemon(Node::A).command(hb::Command::Verb::restart);
        cluster.run_for(cluster.world().between(15s, 30s));
        cluster.network().heal();
        EXPECT_TRUE(cluster.settle(120s)) << cluster.unsettled();
    });
}

TEST(Clock, AJumpOfTheWallClockDoesNothing) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        cluster.daemon(Node::A).jump_clock(-1'000'000);
        cluster.daemon(Node::B).jump_clock(5'000'000);
        cluster.run_for(60s);
        EXPECT_EQ(cluster.unsettled(), "");
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        EXPECT_EQ(cluster.daemon(Node::A).restarts() + cluster.daemon(Node::B).restarts(), 0u);
    });
}

TEST(Adversary, CanNeitherKeepADeadNodeAliveNorKillALivingOne) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        const auto replay = [&](Node to) {
            for (const std::string& bytes : cluster.network().recorded()) {
                cluster.network().inject(0, to, bytes);
            }
        };
        replay(Node::A);
        replay(Node::B);
        cluster.run_for(10s);
        EXPECT_EQ(cluster.unsettled(), "");
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        cluster.power_cut(Node::A);
        for (int i = 0; i < 12; ++i) {
            replay(Node::B);
            cluster.run_for(500ms);
        }
        EXPECT_TRUE(cluster.runs(Node::B, 0));
        EXPECT_EQ(cluster.daemon(Node::B).restarts(), 0u);
    });
}

}  // namespace
}  // namespace hbsim
