// disk-timeout: whether a disk has not answered for too long.
#pragma once

#include "drbdd/io/time.h"

namespace engine {

class DiskWatch {
public:
    // `oldest`: since when its oldest operation is under way; kNever: none is. `limit` zero: it may
    // take for ever.
    bool is_overdue(io::Instant now, io::Instant oldest, io::Duration limit);

    // When it will be.
    io::Instant due(io::Instant oldest, io::Duration limit) const;

private:
    io::Instant watched_since_{};
};

}  // namespace engine
