// read-balancing: which reads go to the peer although our own copy is as good. Pure but for whose
// turn it is. Specification of the configuration, section 4, read-balancing.
#pragma once

#include "base/units.h"
#include "drbdd/engine/rules/policies.h"

#include <cstddef>

namespace engine {

class ReadBalance {
public:
    // Operations that are under way.
    struct Load {
        std::size_t here = 0;
        std::size_t there = 0;
    };

    // Of our disk; from then on it is congested.
    static constexpr std::size_t kCongestedFrom = 128;

    bool prefers_peer(ReadBalancing mode, base::Sector sector, const Load& load);

private:
    bool peers_turn_ = false;
};

}  // namespace engine
