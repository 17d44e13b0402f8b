// The replicated writes that this node receives: put on the disk in the peer's order, acknowledged
// as their flags ask, and counted in epochs. A barrier is acknowledged when every write of its
// epoch is on stable storage: after that the peer forgets them. One per connection, spanning all
// volumes. Wire specification, sections 6.3 to 6.10.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/meta_store.h"

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace engine {

class Connection;
class Device;

class PeerWrites {
public:
    PeerWrites(Core& core, Connection& connection) : core_(core), connection_(connection) {}

    void start();  // a new connection is up
    // No acks any more; what was received is still put on the disk, in order.
    void on_connection_lost();

    // Nothing received is still on its way to the disk.
    bool drained() const { return queue_.empty() && active_.empty(); }

    bool drained(const Device& device) const;

    // Its disk is closed, and it will not be flushed any more.
    void forget(const Device& device);

    // Received, overlapping this range, and not begun; of those that came before.
    bool queued(const Device& device,
                base::Sector sector,
                std::uint64_t bytes,
                std::uint64_t before = ~std::uint64_t{0}) const;

    // How many have been received: the number of the next one.
    std::uint64_t arrived() const { return arrived_; }

    enum class Kind : std::uint8_t { Write, Trim, Zeroes };
    base::Result<void> on_write(Device& device,
                                Kind kind,
                                const proto::Data& data,
                                std::uint64_t length,
                                io::Slice payload);
    void on_barrier(const proto::Barrier& barrier);

    void on_write_done(Device& device, const DiskTicket& ticket, int error);
    void on_flush_done(Device& device, int error);
    // The activity log holds the extents of this write (a diskless peer's).
    void on_log_ready(std::uint64_t key);
    // The disk of a volume is lost: what was written and not flushed is taken back.
    void on_disk_lost(Device& device);
    // A flush has failed. What was written since the last good one may be gone, also when a later
    // flush succeeds: negative acks say so.
    void take_back(Device& device);

    void advance();
    io::Instant next_deadline() const;

    // Payload received and not on the disk yet, and from when on the peer is made to wait.
    std::uint64_t bytes_held() const { return memory_bytes_; }

    std::uint64_t most_memory() const;
    // What is remembered of closed epochs until they are acknowledged.
    std::uint64_t bytes_to_be_flushed() const;
    // Received, not acknowledged yet.
    std::uint64_t unacked(const Device& device) const;

private:
    struct Range {
        Device* device;
        base::Sector sector;
        std::uint64_t length;
        std::uint64_t block_id;
    };

    struct Epoch {
        std::uint64_t serial = 0;
        std::uint32_t number = 0;  // of its barrier
        bool closed = false;       // the barrier has arrived
        std::uint32_t received = 0;
        std::uint32_t active = 0;  // not on the disk yet
        io::Instant complete_at{};
        std::vector<Range> unflushed;

        bool complete() const { return closed && active == 0; }
    };

    struct Write {
        Device* device = nullptr;
        Kind kind = Kind::Write;
        proto::Data data;
        std::uint64_t length = 0;
        io::Slice payload;
        std::uint64_t arrival = 0;
        std::uint64_t epoch = 0;
        std::uint64_t done = 0;  // bytes on the disk; a long trim goes there in pieces
        bool flushed = false;    // the flush that DP_FLUSH asks for is done
        bool must_log = false;
        // What our superblock must say before: that the peer works with our disk.
        MetaStore::Generation logged_after = 0;
        bool holds_log = false;
        bool waits_log = false;  // for its extents, not submitted yet
        bool busy = false;       // entered in the device's ranges
        bool acked = true;       // this connection waits for acks of it
    };

    bool may_submit(const Write& write) const;
    void submit(Write write);
    void leave_to_resync(std::uint64_t key);
    static std::uint64_t piece_bytes(const Write& write);
    static base::AlExtent piece_first(const Write& write);
    static base::AlExtent piece_last(const Write& write);
    void request_log(std::uint64_t key, Write& write);
    bool next_piece(std::uint64_t key, Write& write);
    void submit_write(std::uint64_t key, Write& write);
    bool must_log(const Write& write) const;
    void finish(std::uint64_t key, int error);
    void acknowledge(const Write& write, int error);
    void negative(const Range& range);
    Epoch* find_epoch(std::uint64_t serial);
    bool wants_flush() const;
    void start_flush();
    void finish_flush();
    void ack_barriers();
    bool in_order() const;

    Core& core_;
    Connection& connection_;
    bool acking_ = false;
    std::uint64_t next_epoch_ = 1;
    std::uint64_t next_key_ = 1;
    std::uint64_t arrived_ = 0;
    std::deque<Epoch> epochs_;  // oldest first; the last one is open
    std::deque<Write> queue_;   // received, not submitted
    std::map<std::uint64_t, Write> active_;
    std::uint32_t flushes_running_ = 0;
    std::uint64_t flush_covers_ = 0;  // epochs up to this serial are covered by the running flush
    std::uint64_t stable_ = 0;        // epochs up to this serial are on stable storage
    std::uint64_t memory_bytes_ = 0;  // payload held
    std::size_t ranges_ = 0;          // in all epochs' `unflushed`
};

}  // namespace engine
