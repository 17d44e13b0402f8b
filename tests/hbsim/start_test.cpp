// Coming up: together, alone, late; and doing nothing when nothing happens.
#include "tests/hbsim/hbsim_test.h"

namespace hbsim {
namespace {

TEST(Start, BothNodesComeUpAndTheHomeNodeRunsTheGroup) {
    over_seeds(10, {}, [](Cluster& cluster) {
        cluster.start_both();
        EXPECT_EQ(cluster.holder(0), Node::A);
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
            EXPECT_EQ(cluster.daemon(node).decided("Taking over"), 0u);
        }
    });
}

}  // namespace
}  // namespace hbsim
