#include "drbdd/runtime/ring.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/eventfd.h>
#include <unistd.h>

namespace runtime {

namespace {

constexpr unsigned kEntries = 512;
constexpr unsigned kCompletionEntries = 4096;
constexpr unsigned kBufferSlots = 128;
// fsync and fallocate block a kernel worker each; more than a few only queue up in the device.
constexpr unsigned kKernelWorkers = 8;

// From the cheapest to what every kernel since 5.6 has.
constexpr std::array<unsigned, 3> kSetups = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
    0,
};

const char* remedy_for(int error) {
    switch (error) {
        case EMFILE:
        case ENFILE:
            return "raise the limit on open files, LimitNOFILE in the unit";
        case ENOMEM:
            return "raise the limit on locked memory, LimitMEMLOCK in the unit, or free memory";
        default:
            return "a kernel since 5.6 is needed, and /proc/sys/kernel/io_uring_disabled must be 0";
    }
}

}  // namespace

base::Result<std::unique_ptr<Ring>> Ring::create(boost::asio::io_context& context) {
    std::unique_ptr<Ring> ring(new Ring(context));
    if (auto opened = ring->open(); !opened) {
        return opened.error();
    }
    return ring;
}

base::Result<void> Ring::open() {
    int error = 0;
    for (const unsigned setup : kSetups) {
        io_uring_params params{};
        params.flags = setup | IORING_SETUP_CQSIZE;
        params.cq_entries = kCompletionEntries;
        error = -io_uring_queue_init_params(kEntries, &ring_, &params);
        if (error == 0) {
            open_ = true;
            deferred_ = (setup & IORING_SETUP_DEFER_TASKRUN) != 0;
            break;
        }
    }
    if (!open_) {
        return base::Error{
            base::ErrorCode::Unsupported,
            base::format(
                "cannot set up io_uring: %s (%s)", std::strerror(error), remedy_for(error))};
    }

    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return base::Error{base::ErrorCode::Io,
                           base::format("cannot make an eventfd: %s", std::strerror(errno))};
    }
    boost::system::error_code refused;
    wakeup_.assign(fd, refused);
    if (refused) {
        ::close(fd);
        return base::Error{base::ErrorCode::Io, "cannot watch an eventfd: " + refused.message()};
    }
    if (const int failed = io_uring_register_eventfd(&ring_, fd); failed != 0) {
        return base::Error{
            base::ErrorCode::Io,
            base::format("cannot join io_uring to an eventfd: %s", std::strerror(-failed))};
    }
    // Savings, not needs: without them the ring works all the same.
    io_uring_register_ring_fd(&ring_);
    std::array<unsigned, 2> workers = {kKernelWorkers, kKernelWorkers};
    io_uring_register_iowq_max_workers(&ring_, workers.data());
    if (io_uring_register_buffers_sparse(&ring_, kBufferSlots) == 0) {
        buffer_slots_ = kBufferSlots;
    }
    wait_for_wakeup();
    return {};
}

Ring::~Ring() {
    if (open_) {
        io_uring_queue_exit(&ring_);
    }
}

io_uring_sqe* Ring::entry() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
        submit();
        sqe = io_uring_get_sqe(&ring_);
    }
    REQUIRE(sqe != nullptr);  // submit() makes the kernel take all entries
    return sqe;
}

void Ring::start(io_uring_sqe* sqe, RingOperation& operation) {
    io_uring_sqe_set_data(sqe, &operation);
    unsubmitted_ = true;
    ++in_flight_;
}

void Ring::submit() {
    while (unsubmitted_) {
        const int taken = io_uring_submit(&ring_);
        if (taken >= 0) {
            unsubmitted_ = io_uring_sq_ready(&ring_) != 0;
        } else if (taken == -EBUSY || taken == -EAGAIN) {
            // The kernel wants completions collected, or memory, before it takes more. Collecting
            // runs handlers, which must not happen here: only make room in its queues.
            io_uring_get_events(&ring_);
        } else {
            REQUIRE(taken == -EINTR);
        }
    }
}

void Ring::wait_for_wakeup() {
    wakeup_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (error) {
                               return;
                           }
                           collect();
                           reap();
                           wait_for_wakeup();
                       });
}

// Takes back the wakeup. Where completions are deferred, asking for them wakes us a second time: so
// the eventfd is emptied after that. What has come in between shows in the flag, which the kernel
// sets before it wakes; reap() looks at it. Not in a loop: the flag may stay set although nothing
// is left, when it is set after the work that it announces has been done already.
void Ring::collect() {
    if (deferred_) {
        io_uring_get_events(&ring_);
    }
    std::uint64_t count = 0;
    (void)!::read(wakeup_.native_handle(), &count, sizeof count);
}

void Ring::reap() {
    // The eventfd is not emptied after this: what comes now wakes us again.
    if (deferred_ && (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_TASKRUN) != 0) {
        io_uring_get_events(&ring_);
    }
    // Not more than a queue full, so that nobody keeps the loop for himself.
    unsigned left = kCompletionEntries;
    for (; left > 0; --left) {
        io_uring_cqe* cqe = nullptr;
        if (io_uring_peek_cqe(&ring_, &cqe) != 0 || cqe == nullptr) {
            break;
        }
        auto* operation = static_cast<RingOperation*>(io_uring_cqe_get_data(cqe));
        const int result = cqe->res;
        io_uring_cqe_seen(&ring_, cqe);
        --in_flight_;
        operation->on_complete(result);
    }
    if (left == 0) {  // the kernel has woken us for the rest already
        (void)eventfd_write(wakeup_.native_handle(), 1);
    }
    submit();
}

bool Ring::register_buffer(unsigned slot, void* memory, std::size_t bytes) {
    iovec vector{memory, bytes};
    __u64 tag = 0;
    return io_uring_register_buffers_update_tag(&ring_, slot, &vector, &tag, 1) == 1;
}

void Ring::unregister_buffer(unsigned slot) {
    iovec nothing{nullptr, 0};
    __u64 tag = 0;
    io_uring_register_buffers_update_tag(&ring_, slot, &nothing, &tag, 1);
}

}  // namespace runtime
