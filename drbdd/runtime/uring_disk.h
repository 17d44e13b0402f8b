// io::Disk over io_uring: the backing disk of one volume. Block front ends specification, 6.2.
//
// The device is opened without IORING_REGISTER_FILES on purpose: kernel 6.1 keeps an unregistered
// file for up to a second more, and a device that was detached must be free at once.
#pragma once

#include "drbdd/io/disk.h"
#include "drbdd/runtime/backing_device.h"
#include "drbdd/runtime/ring.h"

#include <boost/asio/io_context.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace runtime {

class UringDisk : public io::Disk {
public:
    // error: 0 or errno. Called on the thread of the ring.
    using Done = std::function<void(io::IoId id, int error)>;

    // `ring`, `pool` and `context` outlive the disk. Operations become visible to the kernel with
    // Ring::submit(). `pool` lends the zeroes to be written where the device cannot zero by itself.
    UringDisk(boost::asio::io_context& context,
              OperationRing& ring,
              io::BufferPool& pool,
              BackingDevice device,
              Done done);
    ~UringDisk() override;

    io::DiskGeometry geometry() const override { return device_.geometry; }

    int fd() const { return device_.fd.get(); }

    void grow(std::uint64_t size_bytes) { device_.geometry.size_bytes = size_bytes; }

    const std::string& path() const { return device_.path; }

    void submit(const io::DiskOp& op) override;
    void close() override;

    // Nobody waits for what is outstanding any more: no completion of it is told. The device and
    // the buffers stay until the kernel has answered all of it; then `idle` is called, never from
    // inside.
    void abandon(std::function<void()> idle);

    // Operations whose completion has not been told yet.
    std::size_t outstanding() const { return outstanding_; }

    // The device, for the one who closes it (may block: not on this thread). Only when nothing is
    // outstanding; the disk is of no use afterwards.
    BackingDevice release();

private:
    class Operation;
    class FlushOperation;

    enum class Zeroing { PunchHole, ZeroRange, WriteZeroes };

    Operation& take_operation();
    void start(Operation& operation);
    void start_transfer(Operation& operation);
    void start_zeroing(Operation& operation);
    void on_complete(Operation& operation, int result);
    int advance(Operation& operation, int result);
    bool fall_back(Operation& operation, int error);
    Zeroing zeroing_for(const io::DiskOp& op) const;
    void request_flush(Operation& operation);
    int fd_for(const io::DiskOp& op) const;
    void start_flush();
    void sync(FlushOperation& which);
    void on_flushed(FlushOperation& which, int result);
    void finish(Operation& operation, int error);

    boost::asio::io_context& context_;
    OperationRing& ring_;
    io::BufferPool& pool_;
    BackingDevice device_;
    Done done_;
    bool closed_ = false;
    std::function<void()> idle_;  // set: abandoned
    bool can_punch_hole_ = true;  // until the device has refused it once
    bool can_zero_range_ = true;
    std::size_t outstanding_ = 0;
    std::deque<Operation> operations_;  // stable addresses; grows to the largest depth ever used
    std::vector<Operation*> free_operations_;
    // One flush at a time covers all who asked before it started; who comes later waits for the
    // next, because the running one may have passed his writes already. External metadata is
    // flushed with the data, if any of it has been written since the last time.
    std::unique_ptr<FlushOperation> flush_;
    std::unique_ptr<FlushOperation> meta_flush_;
    bool meta_unflushed_ = false;
    unsigned flushes_running_ = 0;
    int flush_error_ = 0;
    std::vector<Operation*> flushing_;
    std::vector<Operation*> flush_next_;
    io::Slice zeroes_;
};

}  // namespace runtime
