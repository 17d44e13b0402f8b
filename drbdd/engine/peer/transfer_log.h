// The sender's epochs: which replicated writes lie between two barriers. A write stays here until
// the barrier ack of its epoch, because until then it may be lost by a crash of the peer. One per
// connection, spanning all volumes. Wire specification, section 6.7.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"

#include <cstdint>
#include <deque>
#include <vector>

namespace engine {

class Connection;
class Device;

class TransferLog {
public:
    TransferLog(Core& core, Connection& connection) : core_(core), connection_(connection) {}

    struct Entry {
        Device* device;
        std::uint64_t key;  // of the write in its device's Requests
    };

    // Numbers start at zero with each connection.
    void start();
    // A write was sent just now.
    void add(Device& device, std::uint64_t key);

    std::uint64_t current_epoch() const { return current_; }

    // A later write may depend on one of the current epoch. Its barrier goes out together with that
    // write, or alone after a moment: the peer is not woken for it alone while writes are coming.
    void close_epoch_soon();
    // The same, for somebody who waits for the barrier ack: the barrier goes out at once.
    void close_epoch();
    // A write is about to be sent: the barrier of an epoch before it goes first.
    void before_write();
    // The moment is over.
    void advance();

    io::Instant next_deadline() const { return barrier_due_; }

    // Epochs are acknowledged in order and with the exact number of their writes.
    base::Result<std::vector<Entry>> on_barrier_ack(const proto::BarrierAck& ack);
    // The connection is gone: everything that was not acknowledged, oldest first.
    std::vector<Entry> take_all();

    bool empty() const { return writes_ == 0; }

    bool none_of(const Device& device) const;

    std::size_t writes() const { return writes_; }

    // When the oldest barrier that waits for its ack was sent; kNever if none.
    io::Instant oldest_barrier() const;

private:
    struct Epoch {
        std::uint64_t number = 0;
        std::vector<Entry> writes;
        bool closed = false;
        bool barrier_sent = false;
        io::Instant barrier_at{};
    };

    bool close_last();
    void send_barrier();

    Core& core_;
    Connection& connection_;
    io::Instant barrier_due_ = io::kNever;  // set while the last epoch is closed without a barrier
    std::deque<Epoch> epochs_;              // the last one is the current epoch, if it has writes
    std::uint64_t current_ = 0;
    std::size_t writes_ = 0;
};

}  // namespace engine
