#include "heartbeat/runtime/log_writer.h"

#include "heartbeat/runtime/file_descriptor.h"

#include <array>
#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <pthread.h>
#include <syslog.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr std::size_t kMaxQueuedLines = 8192;

struct Facility {
    std::string_view word;
    int number;
};

constexpr std::array<Facility, 20> kFacilities = {
    {{"kern", LOG_KERN},     {"user", LOG_USER},         {"mail", LOG_MAIL},
     {"daemon", LOG_DAEMON}, {"auth", LOG_AUTH},         {"syslog", LOG_SYSLOG},
     {"lpr", LOG_LPR},       {"news", LOG_NEWS},         {"uucp", LOG_UUCP},
     {"cron", LOG_CRON},     {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
     {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2},
     {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
     {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}}};

int syslog_priority(base::LogLevel level) {
    constexpr std::array<int, 6> kPriorities = {
        LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR, LOG_CRIT};
    return kPriorities[static_cast<std::size_t>(level)];
}

std::string local_time(const char* pattern, std::int64_t wall_seconds) {
    const auto seconds = static_cast<std::time_t>(wall_seconds);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), pattern, &parts);
    return {text.data(), length};
}

// Opened anew for each batch, so that a rotated file is left alone.
void append(const std::string& path, const std::string& text) {
    if (path.empty() || text.empty()) {
        return;
    }
    const FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644));
    if (file.open()) {
        (void)!::write(file.get(), text.data(), text.size());
    }
}

}  // namespace

std::string_view severity_word(base::LogLevel level) {
    constexpr std::array<std::string_view, 6> kWords = {
        "debug", "info", "notice", "WARN", "ERROR", "CRIT"};
    return kWords[static_cast<std::size_t>(level)];
}

std::optional<int> syslog_facility(std::string_view word) {
    for (const Facility& facility : kFacilities) {
        if (facility.word == word) {
            return facility.number;
        }
    }
    return std::nullopt;
}

std::string log_line(const LogTargets& targets,
                     base::LogLevel level,
                     std::int64_t wall_seconds,
                     int pid,
                     std::string_view text) {
    std::string line;
    if (targets.syslog_format) {
        line = local_time("%b %d %H:%M:%S", wall_seconds) + " " + targets.node +
               base::format(" heartbeat: [%d]: ", pid);
    } else {
        line = base::format("heartbeat[%d]: ", pid) +
               local_time("%Y/%m/%d_%H:%M:%S", wall_seconds) + " ";
    }
    line.append(severity_word(level)).append(": ").append(text);
    return line;
}

LogWriter::LogWriter(LogTargets targets) : targets_(std::move(targets)) {
    ::openlog("heartbeat", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "heartbeat-log");
        run();
    });
}

LogWriter::~LogWriter() {
    {
        const std::lock_guard lock(mutex_);
        for (base::LogLimit::Line& line : limit_.end()) {
            queue_locked({line.level, std::time(nullptr), std::move(line.text)});
        }
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
    ::closelog();
}

void LogWriter::write(base::LogLevel level, std::string_view text) {
    {
        const std::lock_guard lock(mutex_);
        if (level == base::LogLevel::Debug && targets_.debug == 0) {
            return;
        }
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        for (base::LogLimit::Line& line : limit_.pass(level, text, now)) {
            queue_locked({line.level, std::time(nullptr), std::move(line.text)});
        }
    }
    changed_.notify_one();
}

void LogWriter::write_output(std::string_view who, std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (!line.empty()) {
            queue({base::LogLevel::Debug,
                   std::time(nullptr),
                   std::string(who).append(": ").append(line)});
        }
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
}

void LogWriter::set_targets(LogTargets targets) {
    const std::lock_guard lock(mutex_);
    targets_ = std::move(targets);
}

void LogWriter::set_debug(int level) {
    const std::lock_guard lock(mutex_);
    targets_.debug = level;
}

int LogWriter::debug() const {
    const std::lock_guard lock(mutex_);
    return targets_.debug;
}

void LogWriter::queue(Line line) {
    {
        const std::lock_guard lock(mutex_);
        queue_locked(std::move(line));
    }
    changed_.notify_one();
}

void LogWriter::queue_locked(Line line) {
    if (lines_.size() >= kMaxQueuedLines) {
        ++dropped_;
        return;
    }
    lines_.push_back(std::move(line));
}

void LogWriter::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !lines_.empty(); });
        if (lines_.empty()) {
            return;
        }
        std::deque<Line> lines = std::exchange(lines_, {});
        if (const std::uint64_t dropped = std::exchange(dropped_, 0); dropped > 0) {
            lines.push_back({base::LogLevel::Warning,
                             std::time(nullptr),
                             base::format("%llu log lines were dropped: the log is too slow",
                                          static_cast<unsigned long long>(dropped))});
        }
        const LogTargets targets = targets_;
        lock.unlock();
        write_out(targets, lines);
        lock.lock();
    }
}

void LogWriter::write_out(const LogTargets& targets, const std::deque<Line>& lines) {
    const int pid = static_cast<int>(::getpid());
    std::string for_logfile;
    std::string for_debugfile;
    for (const Line& line : lines) {
        const std::string text =
            log_line(targets, line.level, line.wall_seconds, pid, line.text) + "\n";
        for_debugfile += text;
        if (line.level == base::LogLevel::Debug) {
            continue;
        }
        for_logfile += text;
        if (targets.facility) {
            ::syslog(*targets.facility | syslog_priority(line.level),
                     "%s: %s",
                     std::string(severity_word(line.level)).c_str(),
                     line.text.c_str());
        }
    }
    append(targets.logfile, for_logfile);
    append(targets.debugfile, for_debugfile);
    if (targets.standard_error) {
        const std::string& all = targets.debug > 0 ? for_debugfile : for_logfile;
        (void)!::write(STDERR_FILENO, all.data(), all.size());
    }
}

}  // namespace hb
