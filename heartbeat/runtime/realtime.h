// A heartbeat must leave in time whatever else the machine does. Heartbeat specification 1.2
// (realtime, rtprio).
#pragma once

#include "base/log.h"

#include <optional>

namespace hb {

// SCHED_RR for this thread, not for children; `priority` absent: the middle of the range. All
// memory stays in RAM. What is not permitted is logged as a warning. Before the first thread is
// made.
void make_realtime(std::optional<int> priority, base::LogSink& log);

}  // namespace hb
