// Challenges from the system's random source, for all resources of the daemon.
#pragma once

#include "drbdd/engine/peer/recent_challenges.h"

#include <mutex>

namespace runtime {

class SystemChallenges : public io::Challenges {
public:
    io::Challenge issue() override;
    bool issued(base::ConstBytes challenge) const override;

private:
    mutable std::mutex mutex_;  // guards recent_: each resource is on a thread of its own
    engine::RecentChallenges recent_;
};

}  // namespace runtime
