#include "kmod-shim/child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace shim {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::chrono::milliseconds kLastMoment{200};

int milliseconds_until(Deadline deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 600'000));
}

// Standard error comes to us, the rest is closed, signals are as at the start of a program.
struct SpawnSettings {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};

    explicit SpawnSettings(int standard_error) {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
        ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
        ::posix_spawn_file_actions_adddup2(&actions, standard_error, 2);
        ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }

    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }

    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
};

// What the program said, without the final newline.
std::string complaint_from(int fd) {
    std::array<char, 2048> text{};
    const ssize_t got = ::read(fd, text.data(), text.size());
    std::string words(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    while (words.ends_with('\n')) {
        words.pop_back();
    }
    return words.empty() ? "it gave no reason" : words;
}

ChildFailure not_run(const std::string& what) {
    return {ChildFailure::Kind::NotRun, system_error(what)};
}

std::optional<ChildFailure> await_end(pid_t child,
                                      const std::string& program,
                                      int complaints,
                                      Deadline deadline) {
    // By number, because <sys/pidfd.h> of glibc 2.36 declares it for C only.
    const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    const auto unwatched = not_run("cannot watch " + program);
    pollfd entry{handle.get(), POLLIN, 0};
    if (!handle || ::poll(&entry, 1, milliseconds_until(deadline)) != 1) {
        ::kill(child, SIGKILL);
        wait_until(std::chrono::steady_clock::now() + kLastMoment,
                   [child] { return ::waitpid(child, nullptr, WNOHANG) != 0; });
        if (!handle) {
            return unwatched;
        }
        return ChildFailure{ChildFailure::Kind::TooLate,
                            {ErrorCode::Timeout, program + " did not end in time"}};
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) {
        return not_run("cannot learn how " + program + " ended");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return ChildFailure{ChildFailure::Kind::Failed,
                            {ErrorCode::Io, complaint_from(complaints)}};
    }
    return std::nullopt;
}

}  // namespace

std::optional<ChildFailure> run_to_end(const std::vector<std::string>& argv, Deadline deadline) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return not_run("cannot make a pipe");
    }
    const Fd complaints(ends[0]);
    Fd their_end(ends[1]);
    ::fcntl(complaints.get(), F_SETFL, O_NONBLOCK);
    std::vector<std::string> words = argv;
    std::vector<char*> pointers;
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* const environment[] = {path.data(), nullptr};
    const SpawnSettings settings(their_end.get());
    pid_t child = 0;
    errno = ::posix_spawn(
        &child, pointers[0], &settings.actions, &settings.attributes, pointers.data(), environment);
    if (errno != 0) {
        return not_run("cannot run " + argv[0]);
    }
    their_end.close();
    return await_end(child, argv[0], complaints.get(), deadline);
}

}  // namespace shim
