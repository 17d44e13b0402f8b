// Where the challenges of the authentication come from. A source of its own: a challenge is sent to
// whoever connects, and one of 64 bytes tells the whole state of a generator that also makes
// identifiers and delays, so that the next challenge could be foretold.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace io {

inline constexpr std::size_t kChallengeBytes = 64;
using Challenge = std::array<std::uint8_t, kChallengeBytes>;

class Challenges {
public:
    virtual ~Challenges() = default;

    // Nobody can foretell it, whatever else he has seen of us.
    virtual Challenge issue() = 0;

    // Whether this daemon has issued it lately, for whichever of its resources. Who sends us our
    // own challenge wants our answer to it, for the connection that it belongs to.
    virtual bool issued(base::ConstBytes challenge) const = 0;
};

}  // namespace io
