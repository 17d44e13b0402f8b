#include "heartbeat/agents/process_id.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

namespace hb {

namespace {

constexpr int kStartedField = 22;
constexpr int kFirstAfterName = 3;  // the name may hold anything, also blanks and brackets

std::string stat_of(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/stat";
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return {};
    }
    std::array<char, 2048> text{};
    const ssize_t got = ::read(file, text.data(), text.size());
    ::close(file);
    return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

}  // namespace

ProcessId process_id(pid_t pid) {
    ProcessId process{pid, 0};
    const std::string text = stat_of(pid);
    const std::size_t name_ends = text.rfind(')');
    if (name_ends == text.npos || name_ends + 2 > text.size()) {
        return process;
    }
    std::string_view rest = std::string_view(text).substr(name_ends + 2);
    for (int field = kFirstAfterName; field < kStartedField; ++field) {
        const std::size_t blank = rest.find(' ');
        if (blank == rest.npos) {
            return process;
        }
        rest.remove_prefix(blank + 1);
    }
    std::from_chars(rest.data(), rest.data() + rest.size(), process.started);
    return process;
}

std::chrono::milliseconds age_of(const ProcessId& process) {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto ticks = static_cast<std::uint64_t>(std::max(::sysconf(_SC_CLK_TCK), 1L));
    const auto began = static_cast<std::int64_t>(process.started * 1000 / ticks);
    const std::int64_t age = now.tv_sec * 1000 + now.tv_nsec / 1'000'000 - began;
    return std::chrono::milliseconds(std::max<std::int64_t>(age, 0));
}

// The descriptor first: from then on the number means this process.
int open_process(const ProcessId& process) {
    if (process.pid <= 0 || process.started == 0) {
        return -1;
    }
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
    if (pidfd < 0) {
        return -1;
    }
    if (process_id(process.pid).started != process.started || has_ended(pidfd)) {
        ::close(pidfd);
        return -1;
    }
    return pidfd;
}

bool has_ended(int pidfd) {
    return await_end(pidfd, std::chrono::milliseconds{0});
}

bool await_end(int pidfd, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    pollfd process{pidfd, POLLIN, 0};
    int found = 0;
    do {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        const auto longest = std::clamp<std::int64_t>(left.count(), 0, 3'600'000);
        found = ::poll(&process, 1, static_cast<int>(longest));
    } while (found < 0 && errno == EINTR);
    return found == 1;
}

void signal_group(int pidfd, pid_t pid, int signal) {
    ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
    ::kill(-pid, signal);
}

}  // namespace hb
