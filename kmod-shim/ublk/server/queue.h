// The one queue of a ublk device: requests come in tags, each with a buffer of its own, and go back
// as results. One thread, and always the same: the kernel takes the death of the thread that
// fetched as the death of the server. Block front ends specification, 3.4.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"
#include "kmod-shim/ublk/commands.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

struct io_uring;

namespace ublk_server {

class Queue {
public:
    // The device is there and has no server. The buffers' memory is taken now.
    static base::Result<std::unique_ptr<Queue>> open(const shim::ublk::DeviceInfo& device,
                                                     shim::ublk::Encoding encoding);
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // For poll(): readable when there is something to drain.
    int fd() const;

    void fetch_all();

    using Handler = std::function<void(unsigned tag, const shim::ublk::IoDescriptor& descriptor)>;
    // Hands over what has come; each tag is the server's until it is committed.
    void drain(const Handler& asked);

    // Bytes, or a negative errno. Reaches the kernel with flush().
    void commit(unsigned tag, std::int32_t result);
    void flush();

    char* buffer(unsigned tag) const;

    // The device is stopped: no tag will ever come again.
    bool retired() const { return retired_ == depth_; }

private:
    struct CloseRing {
        void operator()(io_uring* ring) const;
    };

    Queue(const shim::ublk::DeviceInfo& device, shim::ublk::Encoding encoding);
    base::Result<void> start();
    void arm(unsigned tag, shim::ublk::Io command, std::int32_t result);

    std::uint32_t device_;
    unsigned depth_;
    std::size_t buffer_bytes_;
    shim::ublk::Encoding encoding_;
    shim::Fd node_;
    std::unique_ptr<io_uring, CloseRing> ring_;
    const shim::ublk::IoDescriptor* descriptors_ = nullptr;
    char* buffers_ = nullptr;
    unsigned retired_ = 0;
};

}  // namespace ublk_server
