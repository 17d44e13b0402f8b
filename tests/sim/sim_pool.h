// Buffers from the heap, filled with garbage when handed out and when given back, so that whoever
// relies on stale or freed bytes is found by the content checks. Counts what is alive.
#pragma once

#include "drbdd/io/buffer.h"

#include <cstdint>

namespace sim {

class SimPool : public io::BufferPool {
public:
    SimPool();
    SimPool(const SimPool&) = delete;
    SimPool& operator=(const SimPool&) = delete;

    io::BufferRef allocate(std::size_t bytes) override;

    std::uint64_t live() const { return live_; }

private:
    friend class SimBuffer;
    std::uint64_t live_ = 0;
};

}  // namespace sim
