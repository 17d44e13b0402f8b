// One daemon on a run directory, and a signal for that daemon or for nobody.
#include "heartbeat/runtime/pid_file.h"

#include "tests/unit/hb_runtime/folder.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace {

using namespace hb;

// A process that claims the directory, says so, and waits to be ended.
class OtherDaemon {
public:
    explicit OtherDaemon(const std::string& run_dir) {
        int ends[2];
        EXPECT_EQ(::pipe(ends), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            const auto claim = claim_run_directory(run_dir);
            const char byte = claim ? 'y' : 'n';
            (void)!::write(ends[1], &byte, 1);
            for (;;) {
                ::pause();
            }
        }
        char byte = 0;
        EXPECT_EQ(::read(ends[0], &byte, 1), 1);
        EXPECT_EQ(byte, 'y');
        ::close(ends[0]);
        ::close(ends[1]);
    }

    ~OtherDaemon() { end(); }

    OtherDaemon(const OtherDaemon&) = delete;
    OtherDaemon& operator=(const OtherDaemon&) = delete;

    pid_t pid() const { return pid_; }

    int end() {
        int status = 0;
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, &status, 0);
            pid_ = 0;
        }
        return status;
    }

private:
    pid_t pid_ = 0;
};

TEST(PidFile, OneDaemonHasTheDirectoryAndTheKernelTellsWhich) {
    const Folder folder;
    EXPECT_FALSE(running_daemon(folder.path()));
    OtherDaemon other(folder.path());
    EXPECT_EQ(running_daemon(folder.path()), other.pid());
    const auto refused = claim_run_directory(folder.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find(std::to_string(other.pid())), std::string::npos);
    other.end();
    EXPECT_TRUE(claim_run_directory(folder.path()));
}

// A user without rights could keep a lock on every file that he can open.
TEST(PidFile, NobodyElseCanHoldTheLock) {
    const Folder folder;
    { const auto claim = claim_run_directory(folder.path()); }

    struct stat found {};

    ASSERT_EQ(::stat((folder.path() + "/heartbeat.lock").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777u, 0600u);
    const FileDescriptor pid_file(
        ::open((folder.path() + "/heartbeat.pid").c_str(), O_RDONLY | O_CLOEXEC));
    const FileDescriptor directory(::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(pid_file.get(), LOCK_EX | LOCK_NB), 0);
    ASSERT_EQ(::flock(directory.get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_FALSE(running_daemon(folder.path()));
    EXPECT_TRUE(claim_run_directory(folder.path()));
}

TEST(PidFile, ASignalGoesToTheDaemonThatHasTheClaim) {
    const Folder folder;
    OtherDaemon other(folder.path());
    auto daemon = DaemonProcess::find(folder.path());
    ASSERT_TRUE(daemon);
    EXPECT_EQ(daemon->pid(), other.pid());
    ASSERT_TRUE(daemon->signal(SIGTERM));
    daemon->wait_for_end();
    EXPECT_TRUE(WIFSIGNALED(other.end()));
    EXPECT_FALSE(daemon->signal(SIGTERM)) << "that process is gone, whoever has its number";
}

// The daemon was killed, and its number is another process's by now.
TEST(PidFile, AReusedNumberIsNoDaemon) {
    const Folder folder;
    { const auto claim = claim_run_directory(folder.path()); }
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        for (;;) {
            ::pause();
        }
    }
    folder.write("heartbeat.pid", std::to_string(stranger) + "\n");
    EXPECT_FALSE(running_daemon(folder.path()));
    EXPECT_FALSE(DaemonProcess::find(folder.path()));
    EXPECT_EQ(::waitpid(stranger, nullptr, WNOHANG), 0) << "it was signalled";
    ::kill(stranger, SIGKILL);
    ::waitpid(stranger, nullptr, 0);
}

TEST(PidFile, ADirectoryThatOthersWriteIsRefused) {
    const Folder folder;
    ::chmod(folder.path().c_str(), 0777);
    const auto refused = claim_run_directory(folder.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("written by others"), std::string::npos);
    ::chmod(folder.path().c_str(), 0755);
    ASSERT_EQ(::chown(folder.path().c_str(), 12345, 12345), 0);
    EXPECT_FALSE(claim_run_directory(folder.path()));
    ASSERT_EQ(::chown(folder.path().c_str(), ::geteuid(), ::getegid()), 0);
}

TEST(PidFile, NoFileIsOpenedThroughALink) {
    for (const char* name : {"heartbeat.lock", "heartbeat.pid"}) {
        const Folder folder;
        const std::string victim = folder.write("victim", "precious");
        ASSERT_EQ(::symlink(victim.c_str(), (folder.path() + "/" + name).c_str()), 0);
        EXPECT_FALSE(claim_run_directory(folder.path())) << name;
        EXPECT_EQ(folder.read("victim"), "precious");
    }
}

}  // namespace
