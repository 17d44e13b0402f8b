// The payload memory of one resource: one reserved address range, cut into chunks of one mebibyte
// and a page, each given to one size class when it is first needed, registered with the ring then,
// and given back to the kernel when it has been free for a while. So an idle resource holds nearly
// nothing, and a busy one works from memory that the kernel has pinned once. Requests beyond the
// range (or larger than a chunk) come from the heap.
//
// Belongs to the resource's thread, outlives every buffer and needs nobody at its end: the ring may
// go first.
#pragma once

#include "drbdd/io/buffer.h"
#include "drbdd/runtime/ring.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace runtime {

class RingBufferPool : public io::BufferPool {
public:
    static constexpr std::size_t kPageBytes = 4096;
    // The largest payload (1 MiB), and a page for a header beside it.
    static constexpr std::size_t kChunkBytes = (1u << 20) + kPageBytes;
    static constexpr std::size_t kDefaultChunks = 128;

    explicit RingBufferPool(std::size_t chunks = kDefaultChunks);
    ~RingBufferPool() override;

    io::BufferRef allocate(std::size_t bytes) override;

    // To be called now and then (about once a second): chunks that were free at the last call and
    // still are go back to the kernel. True while there is something left to give back.
    bool trim();

    // Memory that is given out for the first time from now on is registered with `ring`; null: the
    // ring is about to go, nothing is registered or unregistered any more.
    void use_ring(Ring* ring) { ring_ = ring; }

    std::size_t resident_bytes() const { return chunks_in_use_ * kChunkBytes; }

    std::size_t heap_buffers() const { return heap_buffers_; }

private:
    class Slot;
    class HeapBuffer;

    static constexpr std::array<std::size_t, 10> kClassBytes = {
        4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1u << 20, kChunkBytes};
    static constexpr std::size_t kNoClass = kClassBytes.size();

    struct Chunk {
        std::size_t size_class = kNoClass;  // kNoClass: not in use, no memory behind it
        bool idle = false;                  // was wholly free at the last trim()
        std::vector<std::unique_ptr<Slot>> slots;
        std::vector<std::uint32_t> free;  // slots; the last one is given out next
    };

    static std::size_t class_of(std::size_t bytes);

    std::uint8_t* address(std::size_t chunk) const { return region_ + chunk * kChunkBytes; }

    bool open_chunk(std::size_t size_class);
    void close_chunk(std::size_t chunk);
    void put_back(std::uint32_t chunk, std::uint32_t slot);

    Ring* ring_ = nullptr;
    std::uint8_t* region_ = nullptr;
    std::vector<Chunk> chunks_;
    // Chunks of the class that have a free slot, in the order in which they got one.
    std::array<std::vector<std::uint32_t>, kClassBytes.size()> available_;
    std::size_t chunks_in_use_ = 0;
    std::size_t heap_buffers_ = 0;
};

}  // namespace runtime
