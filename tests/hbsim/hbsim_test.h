// What the scenarios share: a cluster that reports its violations to GoogleTest.
#pragma once

#include "tests/hbsim/cluster.h"

#include <gtest/gtest.h>

namespace hbsim {

class TestCluster : public Cluster {
public:
    explicit TestCluster(const Options& options) : Cluster(options) {}

    ~TestCluster() override {
        EXPECT_EQ(world().violation(), "");
        if (testing::Test::HasFailure()) {
            ADD_FAILURE() << "the end of the trace:\n" << world().trace_end(150);
        }
    }
};

// Runs the scenario with the seeds 1 to `count`, until one fails.
template <typename Scenario>
void over_seeds(std::uint64_t count, const Options& options, Scenario scenario) {
    for (std::uint64_t seed = 1; seed <= count && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Options with_seed = options;
        with_seed.seed = seed;
        TestCluster cluster(with_seed);
        scenario(cluster);
    }
}

}  // namespace hbsim
