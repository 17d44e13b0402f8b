// A volume in memory for tests of front ends: an io::BlockDevice whose completions come later,
// through `post`, as the contract demands.
#pragma once

#include "drbdd/io/block_device.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace test {

// Counts what is out, so that a test can tell that nothing leaked.
class MemoryPool : public io::BufferPool {
public:
    io::BufferRef allocate(std::size_t bytes) override {
        REQUIRE(bytes > 0);
        std::size_t size = kAlignment;
        while (size < bytes) {
            size *= 2;
        }
        ++outstanding_;
        auto& free = free_[size];
        if (free.empty()) {
            return io::BufferRef(new Block(*this, size));
        }
        Block* block = free.back().release();
        free.pop_back();
        return io::BufferRef(block);
    }

    std::size_t outstanding() const { return outstanding_; }

private:
    static constexpr std::size_t kAlignment = 4096;

    class Block : public io::Buffer {
    public:
        Block(MemoryPool& pool, std::size_t size)
            : Buffer(static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, size)), size, -1),
              pool_(pool) {}

        ~Block() override { std::free(data()); }

        void recycle() override {
            --pool_.outstanding_;
            pool_.free_[size()].push_back(std::unique_ptr<Block>(this));
        }

    private:
        MemoryPool& pool_;
    };

    std::map<std::size_t, std::vector<std::unique_ptr<Block>>> free_;
    std::size_t outstanding_ = 0;
};

class MemoryDevice : public io::BlockDevice {
public:
    using Post = std::function<void(std::function<void()>)>;

    MemoryDevice(std::uint64_t size_bytes, Post post)
        : bytes_(static_cast<std::uint8_t*>(std::calloc(1, size_bytes)), &std::free),
          post_(std::move(post)) {
        REQUIRE(bytes_ != nullptr);
        info_.name = "drbd0";
        info_.resource = "r0";
        info_.size_bytes = size_bytes;
    }

    // For the test to change.
    io::BlockDeviceInfo info_;
    std::string refusal_;  // open() fails with these words
    bool frozen_ = false;  // completions are held back
    int error_ = 0;        // of every request from now on
    unsigned flushes_ = 0;
    unsigned asked_ = 0;              // map_allocation()
    std::set<std::uint64_t> marked_;  // blocks of 4 KiB that the bitmap marks, if there is one
    std::optional<std::set<std::uint64_t>> holes_;  // likewise; nothing: not known

    int users() const { return users_; }

    std::size_t waiting() const { return done_.size(); }

    const MemoryPool& memory() const { return pool_; }

    // From now on what is not flushed is in a cache, which lose_cache() empties.
    void use_cache() { durable_.assign(bytes_.get(), bytes_.get() + info_.size_bytes); }

    void lose_cache() { std::copy(durable_.begin(), durable_.end(), bytes_.get()); }

    void thaw() {
        frozen_ = false;
        complete_all();
    }

    io::BlockDeviceInfo info() const override { return info_; }

    io::BufferPool& pool() override { return pool_; }

    base::Result<void> open(bool, const std::string&) override {
        if (!refusal_.empty()) {
            return base::Error{base::ErrorCode::State, refusal_};
        }
        ++users_;
        return {};
    }

    void close(const std::string&) override {
        REQUIRE(users_ > 0);
        --users_;
    }

    void submit(io::BlockRequest request) override {
        REQUIRE(users_ > 0);
        REQUIRE(request.offset + request.length <= info_.size_bytes);
        if (error_ == 0) {
            execute(request);
        }
        done_.emplace_back(error_, std::move(request));
        if (!scheduled_) {
            scheduled_ = true;
            post_([this] {
                scheduled_ = false;
                complete_all();
            });
        }
    }

    std::optional<io::SyncRun> sync_run(std::uint64_t offset, std::uint64_t length) const override {
        if (!info_.has_bitmap) {
            return std::nullopt;
        }
        REQUIRE(length > 0 && offset + length <= info_.size_bytes);
        const bool out_of_sync = marked_.contains(offset / kBlock);
        std::uint64_t end = (offset / kBlock + 1) * kBlock;
        while (end < offset + length && marked_.contains(end / kBlock) == out_of_sync) {
            end += kBlock;
        }
        return io::SyncRun{std::min(end, offset + length) - offset, out_of_sync};
    }

    void map_allocation(std::uint64_t offset,
                        std::uint64_t length,
                        std::size_t most,
                        io::AllocationTold told) override {
        REQUIRE(length > 0 && offset + length <= info_.size_bytes && most > 0);
        ++asked_;
        std::vector<io::AllocationRun> runs;
        for (std::uint64_t at = offset; holes_ && at < offset + length;) {
            const bool hole = holes_->contains(at / kBlock);
            const std::uint64_t end = std::min((at / kBlock + 1) * kBlock, offset + length);
            if (runs.empty() || runs.back().hole != hole) {
                if (runs.size() == most) {
                    break;
                }
                runs.push_back({0, hole});
            }
            runs.back().bytes += end - at;
            at = end;
        }
        post_([runs = std::move(runs), told = std::move(told)] { told(runs); });
    }

private:
    static constexpr std::uint64_t kBlock = 4096;  // of the bitmap

    void execute(const io::BlockRequest& request) {
        using Op = io::BlockRequest::Op;
        std::uint8_t* at = bytes_.get() + request.offset;
        if (request.op == Op::Read) {
            std::memcpy(request.payload.bytes().data(), at, request.length);
        } else if (request.op == Op::Write) {
            REQUIRE(request.payload.length == request.length);
            std::memcpy(at, request.payload.bytes().data(), request.length);
        } else if (request.op == Op::Flush) {
            ++flushes_;
        } else {
            std::memset(at, 0, request.length);
        }
        if (!durable_.empty() && request.op == Op::Flush) {
            use_cache();
        } else if (!durable_.empty() && request.fua) {
            std::memcpy(durable_.data() + request.offset, at, request.length);
        }
    }

    void complete_all() {
        if (frozen_) {
            return;
        }
        std::swap(done_, completing_);
        for (auto& [error, request] : completing_) {
            request.done(error, request.payload);
        }
        completing_.clear();
    }

    MemoryPool pool_;
    std::unique_ptr<std::uint8_t, void (*)(void*)> bytes_;
    Post post_;
    std::vector<std::pair<int, io::BlockRequest>> done_;
    std::vector<std::pair<int, io::BlockRequest>> completing_;
    std::vector<std::uint8_t> durable_;  // empty: all is
    bool scheduled_ = false;
    int users_ = 0;
};

}  // namespace test
