// Replays every seed that once failed: tests/hbsim/seeds.txt, one per line, with the reason.

#include "tests/hbsim/random_run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace hbsim {
namespace {

TEST(Seeds, ThatOnceFailedPass) {
    std::ifstream file(DRBDD_SOURCE_DIR "/tests/hbsim/seeds.txt");
    ASSERT_TRUE(file.is_open());
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::uint64_t seed = 0;
        if (line.empty() || line[0] == '#' || !(words >> seed)) {
            continue;
        }
        const RunResult result = RandomRun(seed, false).run();
        EXPECT_EQ(result.violation, "") << line << "\n" << result.trace;
    }
}

TEST(Seeds, TheSameSeedIsTheSameRun) {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        EXPECT_EQ(RandomRun(seed, false).run().hash, RandomRun(seed, false).run().hash);
    }
}

}  // namespace
}  // namespace hbsim
