// Real children under a real loop: when a job has ended, and how.
#include "heartbeat/agents/child_runner.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace hb;
using std::chrono::milliseconds;

class Quiet : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

ChildCommand shell(const std::string& script) {
    ChildCommand command;
    command.label = "test";
    command.argv = {"/bin/sh", "-c", script};
    command.variables = {"PATH=/usr/bin:/bin"};
    return command;
}

// Each job starts the next one from its own end, as status and start of a group do: what the loop
// still has in hand for the descriptors of the old child meets those of the new one.
class Chain {
public:
    Chain(boost::asio::io_context& io, ChildRunner& children, unsigned jobs)
        : io_(io), children_(children), left_(jobs) {}

    void next() {
        if (left_ == 0) {
            io_.stop();
            return;
        }
        --left_;
        // Alternately one that says something and one that is silent, with exit codes that tell.
        const int code = 3 + static_cast<int>(left_ % 5);
        const std::string exit = "exit " + std::to_string(code);
        children_.run(++job_,
                      shell(left_ % 2 == 0 ? "echo running; " + exit : exit),
                      [this, code](const ChildResult& result) {
                          if (result.exit != code) {
                              ++false_ends_[result.text];
                          }
                          next();
                      });
    }

    const std::map<std::string, int>& false_ends() const { return false_ends_; }

private:
    boost::asio::io_context& io_;
    ChildRunner& children_;
    unsigned left_;
    JobId job_ = 0;
    std::map<std::string, int> false_ends_;
};

TEST(ChildRunner, AThousandChainedJobsEndWhenTheKernelSaysSo) {
    Quiet log;
    boost::asio::io_context io{1};
    ChildRunner children(io, log);
    Chain chain(io, children, 1000);
    chain.next();
    io.run();
    for (const auto& [text, times] : chain.false_ends()) {
        ADD_FAILURE() << times << " of 1000: " << text;
    }
}

// The fault itself: the wait for the child's descriptor returns although it runs.
TEST(ChildRunner, AWakeUpWithoutAnEndIsNoEnd) {
    Quiet log;
    boost::asio::io_context io{1};
    ChildRunner children(io, log);
    bool ended = false;
    children.run(
        1, shell("read -r nothing < /dev/null; sleep 0.5; exit 7"), [&](const auto& result) {
            ended = true;
            EXPECT_EQ(result.exit, 7) << result.text;
            EXPECT_GE(result.took, milliseconds(400));
            io.stop();
        });
    for (int i = 0; i < 20; ++i) {
        children.wake(1);
    }
    boost::asio::steady_timer early(io, milliseconds(200));
    early.async_wait([&](const auto&) {
        EXPECT_FALSE(ended);
        EXPECT_EQ(children.running(), 1u);
        children.wake(1);
    });
    io.run();
    EXPECT_TRUE(ended);
}

// Somebody else has waited for it: the kernel says that there is no such child any more. That is an
// end, of which nobody knows the code, and it must not be waited for in a circle.
TEST(ChildRunner, AChildThatOthersHaveWaitedForHasEnded) {
    Quiet log;
    boost::asio::io_context io{1};
    // The kernel forgets them at their end, which must not come before we look at it.
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    ChildResult ended;
    {
        ChildRunner children(io, log);
        children.run(1, shell("sleep 0.3"), [&](const ChildResult& result) {
            ended = result;
            io.stop();
        });
        boost::asio::steady_timer limit(io, std::chrono::seconds(5));
        limit.async_wait([&](const auto&) { io.stop(); });
        io.run();
    }
    ::signal(SIGCHLD, before);
    EXPECT_EQ(ended.exit, -1);
    EXPECT_NE(ended.text.find("nobody knows how"), std::string::npos) << ended.text;
}

