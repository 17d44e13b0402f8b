// The challenges that were issued lately. Enough of them that none is forgotten while its
// connection waits for the answer (at most four times the ping timeout): a resource shakes hands
// with one peer at a time, and no more than a few times a second.
#pragma once

#include "drbdd/io/challenges.h"

#include <algorithm>
#include <vector>

namespace engine {

class RecentChallenges {
public:
    static constexpr std::size_t kMost = 65536;

    void add(base::ConstBytes challenge) {
        Head head{};
        std::copy_n(challenge.begin(), head.size(), head.begin());
        if (heads_.size() < kMost) {
            heads_.push_back(head);
        } else {
            heads_[next_] = head;
            next_ = (next_ + 1) % kMost;
        }
    }

    // Told by its beginning, however it goes on.
    bool has(base::ConstBytes challenge) const {
        return challenge.size() >= sizeof(Head) &&
               std::any_of(heads_.begin(), heads_.end(), [&](const Head& head) {
                   return std::equal(head.begin(), head.end(), challenge.begin());
               });
    }

private:
    using Head = std::array<std::uint8_t, 16>;  // of 64 random bytes: no two are the same

    std::vector<Head> heads_;  // a ring once it is full
    std::size_t next_ = 0;     // the oldest one then
};

}  // namespace engine
