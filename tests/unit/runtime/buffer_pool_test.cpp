#include "drbdd/runtime/buffer_pool.h"

#include "tests/unit/runtime/units.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace runtime {
namespace {

TEST(RingBufferPool, GivesAlignedMemoryOfAtLeastTheSizeAsked) {
    RingBufferPool pool;
    for (const std::size_t bytes : {std::size_t{1},
                                    std::size_t{4096},
                                    std::size_t{4097},
                                    std::size_t{65536},
                                    kMebibyte,
                                    kMebibyte + 1,
                                    RingBufferPool::kChunkBytes,
                                    RingBufferPool::kChunkBytes + 1,
                                    4 * kMebibyte}) {
        const io::BufferRef buffer = pool.allocate(bytes);
        EXPECT_GE(buffer->size(), bytes);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 4096, 0u) << bytes;
        std::memset(buffer->data(), 0xa5, buffer->size());
    }
}

TEST(RingBufferPool, NeverGivesTheSameMemoryTwiceAtATime) {
    RingBufferPool pool(8);
    std::vector<io::BufferRef> held;
    std::set<std::uint8_t*> seen;
    for (int count = 0; count < 5000; ++count) {
        held.push_back(pool.allocate(4096));
        EXPECT_TRUE(seen.insert(held.back()->data()).second);
    }
}

TEST(RingBufferPool, UsesTheSameMemoryAgainAfterTheLastReferenceIsGone) {
    RingBufferPool pool;
    io::BufferRef first = pool.allocate(8192);
    const std::uint8_t* const memory = first->data();
    io::BufferRef copy = first;
    first.reset();
    const io::BufferRef other = pool.allocate(8192);
    EXPECT_NE(other->data(), memory);
    copy.reset();
    EXPECT_EQ(pool.allocate(8192)->data(), memory);
}

TEST(RingBufferPool, TakesTheHeapWhenItsOwnRangeIsUsedUp) {
    RingBufferPool pool(2);
    std::vector<io::BufferRef> held;
    for (int count = 0; count < 5; ++count) {
        held.push_back(pool.allocate(kMebibyte));
    }
    EXPECT_EQ(pool.heap_buffers(), 3u);
    EXPECT_EQ(held.back()->fixed_index(), -1);
    held.clear();
    EXPECT_EQ(pool.heap_buffers(), 0u);
}

TEST(RingBufferPool, GivesBackChunksThatStayFreeFromOneTrimToTheNext) {
    RingBufferPool pool;
    io::BufferRef used = pool.allocate(4096);
    pool.allocate(kMebibyte);  // free again at once
    EXPECT_EQ(pool.resident_bytes(), 2 * RingBufferPool::kChunkBytes);
    EXPECT_TRUE(pool.trim());
    EXPECT_EQ(pool.resident_bytes(), 2 * RingBufferPool::kChunkBytes);
    EXPECT_FALSE(pool.trim());
    EXPECT_EQ(pool.resident_bytes(), RingBufferPool::kChunkBytes);
    used.reset();
    EXPECT_TRUE(pool.trim());
    pool.allocate(4096);  // in use again meanwhile: stays
    EXPECT_TRUE(pool.trim());
    EXPECT_FALSE(pool.trim());
    EXPECT_EQ(pool.resident_bytes(), 0u);
}

TEST(RingBufferPool, GivesTheMemoryOfABurstBackWhileASmallLoadGoesOn) {
    RingBufferPool pool;
    std::vector<io::BufferRef> burst;
    for (std::size_t count = 0; count < 20 * 256; ++count) {
        burst.push_back(pool.allocate(4096));
    }
    for (std::size_t bytes = 8192; bytes <= kMebibyte; bytes *= 2) {
        burst.push_back(pool.allocate(bytes));
    }
    EXPECT_EQ(pool.resident_bytes(), 28 * RingBufferPool::kChunkBytes);
    burst.clear();
    for (int second = 0; second < 2; ++second) {
        for (int request = 0; request < 1000; ++request) {
            const io::BufferRef one = pool.allocate(4096);
            const io::BufferRef other = pool.allocate(4096);
        }
        EXPECT_TRUE(pool.trim() || second > 0);
    }
    EXPECT_EQ(pool.resident_bytes(), RingBufferPool::kChunkBytes);
}

TEST(RingBufferPool, RegistersChunksWithTheRing) {
    RingBufferPool pool;
    boost::asio::io_context context;
    auto ring = Ring::create(context);
    ASSERT_TRUE(ring) << ring.error().text;
    pool.use_ring(ring->get());
    const io::BufferRef small = pool.allocate(4096);
    const io::BufferRef large = pool.allocate(kMebibyte);
    if ((*ring)->buffer_slots() == 0) {
        GTEST_SKIP() << "this kernel registers no buffers";
    }
    EXPECT_GE(small->fixed_index(), 0);
    EXPECT_GE(large->fixed_index(), 0);
    EXPECT_NE(small->fixed_index(), large->fixed_index());
    pool.use_ring(nullptr);
}

}  // namespace
}  // namespace runtime
