#include "drbdd/runtime/uring_disk.h"

#include "base/require.h"
#include "drbdd/runtime/meta_device.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <utility>

namespace runtime {

namespace {

constexpr std::size_t kZeroesBytes = 128u << 10;
// The device is busy with something else; trying again for ever would spin.
constexpr unsigned kMaxRetries = 1000;

using Kind = io::DiskOp::Kind;

}  // namespace

class UringDisk::Operation : public RingOperation {
public:
    explicit Operation(UringDisk& disk) : disk_(disk) {}

    void on_complete(int result) override { disk_.on_complete(*this, result); }

    io::DiskOp op;
    std::uint64_t done_bytes = 0;
    Zeroing zeroing = Zeroing::PunchHole;
    unsigned retries = 0;

    std::uint64_t position() const { return base::to_bytes(op.sector) + done_bytes; }

private:
    UringDisk& disk_;
};

class UringDisk::FlushOperation : public RingOperation {
public:
    FlushOperation(UringDisk& disk, int of) : fd(of), disk_(disk) {}

    void on_complete(int result) override { disk_.on_flushed(*this, result); }

    const int fd;

private:
    UringDisk& disk_;
};

UringDisk::UringDisk(boost::asio::io_context& context,
                     OperationRing& ring,
                     io::BufferPool& pool,
                     BackingDevice device,
                     Done done)
    : context_(context),
      ring_(ring),
      pool_(pool),
      device_(std::move(device)),
      done_(std::move(done)),
      flush_(std::make_unique<FlushOperation>(*this, device_.fd.get())) {
    if (device_.meta != nullptr) {
        meta_flush_ = std::make_unique<FlushOperation>(*this, device_.meta->fd());
    }
}

UringDisk::~UringDisk() {
    REQUIRE(outstanding_ == 0);  // the kernel would complete into freed memory
}

void UringDisk::submit(const io::DiskOp& op) {
    Operation& operation = take_operation();
    operation.op = op;
    operation.done_bytes = 0;
    operation.retries = 0;
    ++outstanding_;
    if (closed_) {
        boost::asio::post(context_, [this, &operation] { finish(operation, ECANCELED); });
        return;
    }
    if (op.kind == Kind::Flush) {
        request_flush(operation);
        return;
    }
    operation.zeroing = zeroing_for(op);
    start(operation);
}

void UringDisk::close() {
    closed_ = true;
}

void UringDisk::abandon(std::function<void()> idle) {
    REQUIRE(outstanding_ > 0 && !idle_);
    closed_ = true;
    idle_ = std::move(idle);
    // The kernel has not been asked for these yet. At least the flush before them is under way.
    for (Operation* operation : std::exchange(flush_next_, {})) {
        finish(*operation, ECANCELED);
    }
}

BackingDevice UringDisk::release() {
    REQUIRE(outstanding_ == 0);
    closed_ = true;
    return std::move(device_);
}

std::function<std::uint64_t()> UringDisk::ruler() const {
    return [fd = std::make_shared<FileDescriptor>(duplicate(device_.fd.get()))] {
        const std::uint64_t bytes = bytes_of(*fd);
        *fd = FileDescriptor{};
        return bytes;
    };
}

BackingDisk::Mapper UringDisk::mapper() const {
    if (device_.is_block_device) {
        return nullptr;
    }
    return [fd = std::make_shared<FileDescriptor>(duplicate(device_.fd.get()))](
               std::uint64_t offset, std::uint64_t length, std::size_t most) {
        const auto runs = allocation_of(*fd, offset, length, most);
        *fd = FileDescriptor{};
        return runs;
    };
}

UringDisk::Operation& UringDisk::take_operation() {
    if (free_operations_.empty()) {
        return operations_.emplace_back(*this);
    }
    Operation* operation = free_operations_.back();
    free_operations_.pop_back();
    return *operation;
}

int UringDisk::fd_for(const io::DiskOp& op) const {
    const bool external = device_.meta != nullptr && op.area == io::DiskOp::Area::Meta;
    return external ? device_.meta->fd() : device_.fd.get();
}

void UringDisk::start(Operation& operation) {
    if (operation.op.kind == Kind::Read || operation.op.kind == Kind::Write) {
        start_transfer(operation);
    } else {
        start_zeroing(operation);
    }
}

void UringDisk::start_transfer(Operation& operation) {
    const io::DiskOp& op = operation.op;
    const auto length = static_cast<unsigned>(op.length - operation.done_bytes);
    std::uint8_t* memory = op.buffer.bytes().data() + operation.done_bytes;
    const int fixed = op.buffer.buffer->fixed_index();
    const int fd = fd_for(op);
    io_uring_sqe* sqe = ring_.entry();
    if (op.kind == Kind::Read && fixed >= 0) {
        io_uring_prep_read_fixed(sqe, fd, memory, length, operation.position(), fixed);
    } else if (op.kind == Kind::Read) {
        io_uring_prep_read(sqe, fd, memory, length, operation.position());
    } else if (fixed >= 0) {
        io_uring_prep_write_fixed(sqe, fd, memory, length, operation.position(), fixed);
    } else {
        io_uring_prep_write(sqe, fd, memory, length, operation.position());
    }
    if (op.kind == Kind::Write && op.fua) {
        sqe->rw_flags = RWF_DSYNC;
    }
    ring_.start(sqe, operation);
}

// A discard must read as zeroes afterwards, on block devices too: there PUNCH_HOLE means "zero it,
// unmapping where the device can", which BLKDISCARD does not promise.
UringDisk::Zeroing UringDisk::zeroing_for(const io::DiskOp& op) const {
    const bool may_unmap = op.kind == Kind::Discard || op.may_unmap;
    if (may_unmap && can_punch_hole_) {
        return Zeroing::PunchHole;
    }
    return can_zero_range_ ? Zeroing::ZeroRange : Zeroing::WriteZeroes;
}

void UringDisk::start_zeroing(Operation& operation) {
    const std::uint64_t left = operation.op.length - operation.done_bytes;
    const int fd = device_.fd.get();
    if (operation.zeroing == Zeroing::WriteZeroes && zeroes_.empty()) {
        zeroes_ = pool_.allocate_slice(kZeroesBytes);
        std::memset(zeroes_.bytes().data(), 0, kZeroesBytes);
    }
    io_uring_sqe* sqe = ring_.entry();
    if (operation.zeroing == Zeroing::WriteZeroes) {
        const auto length = static_cast<unsigned>(std::min<std::uint64_t>(left, kZeroesBytes));
        io_uring_prep_write(sqe, fd, zeroes_.bytes().data(), length, operation.position());
    } else {
        const int mode = operation.zeroing == Zeroing::PunchHole
                             ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                             : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
        io_uring_prep_fallocate(
            sqe, fd, mode, static_cast<off_t>(operation.position()), static_cast<off_t>(left));
    }
    ring_.start(sqe, operation);
}

void UringDisk::on_complete(Operation& operation, int result) {
    if (idle_) {
        finish(operation, ECANCELED);  // nothing is continued
        return;
    }
    const int error = advance(operation, result);
    if (error != 0) {
        finish(operation, error);
        return;
    }
    if (operation.done_bytes < operation.op.length) {
        start(operation);
        return;
    }
    const bool zeroed =
        operation.op.kind == Kind::Discard || operation.op.kind == Kind::WriteZeroes;
    if (zeroed && operation.op.fua) {
        request_flush(operation);
        return;
    }
    meta_unflushed_ = meta_unflushed_ || (operation.op.area == io::DiskOp::Area::Meta &&
                                          operation.op.kind == Kind::Write && !operation.op.fua);
    finish(operation, 0);
}

// Books what one system call has done. 0: go on (perhaps with the rest, or once more); else the
// errno that the operation ends with.
int UringDisk::advance(Operation& operation, int result) {
    if (result == -EAGAIN || result == -EINTR) {
        return ++operation.retries < kMaxRetries ? 0 : EIO;
    }
    if (result < 0) {
        return fall_back(operation, -result) ? 0 : -result;
    }
    const bool transfer = operation.op.kind == Kind::Read || operation.op.kind == Kind::Write;
    if (!transfer && operation.zeroing != Zeroing::WriteZeroes) {
        operation.done_bytes = operation.op.length;
        return 0;
    }
    if (result == 0) {
        return EIO;  // beyond the end: the file has shrunk under us
    }
    operation.done_bytes += static_cast<unsigned>(result);
    return 0;
}

// The device or file system cannot zero in this way: the next way down, for good.
bool UringDisk::fall_back(Operation& operation, int error) {
    const bool zeroing =
        operation.op.kind == Kind::Discard || operation.op.kind == Kind::WriteZeroes;
    if (!zeroing || operation.zeroing == Zeroing::WriteZeroes || error != EOPNOTSUPP) {
        return false;
    }
    if (operation.zeroing == Zeroing::PunchHole) {
        can_punch_hole_ = false;
    } else {
        can_zero_range_ = false;
    }
    operation.zeroing = zeroing_for(operation.op);
    return true;
}

void UringDisk::request_flush(Operation& operation) {
    flush_next_.push_back(&operation);
    if (flushing_.empty()) {
        start_flush();
    }
}

void UringDisk::start_flush() {
    std::swap(flushing_, flush_next_);
    flush_error_ = 0;
    flushes_running_ = 1;
    if (meta_flush_ != nullptr && std::exchange(meta_unflushed_, false)) {
        ++flushes_running_;
        sync(*meta_flush_);
    }
    sync(*flush_);
}

void UringDisk::sync(FlushOperation& which) {
    io_uring_sqe* sqe = ring_.entry();
    io_uring_prep_fsync(sqe, which.fd, IORING_FSYNC_DATASYNC);
    ring_.start(sqe, which);
}

void UringDisk::on_flushed(FlushOperation& which, int result) {
    if (!idle_ && (result == -EINTR || result == -EAGAIN)) {
        sync(which);
        return;
    }
    if (result < 0) {
        flush_error_ = -result;
        meta_unflushed_ = true;  // whose ever it was: the next one is of both again
    }
    if (--flushes_running_ > 0) {
        return;
    }
    const int error = flush_error_;
    const std::vector<Operation*> covered = std::exchange(flushing_, {});
    if (!flush_next_.empty()) {
        start_flush();
    }
    for (Operation* operation : covered) {
        finish(*operation, error);
    }
}

void UringDisk::finish(Operation& operation, int error) {
    const io::IoId id = operation.op.id;
    operation.op.buffer = {};
    free_operations_.push_back(&operation);
    --outstanding_;
    if (!idle_) {
        done_(id, error);
    } else if (outstanding_ == 0) {
        boost::asio::post(context_, idle_);
    }
}

}  // namespace runtime
