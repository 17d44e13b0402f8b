// The only clock of the daemon: monotonic, handed to the engine with every event.
#pragma once

#include "drbdd/io/time.h"

#include <chrono>

namespace runtime {

inline io::Instant now() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

inline std::chrono::steady_clock::time_point to_steady(io::Instant instant) {
    return std::chrono::steady_clock::time_point(instant);
}

}  // namespace runtime
