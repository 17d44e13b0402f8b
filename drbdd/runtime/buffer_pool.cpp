#include "drbdd/runtime/buffer_pool.h"

#include "base/require.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace runtime {

class RingBufferPool::Slot : public io::Buffer {
public:
    Slot(RingBufferPool& pool,
         std::uint32_t chunk,
         std::uint32_t index,
         std::uint8_t* data,
         std::size_t size,
         int fixed_index)
        : Buffer(data, size, fixed_index), pool_(pool), chunk_(chunk), index_(index) {}

    ~Slot() override = default;

private:
    void recycle() override { pool_.put_back(chunk_, index_); }

    RingBufferPool& pool_;
    std::uint32_t chunk_;
    std::uint32_t index_;
};

class RingBufferPool::HeapBuffer : public io::Buffer {
public:
    HeapBuffer(RingBufferPool& pool, std::size_t bytes)
        : Buffer(static_cast<std::uint8_t*>(
                     ::operator new (bytes, std::align_val_t{RingBufferPool::kPageBytes})),
                 bytes,
                 -1),
          pool_(pool) {
        ++pool_.heap_buffers_;
    }

private:
    ~HeapBuffer() override {
        ::operator delete (data(), std::align_val_t{RingBufferPool::kPageBytes});
    }

    void recycle() override {
        --pool_.heap_buffers_;
        delete this;
    }

    RingBufferPool& pool_;
};

RingBufferPool::RingBufferPool(std::size_t chunks) : chunks_(chunks) {
    void* region = ::mmap(nullptr,
                          chunks * kChunkBytes,
                          PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1,
                          0);
    if (region == MAP_FAILED) {
        chunks_.clear();  // everything comes from the heap
        return;
    }
    region_ = static_cast<std::uint8_t*>(region);
}

RingBufferPool::~RingBufferPool() {
    for (const Chunk& chunk : chunks_) {
        REQUIRE(chunk.free.size() == chunk.slots.size());  // a buffer outlives its pool
    }
    REQUIRE(heap_buffers_ == 0);
    if (region_ != nullptr) {
        ::munmap(region_, chunks_.size() * kChunkBytes);
    }
}

std::size_t RingBufferPool::class_of(std::size_t bytes) {
    return static_cast<std::size_t>(
        std::lower_bound(kClassBytes.begin(), kClassBytes.end(), bytes) - kClassBytes.begin());
}

io::BufferRef RingBufferPool::allocate(std::size_t bytes) {
    REQUIRE(bytes > 0);
    const std::size_t size_class = class_of(bytes);
    if (size_class == kNoClass || (available_[size_class].empty() && !open_chunk(size_class))) {
        const std::size_t whole_pages = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
        return io::BufferRef(new HeapBuffer(*this, whole_pages));
    }
    Chunk& chunk = chunks_[available_[size_class].back()];
    const std::uint32_t slot = chunk.free.back();
    chunk.free.pop_back();
    chunk.idle = false;
    if (chunk.free.empty()) {
        available_[size_class].pop_back();
    }
    return io::BufferRef(chunk.slots[slot].get());
}

bool RingBufferPool::open_chunk(std::size_t size_class) {
    const auto unused = std::find_if(chunks_.begin(), chunks_.end(), [](const Chunk& chunk) {
        return chunk.size_class == kNoClass;
    });
    if (unused == chunks_.end()) {
        return false;
    }
    const auto index = static_cast<std::uint32_t>(unused - chunks_.begin());
    int fixed_index = -1;
    if (ring_ != nullptr && index < ring_->buffer_slots() &&
        ring_->register_buffer(index, address(index), kChunkBytes)) {
        fixed_index = static_cast<int>(index);
    }
    const std::size_t bytes = kClassBytes[size_class];
    const auto count = static_cast<std::uint32_t>(kChunkBytes / bytes);
    unused->size_class = size_class;
    unused->idle = false;
    for (std::uint32_t slot = 0; slot < count; ++slot) {
        unused->slots.push_back(std::make_unique<Slot>(
            *this, index, slot, address(index) + slot * bytes, bytes, fixed_index));
        unused->free.push_back(count - 1 - slot);
    }
    available_[size_class].push_back(index);
    ++chunks_in_use_;
    return true;
}

void RingBufferPool::put_back(std::uint32_t chunk, std::uint32_t slot) {
    Chunk& home = chunks_[chunk];
    if (home.free.empty()) {
        available_[home.size_class].push_back(chunk);
    }
    home.free.push_back(slot);
}

bool RingBufferPool::trim() {
    bool more = false;
    for (std::size_t index = 0; index < chunks_.size(); ++index) {
        Chunk& chunk = chunks_[index];
        if (chunk.size_class == kNoClass || chunk.free.size() != chunk.slots.size()) {
            continue;
        }
        if (chunk.idle) {
            close_chunk(index);
        } else {
            chunk.idle = true;
            more = true;
        }
    }
    return more;
}

void RingBufferPool::close_chunk(std::size_t index) {
    Chunk& chunk = chunks_[index];
    if (ring_ != nullptr && chunk.slots.front()->fixed_index() >= 0) {
        ring_->unregister_buffer(static_cast<unsigned>(index));
    }
    ::madvise(address(index), kChunkBytes, MADV_DONTNEED);
    std::erase(available_[chunk.size_class], static_cast<std::uint32_t>(index));
    chunk = Chunk{};
    --chunks_in_use_;
}

}  // namespace runtime
