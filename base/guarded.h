// What the system's limits make the libraries throw (no descriptor, no thread, no watch left) ends
// neither a loop nor the program, but what has just been tried.
#pragma once

#include "base/result.h"

#include <stdexcept>
#include <string>

namespace base {

// What `deed` returns, a Result, or the words of what it throws.
template <typename Deed>
auto guarded(const std::string& what, const Deed& deed) -> decltype(deed()) {
    try {
        return deed();
    } catch (const std::runtime_error& error) {
        return Error{ErrorCode::Io, what + ": " + error.what()};
    }
}

// Calls `loop` until it returns. Whatever one of its handlers throws is told, and the others go on.
template <typename Loop, typename Tell>
void keep_running(const Loop& loop, const Tell& tell) {
    while (true) {
        try {
            loop();
            return;
        } catch (const std::runtime_error& error) {
            tell(error.what());
        }
    }
}

}  // namespace base
