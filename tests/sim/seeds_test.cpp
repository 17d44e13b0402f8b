// Replays every seed that once failed: tests/sim/seeds*.txt, one per line, with the reason.

#include "tests/random/random_main.h"
#include "tests/sim/random_run.h"

#include <gtest/gtest.h>

#include <string>

namespace sim {
namespace {

template <typename Run>
void replay(const std::string& file) {
    const auto seeds = random_runs::seeds_in(DRBDD_SOURCE_DIR "/tests/sim/" + file);
    ASSERT_FALSE(seeds.empty());
    for (const random_runs::Seed& seed : seeds) {
        const RunResult result = Run(seed.number, false, seed.space).run();
        EXPECT_EQ(result.violation, "") << seed.line << "\n" << result.trace;
    }
}

TEST(SimSeeds, ThatOnceFailedPass) {
    replay<RandomRun>("seeds.txt");
}

TEST(SimSeeds, OfFencedRunsThatOnceFailedPass) {
    replay<FencedRun>("seeds_fenced.txt");
}

}  // namespace
}  // namespace sim
