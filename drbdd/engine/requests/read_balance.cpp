#include "drbdd/engine/requests/read_balance.h"

#include "base/require.h"

#include <utility>

namespace engine {

namespace {

// A stripe goes where it begins: one request is not divided.
bool odd_stripe(ReadBalancing mode, base::Sector sector) {
    const int order = static_cast<int>(mode) - static_cast<int>(ReadBalancing::Striping32K);
    return ((base::to_bytes(sector) >> (15 + order)) & 1) != 0;
}

}  // namespace

bool ReadBalance::prefers_peer(ReadBalancing mode, base::Sector sector, const Load& load) {
    switch (mode) {
        case ReadBalancing::PreferLocal:
            return false;
        case ReadBalancing::PreferRemote:
            return true;
        case ReadBalancing::RoundRobin:
            return std::exchange(peers_turn_, !peers_turn_);
        case ReadBalancing::LeastPending:
            return load.here > load.there;
        case ReadBalancing::WhenCongestedRemote:
            return load.here >= kCongestedFrom;
        case ReadBalancing::Striping32K:
        case ReadBalancing::Striping64K:
        case ReadBalancing::Striping128K:
        case ReadBalancing::Striping256K:
        case ReadBalancing::Striping512K:
        case ReadBalancing::Striping1M:
            return odd_stripe(mode, sector);
    }
    REQUIRE(false);
}

}  // namespace engine
