// What the engine is configured with, and what it knows about itself when it starts. Values, by
// copy: the engine never reads a file.
#pragma once

#include "config/ha/ha_cf.h"
#include "config/ha/ha_policy.h"
#include "config/ha/haresources.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace hb {

// Which resource groups a node holds, seen from that node: `local` are those whose home it is.
// The numbers are bits, so that views can be joined.
enum class Hold : std::uint8_t { none = 0, local = 1, foreign = 2, all = 3 };

struct Settings {
    config::HaCf ha_cf;
    config::Haresources resources;
    config::HaPolicy policy;
    std::string node;  // own name, lower case; one of ha_cf's nodes
};

// The last that an earlier life of ours has heard of a node.
struct Heard {
    std::string node;
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;
};

struct Start {
    // Greater than in any earlier life of this daemon; the partner takes anything else for a
    // replay.
    std::uint64_t generation = 1;
    std::array<char, 16> uuid{};
    std::uint64_t seed = 1;  // feeds the random delays; any value
    // What the previous incarnation held when it replaced itself (Effects: Restart), else none.
    Hold restart_hold = Hold::none;
    std::vector<Heard> heard = {};  // nothing up to there is believed any more: it is a recording
};

}  // namespace hb
