// Coming up: together, alone, late; and doing nothing when nothing happens. Heartbeat
// specification, sections 3.3, 3.6 and 3.12.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

constexpr const char* kTwoGroups =
    "node-a drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 IPaddr::10.0.0.17/24/eth0 mysqld\n"
    "node-b drbddisk::r1 Filesystem::/dev/drbd1::/web::xfs IPaddr::10.0.0.18/24/eth0 httpd\n";

Options two_groups() {
    Options options;
    options.haresources = kTwoGroups;
    return options;
}

TEST(Start, BothNodesComeUpAndTheHomeNodeRunsTheGroup) {
    over_seeds(20, {}, [](Cluster& cluster) {
        cluster.start_both();
        EXPECT_EQ(cluster.holder(0), Node::A);
    });
}

TEST(Start, EachGroupStartsAtItsHome) {
    over_seeds(10, two_groups(), [](Cluster& cluster) {
        cluster.start_both();
        EXPECT_EQ(cluster.holder(0), Node::A);
        EXPECT_EQ(cluster.holder(1), Node::B);
    });
}

TEST(Start, ANodeAloneTakesEverythingAfterInitdead) {
    over_seeds(10, two_groups(), [](Cluster& cluster) {
        cluster.power_cut(Node::B);
        cluster.daemon(Node::A).start();
        cluster.run_for(5500ms);
        EXPECT_TRUE(cluster.runs_nothing(Node::A, 0));
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.holder(0) == Node::A && cluster.holder(1) == Node::A; }, 20s));
    });
}

TEST(Start, ALateNodeGetsItsGroupBack) {
    over_seeds(10, two_groups(), [](Cluster& cluster) {
        cluster.power_cut(Node::B);
        cluster.daemon(Node::A).start();
        cluster.run_for(40s);
        cluster.boot(Node::B);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.holder(1), Node::B);
    });
}

TEST(Start, ALateNodeWithoutFailbackLeavesTheGroupWhereItIs) {
    Options options = two_groups();
    options.failback = "off";
    over_seeds(10, options, [](Cluster& cluster) {
        cluster.power_cut(Node::B);
        cluster.daemon(Node::A).start();
        cluster.run_for(40s);
        cluster.boot(Node::B);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        cluster.run_for(60s);
        EXPECT_EQ(cluster.holder(1), Node::A);
    });
}

TEST(Start, NothingHappensWithoutACause) {
    over_seeds(3, {}, [](Cluster& cluster) {
        cluster.start_both();
        const std::uint64_t starts = cluster.machine(Node::A).starts();
        cluster.run_for(600s);
        EXPECT_EQ(cluster.unsettled(), "");
        EXPECT_EQ(cluster.machine(Node::A).starts(), starts);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
        for (const Node node : kNodes) {
            EXPECT_EQ(cluster.daemon(node).restarts(), 0u);
            EXPECT_EQ(cluster.daemon(node).decided("Taking over from"), 0u);
        }
    });
}

TEST(Start, ARestartOfTheDaemonLeavesTheResourcesAlone) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        const std::uint64_t starts = cluster.machine(Node::A).starts();
        cluster.daemon(Node::A).command(hb::Command::Verb::restart);
        cluster.run_for(30s);
        EXPECT_EQ(cluster.daemon(Node::A).restarts(), 1u);
        EXPECT_TRUE(cluster.settle(60s)) << cluster.unsettled();
        EXPECT_EQ(cluster.machine(Node::A).starts(), starts);
        EXPECT_EQ(cluster.machine(Node::B).starts(), 0u);
    });
}

}  // namespace
}  // namespace hbsim
