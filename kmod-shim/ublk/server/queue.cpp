#include "kmod-shim/ublk/server/queue.h"

#include "base/require.h"
#include "kmod-shim/ublk/control.h"

#include <liburing.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace ublk_server {

using base::Error;
using base::ErrorCode;
using base::Result;
using shim::ublk::Encoding;
using shim::ublk::Io;
using shim::ublk::IoDescriptor;

namespace {

constexpr std::chrono::seconds kNodeTime{5};
constexpr std::size_t kShortEntryBytes = 64;  // of the submission queue

std::size_t whole_pages(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

int init_ring(unsigned entries, io_uring* ring) {
    // Nobody interrupts us for a completion: it is found at the next poll. Linux 5.19.
    const int error = ::io_uring_queue_init(entries, ring, IORING_SETUP_COOP_TASKRUN);
    return error == -EINVAL ? ::io_uring_queue_init(entries, ring, 0) : error;
}

}  // namespace

void Queue::CloseRing::operator()(io_uring* ring) const {
    ::io_uring_queue_exit(ring);
    delete ring;
}

Queue::Queue(const shim::ublk::DeviceInfo& device, Encoding encoding)
    : device_(device.device),
      depth_(device.depth),
      buffer_bytes_(whole_pages(device.request_bytes_max)),
      encoding_(encoding) {
}

Result<std::unique_ptr<Queue>> Queue::open(const shim::ublk::DeviceInfo& device,
                                           Encoding encoding) {
    std::unique_ptr<Queue> queue(new Queue(device, encoding));
    if (auto started = queue->start(); !started) {
        return started.error();
    }
    return queue;
}

Result<void> Queue::start() {
    const std::string name = "ublkc" + std::to_string(device_);
    // The node of a new device may come a moment later. One that is opened twice is busy: the ring
    // of a server that was killed is taken down in the background.
    Result<shim::Fd> node = Error{ErrorCode::NotFound, name};
    shim::wait_until(std::chrono::steady_clock::now() + kNodeTime, [&] {
        node = shim::open_ublk_node("/dev/" + name, "/sys/class/ublk-char/" + name);
        return node.has_value();
    });
    if (!node) {
        return node.error();
    }
    node_ = std::move(*node);
    auto ring = std::make_unique<io_uring>();
    if (const int error = init_ring(2 * depth_, ring.get()); error != 0) {
        errno = -error;
        return shim::system_error("cannot set up io_uring");
    }
    ring_.reset(ring.release());
    void* shared = ::mmap(nullptr,
                          whole_pages(depth_ * sizeof(IoDescriptor)),
                          PROT_READ,
                          MAP_SHARED | MAP_POPULATE,
                          node_.get(),
                          0);
    if (shared == MAP_FAILED) {
        return shim::system_error("cannot map the requests of " + name);
    }
    descriptors_ = static_cast<const IoDescriptor*>(shared);
    void* memory = ::mmap(nullptr,
                          depth_ * buffer_bytes_,
                          PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                          -1,
                          0);
    if (memory == MAP_FAILED) {
        return shim::system_error("no memory for the requests of " + name);
    }
    buffers_ = static_cast<char*>(memory);
    return {};
}

// The mapping keeps the device in the kernel, as the descriptor does.
Queue::~Queue() {
    ring_.reset();
    if (descriptors_ != nullptr) {
        ::munmap(const_cast<IoDescriptor*>(descriptors_),
                 whole_pages(depth_ * sizeof(IoDescriptor)));
    }
    if (buffers_ != nullptr) {
        ::munmap(buffers_, depth_ * buffer_bytes_);
    }
}

int Queue::fd() const {
    return ring_->ring_fd;
}

char* Queue::buffer(unsigned tag) const {
    return buffers_ + tag * buffer_bytes_;
}

void Queue::arm(unsigned tag, Io command, std::int32_t result) {
    io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
    REQUIRE(entry != nullptr);  // a tag is in the ring once at most
    std::memset(static_cast<void*>(entry), 0, kShortEntryBytes);
    entry->opcode = IORING_OP_URING_CMD;
    entry->fd = node_.get();
    entry->cmd_op = shim::ublk::opcode(command, encoding_);
    entry->user_data = tag;
    const shim::ublk::IoCommand words{
        0, static_cast<std::uint16_t>(tag), result, reinterpret_cast<std::uintptr_t>(buffer(tag))};
    std::memcpy(static_cast<void*>(entry->cmd), &words, sizeof words);
}

void Queue::fetch_all() {
    for (unsigned tag = 0; tag < depth_; ++tag) {
        arm(tag, Io::Fetch, 0);
    }
    flush();
}

void Queue::drain(const Handler& asked) {
    io_uring_cqe* entry = nullptr;
    while (::io_uring_peek_cqe(ring_.get(), &entry) == 0 && entry != nullptr) {
        const auto tag = static_cast<unsigned>(entry->user_data);
        const int result = entry->res;
        ::io_uring_cqe_seen(ring_.get(), entry);
        if (result != 0) {
            ++retired_;
        } else {
            asked(tag, descriptors_[tag]);
        }
    }
}

void Queue::commit(unsigned tag, std::int32_t result) {
    arm(tag, Io::CommitAndFetch, result);
}

void Queue::flush() {
    while (::io_uring_sq_ready(ring_.get()) > 0) {
        const int submitted = ::io_uring_submit(ring_.get());
        if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN) {
            return;
        }
    }
}

}  // namespace ublk_server
