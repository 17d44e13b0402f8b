// Replays every seed that once failed: tests/sim/seeds.txt, one per line, with the reason.

#include "tests/random/random_main.h"
#include "tests/sim/random_run.h"

#include <gtest/gtest.h>

namespace sim {
namespace {

TEST(SimSeeds, ThatOnceFailedPass) {
    const auto seeds = random_runs::seeds_in(DRBDD_SOURCE_DIR "/tests/sim/seeds.txt");
    ASSERT_FALSE(seeds.empty());
    for (const random_runs::Seed& seed : seeds) {
        const RunResult result = RandomRun(seed.number, false).run();
        EXPECT_EQ(result.violation, "") << seed.line << "\n" << result.trace;
    }
}

}  // namespace
}  // namespace sim
