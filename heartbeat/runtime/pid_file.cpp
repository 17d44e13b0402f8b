#include "heartbeat/runtime/pid_file.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>

namespace hb {

namespace {

base::Error cannot(const char* what, const std::string& path) {
    return {base::ErrorCode::Io,
            base::format("cannot %s %s: %s", what, path.c_str(), std::strerror(errno))};
}

struct flock whole_file() {
    struct flock lock {};

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

// A daemon that was killed keeps its lock until the kernel has ended it, a moment later.
bool lock_soon(int file) {
    constexpr int kTries = 20;
    for (int i = 0; i < kTries; ++i) {
        struct flock lock = whole_file();
        if (::fcntl(file, F_SETLK, &lock) == 0) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return false;
}

// Of another process; 0: nobody, -1: somebody whom we cannot see.
pid_t owner_of(int lock_file) {
    struct flock lock = whole_file();
    if (::fcntl(lock_file, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
        return 0;
    }
    return lock.l_pid > 0 ? lock.l_pid : -1;
}

// Files that others could put there, or point elsewhere, are worth no trust.
base::Result<void> check_run_directory(const std::string& run_dir) {
    struct stat found {};

    const FileDescriptor directory(::open(run_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.open() || ::fstat(directory.get(), &found) != 0) {
        return cannot("open the run directory", run_dir);
    }
    const bool ours = found.st_uid == 0 || found.st_uid == ::geteuid();
    if (!ours || (found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return base::Error{
            base::ErrorCode::Invalid,
            base::format("the run directory %s %s: remove it, or run 'chown root %s; "
                         "chmod 755 %s'",
                         run_dir.c_str(),
                         ours ? "can be written by others" : "is another user's",
                         run_dir.c_str(),
                         run_dir.c_str())};
    }
    return {};
}

FileDescriptor open_in(const std::string& path, int mode) {
    return FileDescriptor(::open(path.c_str(),
                                 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                                 static_cast<mode_t>(mode)));
}

base::Result<void> write_pid(const std::string& path) {
    const FileDescriptor file = open_in(path, 0644);
    const std::string pid = base::format("%d\n", static_cast<int>(::getpid()));
    if (!file.open() || ::ftruncate(file.get(), 0) != 0 ||
        ::write(file.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
        return cannot("write", path);
    }
    return {};
}

// Who may not open the lock asks the pid file, and whether such a process is a daemon of ours.
std::optional<pid_t> seen_by_others(const std::string& run_dir) {
    const FileDescriptor file(
        ::open((run_dir + "/" + kPidFileName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::array<char, 32> text{};
    if (!file.open() || ::read(file.get(), text.data(), text.size() - 1) <= 0) {
        return std::nullopt;
    }
    const pid_t pid = std::atoi(text.data());
    const FileDescriptor comm(
        ::open(base::format("/proc/%d/comm", static_cast<int>(pid)).c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 32> name{};
    const bool ours = comm.open() && ::read(comm.get(), name.data(), name.size() - 1) > 0 &&
                      std::strcmp(name.data(), "heartbeat\n") == 0;
    return ours ? std::optional<pid_t>(pid) : std::nullopt;
}

}  // namespace

base::Result<FileDescriptor> claim_run_directory(const std::string& run_dir) {
    std::error_code error;
    std::filesystem::create_directories(run_dir, error);
    if (auto good = check_run_directory(run_dir); !good) {
        return good.error();
    }
    const std::string path = run_dir + "/" + kLockFileName;
    FileDescriptor file = open_in(path, 0600);
    if (!file.open() || ::fchmod(file.get(), 0600) != 0) {
        return cannot("open", path);
    }
    if (!lock_soon(file.get())) {
        return base::Error{base::ErrorCode::Busy,
                           base::format("heartbeat runs already on %s (process %d)",
                                        run_dir.c_str(),
                                        static_cast<int>(owner_of(file.get())))};
    }
    if (auto good = write_pid(run_dir + "/" + kPidFileName); !good) {
        return good.error();
    }
    return file;
}

std::optional<pid_t> running_daemon(const std::string& run_dir) {
    const std::string path = run_dir + "/" + kLockFileName;
    const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.open()) {
        return errno == EACCES ? seen_by_others(run_dir) : std::nullopt;
    }
    const pid_t owner = owner_of(file.get());
    return owner != 0 ? std::optional<pid_t>(owner) : std::nullopt;
}

base::Result<DaemonProcess> DaemonProcess::find(const std::string& run_dir) {
    const auto pid = running_daemon(run_dir);
    if (!pid) {
        return base::Error{base::ErrorCode::NotFound, "heartbeat is stopped. No process"};
    }
    FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    if (!process.open()) {
        return cannot("find", base::format("process %d", static_cast<int>(*pid)));
    }
    // It has the claim still: so the descriptor is of the process that had it before.
    if (running_daemon(run_dir) != pid) {
        return base::Error{base::ErrorCode::NotFound, "heartbeat has just ended"};
    }
    return DaemonProcess(*pid, std::move(process));
}

base::Result<void> DaemonProcess::signal(int number) const {
    if (::syscall(SYS_pidfd_send_signal, process_.get(), number, nullptr, 0) != 0) {
        return cannot("signal", base::format("process %d", static_cast<int>(pid_)));
    }
    return {};
}

void DaemonProcess::wait_for_end() const {
    pollfd waiting{process_.get(), POLLIN, 0};
    while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {
    }
}

}  // namespace hb
