#include "drbdd/runtime/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace runtime {

namespace {

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

base::Error io_error(const std::string& what, const std::string& name) {
    return base::Error{
        base::ErrorCode::Io,
        base::format("cannot %s %s: %s", what.c_str(), name.c_str(), std::strerror(errno))};
}

bool write_file(const char* path, const char* text) {
    const FileDescriptor file(::open(path, O_WRONLY | O_CLOEXEC));
    const auto length = static_cast<ssize_t>(std::strlen(text));
    return file.get() >= 0 && ::write(file.get(), text, std::strlen(text)) == length;
}

// In the process that the user started. Never returns.
[[noreturn]] void wait_for_report(int pipe, pid_t child) {
    std::string text;
    std::array<char, 512> piece;
    bool reported = false;
    ssize_t got = 0;
    while ((got = ::read(pipe, piece.data(), piece.size())) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0) {
            reported = true;
            text.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    // The first byte only says that there is a report.
    if (reported && text.size() == 1) {
        ::_exit(0);
    }
    if (!reported) {
        ::waitpid(child, nullptr, WNOHANG);
        text = " drbdd: the daemon died while it was starting; its log may say why";
    }
    std::fprintf(stderr, "%s\n", text.c_str() + 1);
    ::_exit(1);
}

}  // namespace

namespace {

// A daemon that was killed keeps its lock until the kernel has ended it, a moment later.
bool lock_soon(int file) {
    constexpr int kTries = 20;
    constexpr auto kPause = std::chrono::milliseconds(50);
    for (int i = 0; i < kTries; ++i) {
        if (::flock(file, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        std::this_thread::sleep_for(kPause);
    }
    return false;
}

}  // namespace

namespace {

// Who can write there can put a link in place of our socket, and who owns it can take it away.
base::Result<FileDescriptor> open_run_directory(const std::string& folder) {
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
        return io_error("make the run directory", folder);
    }
    FileDescriptor directory(
        ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

    struct stat info {};

    if (directory.get() < 0 || ::fstat(directory.get(), &info) != 0) {
        return io_error("open the run directory", folder);
    }
    const bool ours = info.st_uid == 0 || info.st_uid == ::geteuid();
    if (!ours || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return base::Error{
            base::ErrorCode::Permission,
            base::format("the run directory %s %s: it must be root's, and writable by nobody else",
                         folder.c_str(),
                         ours ? "is writable by others" : "belongs to somebody else")};
    }
    return directory;
}

// In the run directory; a link that stands there is not followed.
base::Result<FileDescriptor> open_file(const FileDescriptor& directory,
                                       const std::string& folder,
                                       const char* name,
                                       mode_t mode) {
    FileDescriptor file(::openat(
        directory.get(), name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode));

    struct stat info {};

    if (file.get() < 0 || ::fstat(file.get(), &info) != 0 || ::fchmod(file.get(), mode) != 0) {
        return io_error("open", folder + "/" + name);
    }
    if (!S_ISREG(info.st_mode) || info.st_nlink > 1) {
        return base::Error{base::ErrorCode::Invalid,
                           folder + "/" + name + " is not a file of ours: move it away"};
    }
    return file;
}

}  // namespace

// Neither the directory nor the pid file is locked: whoever may read those may lock them, too, and
// keep a daemon from starting. And whoever supervises a daemon may take a pid file away, also one
// that is not stale: then two daemons would run.
base::Result<FileDescriptor> claim_run_directory(const std::string& folder) {
    const auto directory = open_run_directory(folder);
    if (!directory) {
        return directory.error();
    }
    auto lock = open_file(*directory, folder, "drbdd.lock", 0600);
    auto file = open_file(*directory, folder, "drbdd.pid", 0644);
    if (!lock || !file) {
        return lock ? file.error() : lock.error();
    }
    if (!lock_soon(lock->get())) {
        std::array<char, 32> pid{};
        (void)!::read(file->get(), pid.data(), pid.size() - 1);
        return base::Error{
            base::ErrorCode::Busy,
            base::format(
                "a drbdd runs already on %s (process %d)", folder.c_str(), std::atoi(pid.data()))};
    }
    const std::string pid = base::format("%d\n", static_cast<int>(::getpid()));
    if (::ftruncate(file->get(), 0) != 0 ||
        ::write(file->get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
        return io_error("write", folder + "/drbdd.pid");
    }
    return lock;
}

base::Result<Daemonizer> Daemonizer::detach() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return io_error("make", "a pipe");
    }
    FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) {
        return io_error("start", "the daemon's process");
    }
    if (child > 0) {
        writing = FileDescriptor();
        wait_for_report(reading.get(), child);
    }
    // A session of its own: no terminal, no signals of the one who started us.
    ::setsid();
    return Daemonizer(std::move(writing));
}

void Daemonizer::report(const std::string& text) {
    const std::string message = " " + text;
    (void)!::write(pipe_.get(), message.data(), message.size());
    pipe_ = FileDescriptor();
    if (text.empty()) {
        const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::dup2(null.get(), standard);
        }
    }
}

void raise_limits(base::LogSink& log) {
    struct Limit {
        __rlimit_resource_t resource;
        const char* name;
        rlim_t wanted;
    };

    // A resource takes a dozen descriptors and three threads, each client of a volume one
    // descriptor.
    constexpr std::array<Limit, 6> kLimits = {{{RLIMIT_NOFILE, "open files", 65536},
                                               {RLIMIT_MEMLOCK, "locked memory", RLIM_INFINITY},
                                               {RLIMIT_NPROC, "processes", RLIM_INFINITY},
                                               {RLIMIT_FSIZE, "the size of a file", RLIM_INFINITY},
                                               {RLIMIT_AS, "address space", RLIM_INFINITY},
                                               {RLIMIT_DATA, "data", RLIM_INFINITY}}};
    for (const Limit& limit : kLimits) {
        rlimit now{};
        if (::getrlimit(limit.resource, &now) != 0 || now.rlim_cur >= limit.wanted) {
            continue;
        }
        const rlimit raised{limit.wanted, std::max(limit.wanted, now.rlim_max)};
        const rlimit allowed{now.rlim_max, now.rlim_max};
        if (::setrlimit(limit.resource, &raised) != 0 &&
            (::setrlimit(limit.resource, &allowed), now.rlim_max < limit.wanted)) {
            log.write(base::LogLevel::Notice,
                      base::format("the limit on %s stays at %llu",
                                   limit.name,
                                   static_cast<unsigned long long>(now.rlim_max)));
        }
    }
}

void protect_from_memory_pressure(bool lock_memory, base::LogSink& log) {
    const auto refused = [&log](const char* what) {
        log.write(
            base::LogLevel::Notice,
            base::format("not protected from memory pressure: %s: %s", what, std::strerror(errno)));
    };
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) {
        refused("PR_SET_IO_FLUSHER");
    }
    if (!write_file("/proc/self/oom_score_adj", "-1000")) {
        refused("oom_score_adj");
    }
    if (lock_memory && ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        refused("mlockall");
    }
}

}  // namespace runtime
