// What is left when a resource cannot be stopped, and when a daemon dies. Nothing here resets the
// machine: the kernel's part is a function of the test.
#include "heartbeat/runtime/guard.h"
#include "heartbeat/runtime/life_file.h"
#include "heartbeat/runtime/pid_file.h"
#include "heartbeat/runtime/reboot.h"
#include "heartbeat/runtime/watchdog.h"
#include "tests/unit/hb_runtime/folder.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace {

using namespace hb;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class NoLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

struct Reset {
    int asked_kernel = 0;
    milliseconds took{};
};

Reset reset_by(const std::string& command) {
    Reset result;
    const auto begin = Clock::now();
    reset_machine({command, milliseconds(300), [&] { ++result.asked_kernel; }});
    result.took = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
    return result;
}

TEST(ResetMachine, AsksTheKernelWhenTheCommandFails) {
    for (const char* command : {"exit 1", "no-such-program-at-all", "kill -9 $$"}) {
        const Reset reset = reset_by(command);
        EXPECT_EQ(reset.asked_kernel, 1) << command;
    }
    EXPECT_LT(reset_by("exit 1").took, milliseconds(250)) << "waits for what has failed";
}

TEST(ResetMachine, AsksTheKernelWhenTheMachineIsStillThere) {
    for (const char* command : {"true", "sleep 2"}) {
        const Reset reset = reset_by(command);
        EXPECT_EQ(reset.asked_kernel, 1) << command;
        EXPECT_GE(reset.took, milliseconds(300)) << command;
        EXPECT_LT(reset.took, milliseconds(1500)) << command;
    }
}

// The next process goes on feeding the device that this one has opened: in between it is not
// closed.
TEST(Watchdog, StaysOpenFromOneProcessToTheNext) {
    NoLog log;
    const Folder folder;
    const std::string device = folder.write("watchdog", "");
    Watchdog first(device, std::chrono::seconds(2), -1, log);
    first.tickle();
    const int open = first.release();
    ASSERT_GE(open, 0);
    first.close();
    Watchdog second(device, std::chrono::seconds(2), open, log);
    second.tickle();
    EXPECT_EQ(folder.read("watchdog"), std::string("\0\0", 2))
        << "closed in between, or opened anew";
    second.close();
    EXPECT_EQ(folder.read("watchdog"), std::string("\0\0V", 3));
}

TEST(Watchdog, ThatIsNotConfiguredAnyMoreIsClosedInOrder) {
    NoLog log;
    const Folder folder;
    const std::string device = folder.write("watchdog", "");
    const int open = ::open(device.c_str(), O_WRONLY | O_CLOEXEC);
    const Watchdog none("", std::chrono::seconds(2), open, log);
    EXPECT_EQ(folder.read("watchdog"), "V");
}

// A node whose daemon has died, on the loopback interface.
class Orphans : public testing::Test {
protected:
    Orphans() {
        folder.write("ha.d/ha.cf",
                     "udpport " + std::to_string(port()) +
                         "\nkeepalive 200ms\ndeadtime 1000ms\ninitdead 1000ms\nucast lo 127.0.0.1\n"
                         "logfacility none\nlogfile " +
                         folder.path() + "/log\nauto_failback off\nnode alice bob\n");
        folder.write("ha.d/haresources", "alice one two::x\n");
        folder.write("ha.d/authkeys", "auth 1\n1 sha1 secret\n", 0600);
        const std::string agent = "#!/bin/sh\necho $0 \"$@\" >> " + folder.path() +
                                  "/calls\n[ ! -e " + folder.path() +
                                  "/refuse ] || { echo running; exit 1; }\n";
        folder.write("ha.d/resource.d/one", agent, 0755);
        folder.write("ha.d/resource.d/two", agent, 0755);
        setup.options.ha_dir = folder.path() + "/ha.d";
        setup.options.run_dir = folder.path();
        setup.options.state_dir = folder.path();
        setup.options.node = "alice";
        setup.targets.logfile = folder.path() + "/log";
        setup.reset = {"true", milliseconds(0), [this] { ++resets; }};  // never this machine's
        setup.stop_retries = 1;
        setup.patience = milliseconds(300);
        socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port());
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }

    ~Orphans() override { ::close(socket); }

    static std::uint16_t port() { return static_cast<std::uint16_t>(20'000 + ::getpid() % 20'000); }

    void leave(const std::vector<std::string>& groups) {
        Life life;
        life.boot = boot_id();
        life.node = "alice";
        life.generation = 3;
        life.sequence = 10;
        life.status = "active";
        life.hold = Hold::local;
        life.groups = groups;
        LifeFile file(folder.path());
        ASSERT_TRUE(file.write(life));
    }

    // What the partner hears, as "type/seq".
    std::vector<std::string> heard() {
        config::Authkeys keys;
        keys.send_index = 1;
        keys.keys = {{1, config::AuthMethod::Sha1, "secret"}};
        std::vector<std::string> words;
        std::string bytes(4096, '\0');
        for (ssize_t got = 0; (got = ::recv(socket, bytes.data(), bytes.size(), 0)) > 0;) {
            const auto message = wire::decode(
                std::string_view(bytes).substr(0, static_cast<std::size_t>(got)), keys);
            words.push_back(message ? std::string(message->type()) + "/" +
                                          std::string(message->get("seq"))
                                    : "unsigned");
        }
        return words;
    }

    Folder folder;
    GuardSetup setup;
    int resets = 0;
    int socket = -1;
};

TEST_F(Orphans, AreStoppedWhenNoNewDaemonComes) {
    leave({"one"});
    take_care(setup);
    const std::string calls = folder.read("calls");
    EXPECT_LT(calls.find("two x stop"), calls.find("one stop")) << calls;
    EXPECT_NE(calls.find("one stop"), std::string::npos) << calls;
    const auto words = heard();
    ASSERT_GE(words.size(), 2u);
    EXPECT_EQ(words.front(), "status/b") << "the partner is not asked to wait";
    EXPECT_TRUE(words.back().starts_with("shutdone/")) << words.back();
    EXPECT_FALSE(LifeFile::read(folder.path()));
    EXPECT_EQ(resets, 0);
}

TEST_F(Orphans, ThatCannotBeStoppedEndInAReset) {
    folder.write("refuse", "");
    leave({"one"});
    take_care(setup);
    EXPECT_EQ(resets, 1);
    for (const std::string& word : heard()) {
        EXPECT_FALSE(word.starts_with("shutdone")) << "said goodbye with resources running";
    }
}

TEST_F(Orphans, OfADaemonThatEndedInOrderThereAreNone) {
    take_care(setup);
    EXPECT_FALSE(folder.has("calls"));
    EXPECT_TRUE(heard().empty());
}

TEST_F(Orphans, AreLeftToTheNewDaemon) {
    leave({"one"});
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t daemon = ::fork();
    if (daemon == 0) {
        const auto claim = claim_run_directory(folder.path());
        (void)!::write(ends[1], "y", 1);
        for (;;) {
            ::pause();
        }
    }
    char byte = 0;
    ASSERT_EQ(::read(ends[0], &byte, 1), 1);
    take_care(setup);
    EXPECT_FALSE(folder.has("calls"));
    EXPECT_TRUE(LifeFile::read(folder.path()));
    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
