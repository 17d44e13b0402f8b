// What the scenario tests share: a cluster that reports its violations to GoogleTest, and the loop
// over seeds.
#pragma once

#include "tests/sim/cluster.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sim {

using namespace std::chrono_literals;

using engine::ConnState;
using engine::DiskState;
using engine::Role;

class TestCluster : public Cluster {
public:
    explicit TestCluster(ClusterOptions options) : Cluster(std::move(options)) {}

    ~TestCluster() override {
        EXPECT_EQ(violation(), "") << replay_hint();
        if (testing::Test::HasFailure()) {
            ADD_FAILURE() << "the end of the trace:\n" << world().trace.last(60);
        }
    }
};

// The sanitizers look at the code that runs, not at what comes of it, and slow it down a lot:
// there a quarter of the seeds is enough. The release build runs them all.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kShareOfSeeds = 4;
#else
constexpr std::uint64_t kShareOfSeeds = 1;
#endif

// Runs the scenario with the seeds 1 to `count`, until one fails.
template <typename Scenario>
void over_seeds(std::uint64_t count, Scenario scenario) {
    for (std::uint64_t seed = 1;
         seed <= (count + kShareOfSeeds - 1) / kShareOfSeeds && !testing::Test::HasFailure();
         ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        scenario(seed);
    }
}

inline ClusterOptions with_seed(std::uint64_t seed) {
    ClusterOptions options;
    options.seed = seed;
    return options;
}

}  // namespace sim
