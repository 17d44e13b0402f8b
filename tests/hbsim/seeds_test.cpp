// Replays every seed that once failed: tests/hbsim/seeds.txt, one per line, with the reason.

#include "tests/hbsim/random_run.h"
#include "tests/random/random_main.h"

#include <gtest/gtest.h>

namespace hbsim {
namespace {

TEST(Seeds, ThatOnceFailedPass) {
    const auto seeds = random_runs::seeds_in(DRBDD_SOURCE_DIR "/tests/hbsim/seeds.txt");
    ASSERT_FALSE(seeds.empty());
    for (const random_runs::Seed& seed : seeds) {
        const bool wide = seed.line.find(" wide ") != std::string::npos;
        const Space space = wide ? Space::wide : Space::first;
        const RunResult result = RandomRun(seed.number, false, space).run();
        EXPECT_EQ(result.violation, "") << seed.line << "\n" << result.trace;
    }
}

TEST(Seeds, TheSameSeedIsTheSameRun) {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        for (const Space space : {Space::first, Space::wide}) {
            EXPECT_EQ(RandomRun(seed, false, space).run().hash,
                      RandomRun(seed, false, space).run().hash);
        }
    }
}

}  // namespace
}  // namespace hbsim
