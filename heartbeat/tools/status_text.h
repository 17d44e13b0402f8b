// The daemon's status as a person reads it.
#pragma once

#include "heartbeat/control/messages.h"

#include <string>

namespace hb::tools {

// Who holds what, which paths are up, what is wrong, and why the last decision was made. Ends with
// a newline.
std::string status_text(const control::Status& status);

// "2026-11-20 15:38:34  took over from bob" and a line with the facts, each ended by a newline.
// Local time.
std::string entry_text(const control::Entry& entry);

// The decisions and alarms in the order of their times.
std::string log_text(const control::Status& status);

// "250 ms", "4.2 s", "12 min", "3 h 5 min", "2 d 4 h".
std::string duration_text(std::uint64_t ms);

}  // namespace hb::tools
