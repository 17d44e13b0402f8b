// One io_uring per resource thread, joined to Asio by an eventfd: completions wake the loop, and
// what is prepared during a turn of the loop is handed to the kernel with one system call.
// Block front ends specification, 6.2 and 6.3.
//
// Made, used and destroyed on one thread (SINGLE_ISSUER, DEFER_TASKRUN where the kernel has them).
#pragma once

#include "base/result.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace runtime {

// One operation in the kernel's hands. Its owner keeps it alive until on_complete().
class RingOperation {
public:
    virtual ~RingOperation() = default;

    // `result` as in a CQE: bytes, 0, or a negative errno. May prepare further operations.
    virtual void on_complete(int result) = 0;
};

// Where operations are handed in; a test has one of its own.
class OperationRing {
public:
    virtual ~OperationRing() = default;

    // A submission entry to be filled with an io_uring_prep_* call and then given to start(), with
    // nothing else in between.
    virtual io_uring_sqe* entry() = 0;
    virtual void start(io_uring_sqe* sqe, RingOperation& operation) = 0;

    // Whoever has started operations calls this before its turn of the loop ends.
    virtual void submit() = 0;
};

class Ring : public OperationRing {
public:
    static base::Result<std::unique_ptr<Ring>> create(boost::asio::io_context& context);
    ~Ring() override;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    io_uring_sqe* entry() override;
    void start(io_uring_sqe* sqe, RingOperation& operation) override;
    void submit() override;

    std::size_t in_flight() const { return in_flight_; }

    // Slots for registered buffers; 0 where the kernel or RLIMIT_MEMLOCK does not allow them.
    unsigned buffer_slots() const { return buffer_slots_; }

    // False: the memory stays unregistered, and operations on it use plain addresses.
    bool register_buffer(unsigned slot, void* memory, std::size_t bytes);
    void unregister_buffer(unsigned slot);

    // Handles what has completed; the eventfd does this by itself, tests may.
    void reap();

private:
    explicit Ring(boost::asio::io_context& context) : wakeup_(context) {}

    base::Result<void> open();
    void wait_for_wakeup();
    void collect();

    io_uring ring_{};
    bool open_ = false;
    bool deferred_ = false;  // completions appear only when asked for
    bool unsubmitted_ = false;
    unsigned buffer_slots_ = 0;
    std::size_t in_flight_ = 0;
    boost::asio::posix::stream_descriptor wakeup_;
};

}  // namespace runtime
