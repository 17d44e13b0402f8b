// Where the daemon's log lines end up. Safe to use from all threads.
#pragma once

#include "base/log.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace runtime {

enum class LogTarget { StandardError, Syslog };

// Lines below `least` are dropped, and of one kind only so many are written (base/log_limit.h). One
// sink per process.
std::unique_ptr<base::LogSink> make_log_sink(LogTarget target, base::LogLevel least);

// "debug", "info", "notice", "warning", "error", "alert".
std::optional<base::LogLevel> log_level(std::string_view word);

}  // namespace runtime
