#include "drbdd/runtime/handler_runner.h"

#include "tests/unit/runtime/temporary.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <unistd.h>

namespace runtime {
namespace {

using namespace std::chrono_literals;

class SilentLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

class HandlerRunnerTest : public ::testing::Test {
protected:
    // The wait status of the command.
    int run(const std::string& command, std::chrono::nanoseconds limit = 1min) {
        std::promise<int> promise;
        HandlerCall call;
        call.name = "split-brain";
        call.command = command;
        call.environment = {{"DRBD_RESOURCE", "r0"}, {"DRBD_MINOR", "7"}};
        call.time_limit = limit;
        call.ended = [&promise](int status) { promise.set_value(status); };
        runner_.run(std::move(call));
        return promise.get_future().get();
    }

    TemporaryFolder folder_;
    SilentLog log_;
    HandlerRunner runner_{log_};
};

TEST_F(HandlerRunnerTest, RunsAShellCommandWithTheEnvironmentOfAHandler) {
    const std::string file = folder_.path("output");
    EXPECT_EQ(run("echo $DRBD_RESOURCE $DRBD_MINOR $HOME $PATH > " + file), 0);
    std::ifstream input(file);
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    EXPECT_EQ(text, "r0 7 / /sbin:/usr/sbin:/bin:/usr/bin:/lib/drbd\n");
}

// The whole environment is the documented one, whatever the daemon was started with.
TEST_F(HandlerRunnerTest, GivesAHandlerNothingElse) {
    const std::string file = folder_.path("output");
    ::setenv("LEAK", "from the daemon", 1);
    EXPECT_EQ(run("/usr/bin/env | /usr/bin/sort | /bin/grep -v '^_=\\|^PWD=' > " + file), 0);
    ::unsetenv("LEAK");
    std::ifstream input(file);
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    EXPECT_EQ(text,
              "DRBD_MINOR=7\nDRBD_RESOURCE=r0\nHOME=/\n"
              "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/lib/drbd\nTERM=linux\n");
}

// Also what a library has opened without telling anybody.
TEST_F(HandlerRunnerTest, AHandlerInheritsNoDescriptor) {
    const std::string file = folder_.path("output");
    const int leak = ::open("/dev/zero", O_RDONLY);
    // Without a pipeline, whose ends the shell itself has open for a moment.
    EXPECT_EQ(run("exec > " + file +
                  "; i=0; while [ $i -lt 256 ]; do "
                  "[ ! -e /proc/$$/fd/$i ] || echo $i; i=$((i+1)); done"),
              0);
    ::close(leak);
    std::ifstream input(file);
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    EXPECT_EQ(text, "0\n1\n2\n");
}

TEST_F(HandlerRunnerTest, TellsTheWaitStatus) {
    EXPECT_EQ(run("exit 4"), 1024);
    EXPECT_EQ(run("/nonexistent 2> /dev/null"), 127 * 256);
}

// The first waits until the one of another queue has run; the second writes after the first.
TEST_F(HandlerRunnerTest, RunsOneCallOfAQueueAtATime) {
    const std::string file = folder_.path("output");
    const std::string gate = folder_.path("gate");
    std::promise<int> done;
    const auto call = [&](const std::string& queue, const std::string& command, bool last = false) {
        HandlerCall made;
        made.name = "split-brain";
        made.command = command;
        made.queue = queue;
        made.ended = [&done, last](int status) {
            if (last) {
                done.set_value(status);
            }
        };
        runner_.run(std::move(made));
    };
    call("a", "while ! test -e " + gate + "; do :; done; echo first >> " + file);
    call("a", "echo second >> " + file);
    call("a", "echo third >> " + file, true);
    call("b", "touch " + gate);
    EXPECT_EQ(done.get_future().get(), 0);
    std::ifstream input(file);
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    EXPECT_EQ(text, "first\nsecond\nthird\n");
}

TEST_F(HandlerRunnerTest, KillsWhatTakesTooLong) {
    EXPECT_EQ(run("while :; do :; done", 20ms), 9);
}

}  // namespace
}  // namespace runtime
