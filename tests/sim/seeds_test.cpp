// Replays every seed that once failed: tests/sim/seeds.txt, one per line, with the reason.

#include "tests/sim/random_run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace sim {
namespace {

TEST(SimSeeds, ThatOnceFailedPass) {
    std::ifstream file(DRBDD_SOURCE_DIR "/tests/sim/seeds.txt");
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

}  // namespace
}  // namespace sim
