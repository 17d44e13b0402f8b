#include "drbdd/runtime/system_challenges.h"

#include "base/require.h"

#include <sys/random.h>

namespace runtime {

io::Challenge SystemChallenges::issue() {
    io::Challenge challenge{};
    static_assert(io::kChallengeBytes <= 256);  // so many come whole, and no signal interrupts them
    REQUIRE(::getrandom(challenge.data(), challenge.size(), 0) ==
            static_cast<ssize_t>(challenge.size()));
    const std::lock_guard lock(mutex_);
    recent_.add(challenge);
    return challenge;
}

bool SystemChallenges::issued(base::ConstBytes challenge) const {
    const std::lock_guard lock(mutex_);
    return recent_.has(challenge);
}

}  // namespace runtime
