#include "drbdd/engine/volume/disk_watch.h"

#include <algorithm>
#include <chrono>

namespace engine {

namespace {

// Whoever looks so much too late has stood still, and what the disk has answered meanwhile is still
// to be heard.
constexpr io::Duration kLeastStandstill = std::chrono::milliseconds(500);

}  // namespace

io::Instant DiskWatch::due(io::Instant oldest, io::Duration limit) const {
    const bool watched = limit != io::Duration::zero() && oldest != io::kNever;
    return watched ? std::max(oldest, watched_since_) + limit : io::kNever;
}

bool DiskWatch::is_overdue(io::Instant now, io::Instant oldest, io::Duration limit) {
    const io::Instant at = due(oldest, limit);
    if (at == io::kNever || now < at) {
        return false;
    }
    if (now - at > std::max(limit / 2, kLeastStandstill)) {
        watched_since_ = now;
        return false;
    }
    return true;
}

}  // namespace engine
