#include "cli/common/child.h"

#include <cctype>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cli {

namespace {

// False when the limit has passed and the child is still running.
bool wait_until_ended(pid_t pid, std::chrono::milliseconds limit) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
        return true;  // an old kernel: then without a limit
    }
    pollfd poll_fd{fd, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&poll_fd, 1, static_cast<int>(limit.count()));
    } while (ready < 0 && errno == EINTR);
    ::close(fd);
    return ready != 0;
}

int spawn(pid_t& pid, const std::vector<std::string>& argv, bool quiet) {
    std::vector<char*> words;
    for (const std::string& word : argv) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (quiet) {
            ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        }
    }
    const int error = ::posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& argv, const ChildOptions& options) {
    pid_t pid = 0;
    if (const int error = spawn(pid, argv, options.quiet); error != 0) {
        return {ChildResult::End::NotStarted, 0, error};
    }
    const bool ended = !options.limit || wait_until_ended(pid, *options.limit);
    if (!ended) {
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended) {
        return {ChildResult::End::TimedOut, 0, 0};
    }
    return {ChildResult::End::Exited,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            0};
}

std::string shell_quoted(const std::string& word) {
    std::string out;
    for (const char c : word) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view("/._-+=:,@%").find(c) != std::string_view::npos;
        out += plain ? std::string(1, c) : std::string("\\") + c;
    }
    return out;
}

}  // namespace cli
