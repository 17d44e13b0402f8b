// resync-after: which volumes of this node wait with their resync for that of another one, which
// may be of another resource. Pure. Wire specification, section 8.7.
#pragma once

#include "drbdd/engine/events.h"
#include "drbdd/runtime/resource_snapshot.h"

#include <string>
#include <vector>

namespace runtime {

struct ResyncTurn {
    std::string resource;
    engine::ResyncTurn turn;

    bool operator==(const ResyncTurn&) const = default;
};

// Somebody is configured to wait for another one.
bool follows_another(const ResourceSnapshot& resource);

// What each volume has to be told that goes by another turn now. One waits while the one before it,
// or the one before that, resyncs, verifies or is paused; not for one that has no disk or is not
// there, and not where the order ends in itself.
std::vector<ResyncTurn> resync_turns(const std::vector<SnapshotPtr>& resources);

}  // namespace runtime
