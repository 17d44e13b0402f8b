#include "drbdd/runtime/log_sinks.h"

#include "base/log_limit.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <syslog.h>
#include <unistd.h>

namespace runtime {

namespace {

constexpr std::array<std::string_view, 6> kWords = {
    "debug", "info", "notice", "warning", "error", "alert"};
constexpr std::array<int, 6> kPriorities = {
    LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR, LOG_ALERT};

class StandardErrorSink : public base::LogSink {
public:
    explicit StandardErrorSink(base::LogLevel least) : least_(least) {}

    // One write() per line: lines of several threads do not mix. "<6>" is for the journal of
    // systemd, which takes it as the priority.
    void write(base::LogLevel level, std::string_view line) override {
        if (level < least_) {
            return;
        }
        std::string text;
        if (journal_) {
            text = base::format("<%d>", kPriorities[static_cast<std::size_t>(level)]);
        }
        text.append(line);
        text.push_back('\n');
        (void)!::write(STDERR_FILENO, text.data(), text.size());
    }

private:
    const base::LogLevel least_;
    const bool journal_ = std::getenv("JOURNAL_STREAM") != nullptr;
};

class SyslogSink : public base::LogSink {
public:
    explicit SyslogSink(base::LogLevel least) : least_(least) {
        ::openlog("drbdd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    }

    ~SyslogSink() override { ::closelog(); }

    void write(base::LogLevel level, std::string_view line) override {
        if (level >= least_) {
            ::syslog(kPriorities[static_cast<std::size_t>(level)],
                     "%.*s",
                     static_cast<int>(line.size()),
                     line.data());
        }
    }

private:
    const base::LogLevel least_;
};

// In front of either of them: nobody outside decides how much is logged.
class LimitedSink : public base::LogSink {
public:
    LimitedSink(std::unique_ptr<base::LogSink> sink, base::LogLevel least)
        : sink_(std::move(sink)), least_(least) {}

    ~LimitedSink() override { write_all(limit_.end()); }

    void write(base::LogLevel level, std::string_view line) override {
        if (level < least_) {
            return;
        }
        std::vector<base::LogLimit::Line> lines;
        {
            const std::lock_guard lock(mutex_);
            lines = limit_.pass(level, line, std::chrono::steady_clock::now().time_since_epoch());
        }
        write_all(lines);
    }

private:
    void write_all(const std::vector<base::LogLimit::Line>& lines) {
        for (const base::LogLimit::Line& line : lines) {
            sink_->write(line.level, line.text);
        }
    }

    const std::unique_ptr<base::LogSink> sink_;
    const base::LogLevel least_;
    std::mutex mutex_;  // guards limit_
    base::LogLimit limit_;
};

std::unique_ptr<base::LogSink> system_sink(LogTarget target, base::LogLevel least) {
    if (target == LogTarget::Syslog) {
        return std::make_unique<SyslogSink>(least);
    }
    return std::make_unique<StandardErrorSink>(least);
}

}  // namespace

std::unique_ptr<base::LogSink> make_log_sink(LogTarget target, base::LogLevel least) {
    return std::make_unique<LimitedSink>(system_sink(target, least), least);
}

std::optional<base::LogLevel> log_level(std::string_view word) {
    for (std::size_t index = 0; index < kWords.size(); ++index) {
        if (kWords[index] == word) {
            return static_cast<base::LogLevel>(index);
        }
    }
    return std::nullopt;
}

}  // namespace runtime
