// Payload buffers: reference counted, 4096-aligned, from a pool. A payload arrives in one, goes to
// the disk and to the socket from it and is freed when both are done; nobody copies it.
// Counts are not atomic: a buffer belongs to the thread of its resource.
#pragma once

#include "base/bytes.h"
#include "base/require.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace io {

// One block of memory. Implementations come from a BufferPool and go back to it when the last
// reference is dropped.
class Buffer {
public:
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::uint8_t* data() const { return data_; }

    std::size_t size() const { return size_; }

    // Index of the registered buffer (io_uring) that holds this memory, or -1.
    int fixed_index() const { return fixed_index_; }

protected:
    Buffer(std::uint8_t* data, std::size_t size, int fixed_index)
        : data_(data), size_(size), fixed_index_(fixed_index) {}

    virtual ~Buffer() = default;

    // Called when the count falls to zero.
    virtual void recycle() = 0;

private:
    friend class BufferRef;
    std::uint8_t* data_;
    std::size_t size_;
    int fixed_index_;
    std::uint32_t references_ = 0;
};

class BufferRef {
public:
    BufferRef() = default;

    explicit BufferRef(Buffer* buffer) : buffer_(buffer) { retain(); }

    BufferRef(const BufferRef& other) : buffer_(other.buffer_) { retain(); }

    BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}

    BufferRef& operator=(BufferRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }

    ~BufferRef() { reset(); }

    void reset() {
        if (buffer_ != nullptr && --buffer_->references_ == 0) {
            buffer_->recycle();
        }
        buffer_ = nullptr;
    }

    explicit operator bool() const { return buffer_ != nullptr; }

    Buffer* get() const { return buffer_; }

    Buffer* operator->() const {
        REQUIRE(buffer_ != nullptr);
        return buffer_;
    }

private:
    void retain() {
        if (buffer_ != nullptr) {
            ++buffer_->references_;
        }
    }

    Buffer* buffer_ = nullptr;
};

// A part of a buffer. An empty slice (no buffer, length 0) stands for "no payload".
struct Slice {
    BufferRef buffer;
    std::size_t offset = 0;
    std::size_t length = 0;

    bool empty() const { return length == 0; }

    base::Bytes bytes() const {
        if (length == 0) {
            return {};
        }
        REQUIRE(offset + length <= buffer->size());
        return {buffer->data() + offset, length};
    }

    Slice part(std::size_t from, std::size_t count) const {
        REQUIRE(from + count <= length);
        return {buffer, offset + from, count};
    }
};

class BufferPool {
public:
    virtual ~BufferPool() = default;

    // At least `bytes` long (> 0), start aligned to 4096. Content is unspecified. Never fails: when
    // the pool's own memory is used up, an implementation takes memory from the heap.
    virtual BufferRef allocate(std::size_t bytes) = 0;

    Slice allocate_slice(std::size_t bytes) { return {allocate(bytes), 0, bytes}; }
};

}  // namespace io
