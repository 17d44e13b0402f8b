#include "drbdd/runtime/process.h"

#include "tests/unit/runtime/temporary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

// Any user may open the directory, and what is open may be locked.
TEST(ClaimRunDirectory, ALockOnWhatOthersMayReadKeepsNobodyOut) {
    const TemporaryFolder temporary;
    const std::string folder = temporary.path("run");
    ASSERT_TRUE(claim_run_directory(folder));
    const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY));
    const FileDescriptor pid_file(::open((folder + "/drbdd.pid").c_str(), O_RDONLY));
    ASSERT_EQ(::flock(directory.get(), LOCK_EX | LOCK_NB), 0);
    ASSERT_EQ(::flock(pid_file.get(), LOCK_EX | LOCK_NB), 0);
    const auto claim = claim_run_directory(folder);
    EXPECT_TRUE(claim) << claim.error().text;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const bool is_pid_file = entry.path().filename() == "drbdd.pid";
        EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), is_pid_file ? 0644u : 0600u)
            << entry.path();
    }
}

TEST(ClaimRunDirectory, RefusesADirectoryThatOthersMayWrite) {
    const TemporaryFolder temporary;
    const std::string folder = temporary.path("run");
    std::filesystem::create_directory(folder);
    for (const unsigned mode : {0775u, 0757u, 01777u}) {
        std::filesystem::permissions(folder, std::filesystem::perms(mode));
        const auto claim = claim_run_directory(folder);
        ASSERT_FALSE(claim);
        EXPECT_NE(claim.error().text.find("writable by others"), std::string::npos)
            << claim.error().text;
    }
    if (::geteuid() == 0) {
        std::filesystem::permissions(folder, std::filesystem::perms(0755));
        ASSERT_EQ(::chown(folder.c_str(), 65534, 65534), 0);
        EXPECT_FALSE(claim_run_directory(folder));
    }
}

TEST(ClaimRunDirectory, FollowsNoLink) {
    const TemporaryFolder temporary;
    const std::string victim = temporary.make_file("victim", 100);
    const std::string folder = temporary.path("run");
    for (const char* name : {"/drbdd.pid", "/drbdd.lock"}) {
        std::filesystem::remove_all(folder);
        std::filesystem::create_directory(folder);
        std::filesystem::create_symlink(victim, folder + name);
        EXPECT_FALSE(claim_run_directory(folder)) << name;
        std::filesystem::remove(folder + name);
        std::filesystem::create_hard_link(victim, folder + name);
        EXPECT_FALSE(claim_run_directory(folder)) << name;
    }
    EXPECT_EQ(std::filesystem::file_size(victim), 100u);
    std::filesystem::create_directory_symlink(folder, temporary.path("link"));
    EXPECT_FALSE(claim_run_directory(temporary.path("link")));
}

class NoLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

// In a process of its own: a limit that is lowered for good stays so.
int exit_code_of(const std::function<bool()>& check) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(check() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(RaiseLimits, GoesAsFarAsTheSystemAllows) {
    EXPECT_EQ(exit_code_of([] {
                  rlimit files{};
                  ::getrlimit(RLIMIT_NOFILE, &files);
                  files.rlim_cur = 40;
                  ::setrlimit(RLIMIT_NOFILE, &files);
                  NoLog log;
                  raise_limits(log);
                  rlimit now{};
                  ::getrlimit(RLIMIT_NOFILE, &now);
                  return now.rlim_cur >= std::min<rlim_t>(files.rlim_max, 65536);
              }),
              0);
}

TEST(RaiseLimits, LowersNone) {
    EXPECT_EQ(exit_code_of([] {
                  rlimit before{};
                  ::getrlimit(RLIMIT_MEMLOCK, &before);
                  NoLog log;
                  raise_limits(log);
                  rlimit now{};
                  ::getrlimit(RLIMIT_MEMLOCK, &now);
                  return now.rlim_cur >= before.rlim_cur && now.rlim_max >= before.rlim_max;
              }),
              0);
}

}  // namespace

}  // namespace runtime