// A reset at work: it is not ended with us, neither by a signal nor by what it prints.
TEST(ChildRunner, WhatOutlivesUsEndsItsWork) {
    Quiet log;
    char name[] = "/tmp/hb-outlives-XXXXXX";
    const int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    {
        boost::asio::io_context io{1};
        ChildRunner children(io, log);
        ChildCommand command = shell(
            "echo off; sleep 0.4; echo on; echo complaint >&2; echo done > " + std::string(name));
        command.outlives_us = true;
        children.run(1, command, [](const auto&) { ADD_FAILURE() << "nobody waits any more"; });
        io.run_for(milliseconds(100));
    }

    struct stat found {};

    for (int i = 0; i < 50 && found.st_size == 0; ++i) {
        ::usleep(100'000);
        ASSERT_EQ(::fstat(file, &found), 0);
    }
    EXPECT_EQ(found.st_size, 5) << "the reset did not come to its end";
    ::unlink(name);
    ::close(file);
}

TEST(ChildRunner, WhatMayOutliveUsIsHeardAllTheSame) {
    Quiet log;
    boost::asio::io_context io{1};
    ChildRunner children(io, log);
    ChildCommand command =
        shell("head -c 3000000 /dev/zero | tr '\\0' x; echo no answer >&2; exit 1");
    command.outlives_us = true;
    ChildResult ended;
    children.run(1, command, [&](const ChildResult& result) {
        ended = result;
        io.stop();
    });
    io.run_for(std::chrono::seconds(10));
    EXPECT_EQ(ended.exit, 1);
    EXPECT_EQ(ended.output.size(), ChildRunner::kOutputLimit);
    EXPECT_NE(ended.text.find("no answer"), std::string::npos) << ended.text;
}

// Whatever we have open, with or without close-on-exec: the child has 0, 1, 2 and what `ls` opens.
TEST(ChildRunner, AChildHasNoDescriptorOfOurs) {
    Quiet log;
    std::vector<int> ours = {::socket(AF_INET, SOCK_DGRAM, 0), ::open("/etc/passwd", O_RDONLY)};
    for (const bool outlives : {false, true}) {
        boost::asio::io_context io{1};
        ChildRunner children(io, log);
        ChildCommand command = shell("exec ls /proc/self/fd");
        command.outlives_us = outlives;
        std::string output;
        children.run(1, command, [&](const ChildResult& result) {
            output = result.output;
            io.stop();
        });
        io.run_for(std::chrono::seconds(10));
        EXPECT_EQ(output, "0\n1\n2\n3\n");
    }
    for (const int file : ours) {
        ::close(file);
    }
}

// What is written down before the first instruction of a program is known of all that have begun.
TEST(ChildRunner, AProgramBeginsAfterItHasBeenWrittenDown) {
    Quiet log;
    boost::asio::io_context io{1};
    ChildRunner children(io, log);
    char name[] = "/tmp/hb-born-XXXXXX";
    const int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    ChildCommand command = shell("cat " + std::string(name) + "; echo $$; exit 3");
    pid_t known = 0;
    command.born = [&](pid_t pid) {
        known = pid;
        ::usleep(50'000);  // it waits all this time
        EXPECT_EQ(::write(file, "known\n", 6), 6);
        EXPECT_GT(process_id(pid).started, 0u);
    };
    ChildResult ended;
    children.run(1, command, [&](const ChildResult& result) {
        ended = result;
        io.stop();
    });
    io.run_for(std::chrono::seconds(10));
    EXPECT_EQ(ended.output, "known\n" + std::to_string(known) + "\n");
    EXPECT_EQ(ended.exit, 3);
    ::unlink(name);
    ::close(file);
}

TEST(ChildRunner, WhatCannotBeExecutedIsMissingAlsoWhenItIsWrittenDown) {
    Quiet log;
    boost::asio::io_context io{1};
    ChildRunner children(io, log);
    for (const char* program : {"/no/such/agent", "/etc/passwd"}) {
        ChildCommand command = shell("");
        command.argv = {program, "start"};
        pid_t born = 0;
        command.born = [&](pid_t pid) { born = pid; };
        ChildResult ended;
        children.run(1, command, [&](const ChildResult& result) {
            ended = result;
            io.stop();
        });
        io.restart();
        io.run_for(std::chrono::seconds(10));
        EXPECT_TRUE(ended.missing) << program;
        EXPECT_GT(born, 0);
        EXPECT_EQ(::waitpid(born, nullptr, WNOHANG), -1) << "a zombie is left";
    }
}

// A daemon that is killed leaves its agents at work: whoever adopts one hears when it has ended.
TEST(ChildRunner, AnAgentOfAnEarlierDaemonIsWaitedForAndKilledAtItsLimit) {
    for (const bool limited : {false, true}) {
        Quiet log;
        std::array<int, 2> told{};
        ASSERT_EQ(::pipe(told.data()), 0);
        const pid_t daemon = ::fork();
        if (daemon == 0) {
            const pid_t agent = ::fork();
            if (agent == 0) {
                ::setpgid(0, 0);
                ::execl("/bin/sleep", "sleep", limited ? "60" : "0.4", nullptr);
                ::_exit(127);
            }
            (void)!::write(told[1], &agent, sizeof agent);
            ::_exit(0);
        }
        EarlierChild earlier;
        pid_t agent = 0;
        ASSERT_EQ(::read(told[0], &agent, sizeof agent), static_cast<ssize_t>(sizeof agent));
        ::waitpid(daemon, nullptr, 0);
        earlier.process = process_id(agent);
        earlier.time_limit = limited ? milliseconds(300) : milliseconds(0);
        EXPECT_LT(age_of(earlier.process), std::chrono::seconds(30));
        boost::asio::io_context io{1};
        ChildRunner children(io, log);
        ChildResult ended;
        ASSERT_TRUE(children.adopt(7, earlier, [&](const ChildResult& result) {
            ended = result;
            io.stop();
        }));
        children.wake(7);
        io.run_for(std::chrono::seconds(10));
        EXPECT_EQ(ended.timed_out, limited);
        EXPECT_GE(ended.took, milliseconds(200));
        EXPECT_LT(open_process(earlier.process), 0);
        EXPECT_FALSE(children.adopt(8, earlier, [](const auto&) {}));
        ::close(told[0]);
        ::close(told[1]);
    }
}

// As long as a debugger holds a process, it has not ended for its parent when it is killed: to the
// parent it looks like one that is stuck in the kernel.
class Debugger {
public:
    explicit Debugger(pid_t traced) {
        std::array<int, 2> told{};
        if (::pipe(told.data()) != 0) {
            return;
        }
        pid_ = ::fork();
        if (pid_ == 0) {
            const char ok = ::ptrace(PTRACE_SEIZE, traced, nullptr, nullptr) == 0 ? 1 : 0;
            (void)!::write(told[1], &ok, 1);
            for (;;) {
                ::pause();
            }
        }
        char ok = 0;
        works_ = ::read(told[0], &ok, 1) == 1 && ok == 1;
        ::close(told[0]);
        ::close(told[1]);
    }

    ~Debugger() { let_go(); }

    Debugger(const Debugger&) = delete;
    Debugger& operator=(const Debugger&) = delete;

    bool works() const { return works_; }

    void let_go() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }

private:
    pid_t pid_ = -1;
    bool works_ = false;
};

// What an end that does not come is worth: the news that it is stuck, and no more; its end is told
// when the kernel says so. Without anybody to hear the news it counts as timed out, and once.
TEST(ChildRunner, AChildThatNothingEndsIsStuckAndHasNotEnded) {
    for (const bool heard : {true, false}) {
        Quiet log;
        boost::asio::io_context io{1};
        ChildRunner children(io, log, milliseconds(100));
        pid_t pid = 0;
        int stuck = 0;
        std::vector<ChildResult> ends;
        ChildCommand command = shell("exec sleep 60");
        command.time_limit = milliseconds(100);
        command.born = [&pid](pid_t born) { pid = born; };
        if (heard) {
            command.stuck = [&stuck] { ++stuck; };
        }
        children.run(1, command, [&ends](const ChildResult& result) { ends.push_back(result); });
        Debugger debugger(pid);
        if (!debugger.works()) {
            GTEST_SKIP() << "no process may trace another here";
        }
        io.run_for(milliseconds(1500));
        EXPECT_EQ(stuck, heard ? 1 : 0);
        EXPECT_EQ(ends.size(), heard ? 0u : 1u);
        EXPECT_EQ(children.running(), heard ? 1u : 0u);
        debugger.let_go();
        io.restart();
        io.run_for(milliseconds(500));
        ASSERT_EQ(ends.size(), 1u);
        EXPECT_TRUE(ends.front().timed_out);
        EXPECT_EQ(ends.front().signal, heard ? SIGKILL : 0);
        EXPECT_EQ(children.running(), 0u);
        EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1) << "a zombie is left";
    }
}

TEST(ProcessId, OfAnotherProcessWithTheSameNumberIsNot) {
    ProcessId process = process_id(::getpid());
    const int ours = open_process(process);
    EXPECT_GE(ours, 0);
    ::close(ours);
    ++process.started;
    EXPECT_LT(open_process(process), 0);
}

}  // namespace
