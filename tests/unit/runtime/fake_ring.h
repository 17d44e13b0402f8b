// A ring whose disk answers when the test wants: it does what it was asked for only then, as a
// device that hangs may do. From then on the device and the memory must still be there.
#pragma once

#include "base/prng.h"
#include "drbdd/runtime/ring.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runtime {

class FakeRing : public OperationRing {
public:
    using Clock = std::chrono::steady_clock;

    explicit FakeRing(std::uint64_t seed) : prng_(seed) {}

    io_uring_sqe* entry() override {
        sqe_ = std::make_unique<io_uring_sqe>();
        return sqe_.get();
    }

    void start(io_uring_sqe* sqe, RingOperation& operation) override {
        const auto delay = std::chrono::microseconds(prng_.below(2000));
        pending_.push_back({sqe->opcode,
                            sqe->fd,
                            sqe->addr,
                            sqe->len,
                            static_cast<off_t>(sqe->off),
                            &operation,
                            inode_of(sqe->fd),
                            Clock::now() + delay + slowness});
    }

    void submit() override {}

    std::size_t in_flight() const { return pending_.size(); }

    // What is due happens now, in any order.
    void run() {
        const auto now = Clock::now();
        for (std::size_t left = stuck ? 0 : pending_.size(); left > 0; --left) {
            const std::size_t i = prng_.below(pending_.size());
            if (pending_[i].due <= now) {
                const Pending pending = pending_[i];
                pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
                pending.operation->on_complete(perform(pending));
            }
        }
    }

    bool stuck = false;
    std::chrono::milliseconds slowness{0};
    double errors = 0;  // chance of each operation

private:
    struct Pending {
        std::uint8_t opcode;
        int fd;
        std::uint64_t address;
        std::uint32_t length;
        off_t offset;
        RingOperation* operation;
        ino_t inode;
        Clock::time_point due;
    };

    static ino_t inode_of(int fd) {
        struct stat status {};

        return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
    }

    int perform(const Pending& pending) {
        EXPECT_EQ(inode_of(pending.fd), pending.inode) << "the device was closed too early";
        if (prng_.chance(errors)) {
            return -EIO;
        }
        // The kernel takes the address as a number.
        void* memory =
            reinterpret_cast<void*>(pending.address);  // NOLINT(performance-no-int-to-ptr)
        switch (pending.opcode) {
            case IORING_OP_READ:
                return static_cast<int>(
                    ::pread(pending.fd, memory, pending.length, pending.offset));
            case IORING_OP_WRITE:
                return static_cast<int>(
                    ::pwrite(pending.fd, memory, pending.length, pending.offset));
            case IORING_OP_FALLOCATE:
                return -EOPNOTSUPP;
            default:
                return 0;  // a flush
        }
    }

    base::Prng prng_;
    std::unique_ptr<io_uring_sqe> sqe_;
    std::vector<Pending> pending_;
};

}  // namespace runtime
