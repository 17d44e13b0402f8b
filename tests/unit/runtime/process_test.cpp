#include "drbdd/runtime/process.h"

#include "tests/unit/runtime/temporary.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace runtime {

namespace {

TEST(ClaimRunDirectory, HoldsForAsLongAsTheDescriptor) {
    const TemporaryFolder temporary;
    const std::string folder = temporary.path("run");
    {
        const auto first = claim_run_directory(folder);
        ASSERT_TRUE(first) << first.error().text;
        const auto second = claim_run_directory(folder);
        ASSERT_FALSE(second);
        EXPECT_NE(second.error().text.find(std::to_string(::getpid())), std::string::npos)
            << second.error().text;
    }
    EXPECT_TRUE(claim_run_directory(folder));
}

// systemd does so when a second start has failed.
TEST(ClaimRunDirectory, OutlivesThePidFile) {
    const TemporaryFolder temporary;
    const std::string folder = temporary.path("run");
    const auto first = claim_run_directory(folder);
    ASSERT_TRUE(first) << first.error().text;
    std::filesystem::remove(folder + "/drbdd.pid");
    EXPECT_FALSE(claim_run_directory(folder));
}

TEST(ClaimRunDirectory, WritesTheProcess) {
    const TemporaryFolder temporary;
    const std::string folder = temporary.path("run");
    const auto claim = claim_run_directory(folder);
    ASSERT_TRUE(claim) << claim.error().text;
    int pid = 0;
    std::ifstream(folder + "/drbdd.pid") >> pid;
    EXPECT_EQ(pid, ::getpid());
}

}  // namespace

}  // namespace runtime
