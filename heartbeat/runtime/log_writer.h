// The daemon's log in the original's line format: logfile, debugfile, syslog, standard error.
// Heartbeat specification 3.12.
//
// A log file may lie on a disk that hangs, and a heartbeat that waits for it is a node that is
// taken for dead. So lines are only queued here; a thread of its own writes them. Lines that do not
// fit into the queue are counted, and the count is logged. Of one kind only so many are written
// (base/log_limit.h): what others send must not fill the disk.
#pragma once

#include "base/log.h"
#include "base/log_limit.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace hb {

struct LogTargets {
    std::string node;
    std::string logfile;          // all but debug lines; empty: none
    std::string debugfile;        // all lines; empty: none
    std::optional<int> facility;  // syslog's number, LOG_LOCAL1 for example
    bool standard_error = false;
    bool syslog_format = true;  // of the files' lines (syslogmsgfmt)
    int debug = 0;  // 0: debug lines go to the debugfile only if they are output of scripts
};

class LogWriter : public base::LogSink {
public:
    explicit LogWriter(LogTargets targets);
    // Writes what is queued.
    ~LogWriter() override;
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    // From any thread; does not wait.
    void write(base::LogLevel level, std::string_view text) override;
    // Output of a script, line by line; only for the debugfile.
    void write_output(std::string_view who, std::string_view text);

    void set_targets(LogTargets targets);
    void set_debug(int level);
    int debug() const;

private:
    struct Line {
        base::LogLevel level;
        std::int64_t wall_seconds;
        std::string text;
    };

    void queue(Line line);
    void queue_locked(Line line);
    void run();
    void write_out(const LogTargets& targets, const std::deque<Line>& lines);

    mutable std::mutex mutex_;  // guards all below but thread_
    std::condition_variable changed_;
    LogTargets targets_;
    base::LogLimit limit_;
    std::deque<Line> lines_;
    std::uint64_t dropped_ = 0;
    bool ending_ = false;
    std::thread thread_;
};

// "info", "WARN", "ERROR", "CRIT"... as the original spells them.
std::string_view severity_word(base::LogLevel level);

// `syslog_format`: "Nov 20 15:28:24 node-a heartbeat: [77]: info: text"; else
// "heartbeat[77]: 2026/11/20_15:28:24 info: text". Without line end; local time.
std::string log_line(const LogTargets& targets,
                     base::LogLevel level,
                     std::int64_t wall_seconds,
                     int pid,
                     std::string_view text);

// "local1" and its like; nothing for other words ("none" included).
std::optional<int> syslog_facility(std::string_view word);

}  // namespace hb
