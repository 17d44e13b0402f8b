// Words and arithmetic of what a node holds. Heartbeat specification, sections 2.5 and 3.7.
#pragma once

#include "heartbeat/engine/settings.h"

#include <optional>
#include <string>
#include <string_view>

namespace hb {

constexpr Hold operator|(Hold a, Hold b) {
    return static_cast<Hold>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

constexpr Hold operator&(Hold a, Hold b) {
    return static_cast<Hold>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}

constexpr Hold without(Hold a, Hold b) {
    return static_cast<Hold>(static_cast<unsigned>(a) & ~static_cast<unsigned>(b));
}

constexpr bool has(Hold a, Hold bit) {
    return (a & bit) == bit;
}

constexpr bool overlaps(Hold a, Hold b) {
    return (a & b) != Hold::none;
}

// The same groups seen from the other node.
constexpr Hold mirror(Hold hold) {
    return (has(hold, Hold::local) ? Hold::foreign : Hold::none) |
           (has(hold, Hold::foreign) ? Hold::local : Hold::none);
}

std::string_view word_of(Hold hold);
// none, local, foreign, all; `failback` is foreign.
std::optional<Hold> hold_of(std::string_view word);

}  // namespace hb
