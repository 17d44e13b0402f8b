#include "tests/sim/sim_pool.h"

#include <cstring>
#include <malloc.h>
#include <new>

namespace sim {

namespace {

constexpr std::align_val_t kAlignment{4096};
constexpr int kFreshGarbage = 0xdb;
constexpr int kFreedGarbage = 0xfe;

}  // namespace

class SimBuffer final : public io::Buffer {
public:
    SimBuffer(SimPool& pool, std::size_t bytes)
        : io::Buffer(static_cast<std::uint8_t*>(::operator new(bytes, kAlignment)), bytes, -1),
          pool_(pool) {
        std::memset(data(), kFreshGarbage, bytes);
        ++pool_.live_;
    }

    ~SimBuffer() override {
        std::memset(data(), kFreedGarbage, size());
        ::operator delete(data(), kAlignment);
        --pool_.live_;
    }

protected:
    void recycle() override { delete this; }

private:
    SimPool& pool_;
};

// A resync allocates some thousand buffers of 1 MiB: let the heap keep their pages.
SimPool::SimPool() {
    constexpr int kKept = 64 << 20;
    ::mallopt(M_MMAP_THRESHOLD, kKept);
    ::mallopt(M_TRIM_THRESHOLD, kKept);
}

io::BufferRef SimPool::allocate(std::size_t bytes) {
    REQUIRE(bytes > 0);
    return io::BufferRef(new SimBuffer(*this, bytes));
}

}  // namespace sim
