// A seeded pseudo random source (xoshiro256**): the same seed gives the same run. The engine's
// uuids come from one that its owner seeded (from the operating system in production). Nothing that
// has to be a secret may: a few of its numbers tell all that follow.
#pragma once

#include <cstdint>

namespace base {

class Prng {
public:
    explicit Prng(std::uint64_t seed);

    std::uint64_t next();

    // Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);

    // True with the given probability, 0.0 to 1.0.
    bool chance(double probability);

private:
    std::uint64_t state_[4];
};

}  // namespace base
