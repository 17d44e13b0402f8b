#include "kmod-shim/server_process.h"

#include "kmod-shim/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/syscall.h>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::chrono::milliseconds kPatience{100};

// By number, because <sys/pidfd.h> of glibc 2.36 declares them for C only.
int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

bool send_signal(int pidfd, int signal) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

// Looked up again after it has been pinned: it cannot have passed on to a stranger.
Fd pin(const std::string& pid_file, pid_t pid) {
    Fd handle(open_pidfd(pid));
    return handle && living_process(pid_file) == pid ? std::move(handle) : Fd();
}

}  // namespace

std::string program_beside_us(const std::string& program) {
    const std::filesystem::path self = read_link("/proc/self/exe").value_or("");
    return (self.parent_path() / program).string();
}

std::optional<pid_t> living_process(const std::string& pid_file) {
    const Fd fd(::open(pid_file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno != ENOENT) {
        return 0;  // who cannot look does not say that nobody is there
    }

    struct flock whole {};

    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (!fd || ::fcntl(fd.get(), F_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) {
        return std::nullopt;
    }
    return std::max(whole.l_pid, 0);
}

Fd watch_process(const std::string& pid_file) {
    const auto pid = living_process(pid_file);
    return pid && *pid > 0 ? pin(pid_file, *pid) : Fd();
}

std::string start_limit_argument(Deadline deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(
        deadline - std::chrono::steady_clock::now());
    return "--start-limit=" + std::to_string(std::max<long long>(1, left.count() - 1));
}

Result<void> start_server(const ServerProcess& server,
                          const std::vector<std::string>& argv,
                          Deadline deadline) {
    const auto failure = run_to_end(argv, deadline);
    if (!failure) {
        return {};
    }
    switch (failure->kind) {
        case ChildFailure::Kind::NotRun:
            return failure->error;
        case ChildFailure::Kind::TooLate:
            return Error{ErrorCode::Timeout, server.program + " did not get ready in time"};
        case ChildFailure::Kind::Failed:
            break;
    }
    std::string words = failure->error.text;
    const std::string prefix = server.program + ": ";
    if (words.starts_with(prefix)) {
        words.erase(0, prefix.size());
    }
    return Error{ErrorCode::Io, server.program + " did not start: " + words};
}

Result<void> signal_server(const ServerProcess& server, int signal) {
    const std::string name = server.program + " of " + server.what;
    const auto pid = living_process(server.pid_file);
    if (!pid) {
        return Error{ErrorCode::NotFound, name + " is not running"};
    }
    if (*pid == 0) {
        return Error{
            ErrorCode::Permission,
            name +
                " cannot be told: it runs in another pid namespace, or its pid file cannot be "
                "read"};
    }
    const Fd handle = pin(server.pid_file, *pid);
    if (!handle || !send_signal(handle.get(), signal)) {
        return Error{ErrorCode::NotFound, name + " has just ended"};
    }
    return {};
}

Result<void> end_server(const ServerProcess& server, Deadline deadline) {
    const auto ended = [&server] { return !living_process(server.pid_file); };
    const auto force_at = deadline - std::chrono::seconds(1);
    if (wait_until(std::chrono::steady_clock::now() + kPatience, ended)) {
        return {};
    }
    auto told = signal_server(server, SIGTERM);
    if (!told && told.error().code == ErrorCode::Permission) {
        return told;
    }
    if (wait_until(force_at, ended)) {
        return {};
    }
    (void)signal_server(server, SIGKILL);  // it may end by itself at this very moment
    if (!wait_until(deadline, ended)) {
        return Error{ErrorCode::Timeout, server.program + " of " + server.what + " does not end"};
    }
    return {};
}

}  // namespace shim
