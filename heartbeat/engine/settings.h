// What the engine is configured with, and what it knows about itself when it starts. Values, by
// copy: the engine never reads a file.
#pragma once

#include "config/ha/ha_cf.h"
#include "config/ha/ha_policy.h"
#include "config/ha/haresources.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
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

using JobId = std::uint64_t;  // of an agent: chosen by the engine, returned with the result

enum class AgentOperation : std::uint8_t { start, stop, status };

// One that an earlier life has begun, and that has not ended.
struct EarlierAgent {
    JobId job = 0;  // chosen by the runtime
    std::string resource;
    AgentOperation operation = AgentOperation::status;
};

struct Start {
    // Greater than in any earlier life of this daemon; the partner takes anything else for a
    // replay.
    std::uint64_t generation = 1;
    std::array<char, 16> uuid{};
    std::uint64_t seed = 1;  // feeds the random delays; any value
    // What the previous incarnation held when it replaced itself (Effects: Restart), else none.
    Hold restart_hold = Hold::none;
    std::vector<std::string> given =
        {};                         // keys of groups of that hold which it did not hold any more
    std::vector<Heard> heard = {};  // nothing up to there is believed any more: it is a recording
    // Answered by AgentDone, as if this life had run them.
    std::vector<EarlierAgent> agents = {};
    // Keys of groups that the daemon before this one has left running, perhaps: what an agent that
    // is not there any more says of them is not that they are stopped.
    std::vector<std::string> may_run = {};
    // The daemon before this one was killed. For so long the partner has not been heard, and has
    // not heard us.
    std::chrono::milliseconds silence{};
    std::chrono::milliseconds unheard{};
    // It was isolated, and was stopping everything: what is left of the time for that.
    std::optional<std::chrono::milliseconds> stops_left = {};
};

}  // namespace hb
