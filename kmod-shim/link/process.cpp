#include "kmod-shim/link/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>
#include <utility>

namespace export_link {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

int priority_of(base::LogLevel level) {
    switch (level) {
        case base::LogLevel::Debug:
            return LOG_DEBUG;
        case base::LogLevel::Info:
            return LOG_INFO;
        case base::LogLevel::Notice:
            return LOG_NOTICE;
        case base::LogLevel::Warning:
            return LOG_WARNING;
        case base::LogLevel::Error:
            return LOG_ERR;
        case base::LogLevel::Alert:
            return LOG_ALERT;
    }
    return LOG_ERR;
}

// In the parent: waits for the outcome and becomes the exit code.
int await_start(const std::string& program, int report) {
    std::string text;
    std::array<char, 512> piece{};
    ssize_t got = 0;
    while ((got = ::read(report, piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    if (text.size() == 1 && text[0] == '\0') {
        return 0;
    }
    std::fprintf(
        stderr, "%s: %s\n", program.c_str(), text.empty() ? "died while starting" : text.c_str());
    return 1;
}

}  // namespace

Syslog::Syslog(std::string name, bool also_stderr) : name_(std::move(name)) {
    ::openlog(name_.c_str(), LOG_PID | (also_stderr ? LOG_PERROR : 0), LOG_DAEMON);
}

void Syslog::write(base::LogLevel level, std::string_view line) {
    ::syslog(priority_of(level), "%.*s", static_cast<int>(line.size()), line.data());
}

int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> when) {
    if (!when) {
        return -1;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*when - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 60'000));
}

Result<int> open_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&set, number);
    }
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0 || ::signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return Error{ErrorCode::Io, "cannot set up signals"};
    }
    const int signals = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) {
        return Error{ErrorCode::Io, "cannot create a signalfd"};
    }
    return signals;
}

Result<void> await_export(NbdLink& link,
                          std::chrono::seconds limit,
                          int signals,
                          const std::function<bool(short revents)>& on_signals) {
    const auto ends = NbdLink::Clock::now() + limit;
    bool told_to_stop = false;
    link.connect(NbdLink::Clock::now());
    while (!link.ready()) {
        if (link.refused() || told_to_stop || NbdLink::Clock::now() >= ends) {
            return Error{ErrorCode::State, link.name() + " cannot be used: " + link.problem()};
        }
        std::array<pollfd, 2> entries{pollfd{signals, POLLIN, 0}, link.poll_entry()};
        const auto wake = std::min(ends, link.deadline().value_or(ends));
        ::poll(entries.data(), entries.size(), milliseconds_until(wake));
        told_to_stop = on_signals(entries[0].revents);
        link.on_poll(entries[1].revents, NbdLink::Clock::now());
        link.on_time(NbdLink::Clock::now());
    }
    return {};
}

Result<void> lock_pid_file(const std::string& path, const std::string& program) {
    if (path.empty()) {
        return {};
    }
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return Error{ErrorCode::Io, "cannot open " + path + ": " + std::strerror(errno)};
    }

    struct flock whole {};

    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &whole) != 0) {
        ::close(fd);
        return Error{ErrorCode::Busy, "another " + program + " holds " + path};
    }
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) != 0 ||
        ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return Error{ErrorCode::NoSpace, "cannot write " + path + ": " + std::strerror(errno)};
    }
    return {};
}

int start_in_background(const std::string& program, const std::function<int(int report)>& serve) {
    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC) != 0) {
        std::perror((program + ": pipe").c_str());
        return 1;
    }
    const pid_t child = ::fork();
    if (child < 0) {
        std::perror((program + ": fork").c_str());
        return 1;
    }
    if (child > 0) {
        ::close(report[1]);
        return await_start(program, report[0]);
    }
    ::close(report[0]);
    ::setsid();
    return serve(report[1]);
}

bool report_start(int report, const std::string& problem) {
    const std::string text = problem.empty() ? std::string(1, '\0') : problem;
    const bool heard = ::write(report, text.data(), text.size()) > 0;
    ::close(report);
    return heard;
}

void detach_from_terminal() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1, 2}) {
        ::dup2(null, fd);
    }
    ::close(null);
}

}  // namespace export_link
