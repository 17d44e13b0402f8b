// Where log lines go. The engine writes to a sink it was given: syslog or standard error in
// production, a ring printed on failure in the simulator. One line, one event, in DRBD's own words
// where operators and scripts grep for them (wire specification 15.4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace base {

enum class LogLevel { Debug, Info, Notice, Warning, Error, Alert };

class LogSink {
public:
    virtual ~LogSink() = default;
    virtual void write(LogLevel level, std::string_view line) = 0;
};

// 16 upper-case hexadecimal digits, as DRBD prints generation identifiers.
std::string hex64(unsigned long long value);

// printf into a string; for log lines and error texts only.
// For %llu.
inline unsigned long long ull(std::uint64_t value) {
    return value;
}

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

}  // namespace base
