// How much one step of the engine has done: each loop over things that may be many counts here.
// Bounded by what the step changes, never by the square of it: a walk over all writes for each
// write keeps a node from answering for seconds. The simulator checks the bound after every step.
#pragma once

#include <cstdint>

namespace engine {

struct Work {
    std::uint64_t done = 0;

    void add(std::uint64_t operations = 1) { done += operations; }
};

}  // namespace engine
