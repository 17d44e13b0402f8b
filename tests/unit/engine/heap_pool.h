// Buffers of exactly the size that is asked for, each of its own piece of memory: what reads or
// writes beyond one is seen by the sanitizers.
#pragma once

#include "base/require.h"
#include "drbdd/io/buffer.h"
#include "proto/packets.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace engine {

class HeapBuffer final : public io::Buffer {
public:
    explicit HeapBuffer(std::size_t size)
        : Buffer(static_cast<std::uint8_t*>(std::malloc(size)), size, -1) {}

private:
    void recycle() override {
        std::free(data());
        delete this;
    }
};

class HeapPool final : public io::BufferPool {
public:
    io::BufferRef allocate(std::size_t bytes) override {
        REQUIRE(bytes > 0 && bytes <= proto::kMaxDataBytes);
        return io::BufferRef(new HeapBuffer(bytes));
    }
};

}  // namespace engine
