// How many log lines of one kind are written. How often most lines come is decided by others: a
// stranger, a peer, a client of a socket. A log that grows as fast as they like fills the disk that
// this node needs, and buries what a person has to read. So of each kind a number of lines is
// written in an interval, the others are counted, and the count is told when the interval is over.
// Pure: the caller has the clock.
#pragma once

#include "base/log.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace base {

class LogLimit {
public:
    struct Options {
        unsigned lines = 60;
        std::chrono::seconds interval{600};
        std::size_t kinds = 1024;  // that are told apart; what finds no room counts as one kind,
        unsigned lines_without_room = 600;  // of which so many are written
    };

    struct Line {
        LogLevel level = LogLevel::Info;
        std::string text;
    };

    // From any fixed start; it never goes back.
    using Time = std::chrono::nanoseconds;

    LogLimit() : LogLimit(Options{}) {}

    explicit LogLimit(const Options& options) : options_(options) {}

    // What is to be written now: counts whose interval is over, then this line, or nothing. Debug
    // lines are written always: somebody has asked for all of them.
    std::vector<Line> pass(LogLevel level, std::string_view text, Time now);

    // The counts that have not been told yet: the log ends.
    std::vector<Line> end();

private:
    struct Kind {
        Time until{};
        unsigned written = 0;
        std::uint64_t held_back = 0;
        Line example;  // the first that was held back
    };

    void tell(const Kind& kind, std::vector<Line>& out) const;
    void tell_what_is_over(Time now, std::vector<Line>& out);

    Options options_;
    std::map<std::string, Kind, std::less<>> kinds_;
    Time next_end_ = Time::max();
};

// What lines of one kind have in common: the text without its numbers and quoted words. Of the
// object in front (`drbd r0: `, `block drbd1: `) short numbers stay, so that one volume does not
// silence another.
std::string kind_of_line(std::string_view text);

}  // namespace base
