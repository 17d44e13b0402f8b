// io::Disk over io_uring: the backing disk of one volume. Block front ends specification, 6.2.
//
// The device is opened without IORING_REGISTER_FILES on purpose: kernel 6.1 keeps an unregistered
// file for up to a second more, and a device that was detached must be free at once.
#pragma once

#include "drbdd/runtime/backing_device.h"
#include "drbdd/runtime/backing_disk.h"
#include "drbdd/runtime/ring.h"

#include <boost/asio/io_context.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace runtime {

class UringDisk : public BackingDisk {
public:
    // `ring`, `pool` and `context` outlive the disk. Operations become visible to the kernel with
    // Ring::submit(). `pool` lends the zeroes to be written where the device cannot zero by itself.
    UringDisk(boost::asio::io_context& context,
              OperationRing& ring,
              io::BufferPool& pool,
              BackingDevice device,
              Done done);
    ~UringDisk() override;

    io::DiskGeometry geometry() const override { return device_.geometry; }

    void grow(std::uint64_t size_bytes) override { device_.geometry.size_bytes = size_bytes; }

    const std::string& path() const override { return device_.path; }

    void submit(const io::DiskOp& op) override;
    void close() override;

    void abandon(std::function<void()> idle) override;

    std::size_t outstanding() const override { return outstanding_; }

    std::shared_ptr<void> give_up_device() override {
        return std::make_shared<BackingDevice>(release());
    }

    std::function<std::uint64_t()> ruler() const override;
    Mapper mapper() const override;

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
