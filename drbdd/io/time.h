// Time as the engine sees it: nanoseconds of a monotonic clock with an arbitrary start. It is
// handed in with every event; nothing below the runtime asks a clock.
#pragma once

#include <chrono>

namespace io {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::nanoseconds;  // since an arbitrary start, never going back

inline constexpr Instant kNever = Instant::max();

}  // namespace io
