// REQUIRE: our own invariants, checked in release builds too. A replica that goes on after one of
// our bugs may be corrupted; a failover is cheaper. Never for input from outside (wire, disk,
// configuration, operator): that gets a Result.
#pragma once

namespace base {

// Prints the condition and its place to standard error, then aborts.
[[noreturn]] void require_failed(const char* condition, const char* file, int line);

}  // namespace base

#define REQUIRE(condition)                                          \
    do {                                                            \
        if (!(condition)) [[unlikely]] {                            \
            ::base::require_failed(#condition, __FILE__, __LINE__); \
        }                                                           \
    } while (false)
