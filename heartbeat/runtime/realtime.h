// A heartbeat must leave in time whatever else the machine does. Heartbeat specification 1.2
// (realtime, rtprio).
#pragma once

#include "base/log.h"

#include <cstddef>
#include <optional>

namespace hb {

// Stacks of threads that are made from now on. Ours do little; and one that is locked is whole, so
// that each fork() would copy the tables of the 8 MiB that the system gives it, at the cost of a
// millisecond for each agent. They stay as large as they were where a thread needs more than that.
inline constexpr std::size_t kThreadStackBytes = std::size_t{512} << 10;
void keep_stacks_small();

// SCHED_RR for this thread, not for children; `priority` absent: the middle of the range. All
// memory stays in RAM. What is not permitted is logged as a warning.
void make_realtime(std::optional<int> priority, base::LogSink& log);

}  // namespace hb
