// The application's requests on one volume: replicated writes and flushes; reads. A write's life:
// wait for overlapping ones, activity log, then local disk and peer in parallel, completion as the
// protocol asks, and a place in the transfer log until the peer's barrier ack says that it is safe
// there. Wire specification, sections 6.1 to 6.5, 6.10, 6.11.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/requests/completions.h"
#include "drbdd/engine/requests/flush_carrier.h"
#include "drbdd/engine/requests/gate.h"
#include "drbdd/engine/requests/reads.h"
#include "drbdd/engine/rules/completion.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/meta_store.h"
#include "drbdd/engine/volume/ranges.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace engine {

class Device;

class Requests {
public:
    Requests(Core& core, Device& device)
        : gate(device),
          completions(core, device, gate),
          reads(core, device, completions, ranges_, unwritten_),
          core_(core),
          device_(device),
          ranges_(&core.work),
          unwritten_(&core.work),
          in_sync_(&core.work) {}

    Requests(const Requests&) = delete;
    Requests& operator=(const Requests&) = delete;

    void submit(AppRequest request);

    void on_disk_done(const DiskTicket& ticket, int error);
    void on_log_ready(std::uint64_t key);

    // --- From the peer ---
    enum class Ack : std::uint8_t { Received, Written, InSync, Negative };
    // An error means a violation of the protocol: the peer acknowledges what we never sent.
    base::Result<void> on_ack(Ack ack, const proto::BlockAck& packet);
    void on_barrier_acked(std::uint64_t key);
    // Packets up to this byte of the data socket have left (protocol A).
    void on_sent(std::uint64_t position);
    // The peer's word counts no more for this write; remote reads go elsewhere.
    void on_connection_lost(std::uint64_t key);
    void on_peer_gone();
    // The local disk takes no more requests; its metadata are out of reach.
    void on_disk_lost();
    // Our copy is not what it was. Until the peer knows that, its word alone completes no write:
    // were we to crash before, our disk would pass for the newer one when it comes back.
    void on_disk_doubted();
    // Everything was marked: what is under way takes no mark back.
    void on_failed_flush();
    // One of this disk's, whoever asked for it: where nobody else has what it was to cover, the
    // application's next flush fails, too.
    void on_flush_error();

    // What may be lost was written again, or nobody is left who has written it.
    void forget_flush_error() { owes_flush_error_ = false; }

    // The peer has begun the generation in which we write without a disk.
    void on_generation_known();

    void advance();

    bool busy(base::Sector sector, std::uint64_t bytes) const {
        return ranges_.overlaps(sector, bytes);
    }

    // No write has been started and not finished with the application and the local disk.
    bool quiet() const { return started_ == 0; }

    // No write has been started that is not safe on both copies, or marked.
    bool settled() const { return unsettled_ == 0; }

    bool idle() const;

    std::uint64_t pending() const { return writes_.size() + reads.pending(); }  // not completed

    // Why writes wait that have not started; nothing where none waits.
    std::optional<GateReason> held_back_by() const;

    std::uint64_t unacknowledged() const { return unacknowledged_; }  // sent, no answer yet

    // Sent to the peer, and not known to be durable there.
    std::uint64_t at_peer() const { return at_peer_; }

    std::uint64_t unacknowledged_bytes() const { return unacknowledged_bytes_; }

    io::Instant oldest_unacknowledged() const;

    io::Instant last_activity() const { return last_activity_; }

    Gate gate;
    Completions completions;
    Reads reads;

private:
    struct Write {
        AppRequest app;
        bool started = false;    // given to disk and peer
        bool waits_log = false;  // for the activity log
        bool holds_log = false;
        bool local = false;
        bool local_pending = false;
        bool local_failed = false;
        bool local_doubted = false;                             // by a flush that failed after it
        PeerLeg net = PeerLeg::None;                            // changed by set_net()
        ReplicationProtocol protocol = ReplicationProtocol::C;  // that it was sent under
        bool unwritten = false;                                 // entered in unwritten_
        bool in_sync = false;                                   // entered in in_sync_
        bool durable = false;                                   // barrier ack received
        bool in_log = false;                                    // the transfer log has it
        bool completed = false;
        bool replicated = false;  // was sent to the peer
        bool sole_copy = false;   // the peer's: ours is none, or not a full one
        bool peer_full = false;   // the peer's copy is a full one
        std::uint64_t epoch = 0;
        std::uint64_t position = 0;  // of its last byte on the data socket
        io::Instant sent_at{};
    };

    bool admit(std::uint64_t key, Write& write);  // false: has to wait
    void start(std::uint64_t key);
    void submit_locally(std::uint64_t key, Write& write);
    void replicate(std::uint64_t key, Write& write);
    int settle_flush_error(int error);
    void start_flush();
    void begin_flush(bool remote, bool to_peer, std::optional<FlushCarrier::Block> carrier);
    std::optional<FlushCarrier::Block> find_carrier();
    void report_failure(const Write& write, int error);
    void check(std::uint64_t key);
    WriteLegs legs_of(const Write& write) const;
    bool has_own_copy(const Write& write) const;
    std::vector<std::uint64_t> undecided() const;
    void give_up_undecided();
    void complete(std::uint64_t key, Write& write);
    void release(std::uint64_t key, Write& write);
    void make_again(const AppRequest& app);
    void set_net(std::uint64_t key, Write& write, PeerLeg net);
    void keep_marked(const AppRequest& newer);
    void settle_bits(const Write& write);
    void mark_refused(const Write& write);

    static bool is_flush(const Write& write) { return write.app.op == AppRequest::Op::Flush; }

    Core& core_;
    Device& device_;
    std::uint64_t next_key_ = 1;
    std::map<std::uint64_t, Write> writes_;
    Ranges<std::uint64_t> ranges_;  // of writes admitted and not completed
    // Sent, and to be completed before the peer has written them: protocols A and B.
    Ranges<std::uint64_t> unwritten_;
    Ranges<std::uint64_t> in_sync_;      // of writes that will clear bits with their ack
    std::deque<std::uint64_t> waiting_;  // writes not admitted yet
    std::deque<std::uint64_t> logged_;   // have their log extents, wait for the gate
    std::vector<AppRequest> waiting_flushes_;
    std::vector<AppRequest> running_flushes_;  // answered together by the flush under way
    std::deque<std::pair<std::uint64_t, std::uint64_t>> leaving_;  // position, key (protocol A)
    std::uint64_t flush_key_ = 0;
    std::uint64_t completed_writes_ = 0;  // successfully
    std::uint64_t flush_covers_ = 0;      // of these, by the flush under way
    std::uint64_t flushed_writes_ = 0;    // or the application was told that its flush failed
    bool owes_flush_error_ = false;
    FlushCarrier carrier_;
    bool unflushed_at_peer_ = true;  // replicated, or connected, since the last flush that we sent
    bool peer_knows_our_disk_ = true;
    bool telling_peer_ = false;    // the flush under way follows the announcement
    std::uint64_t started_ = 0;    // and not completed
    std::uint64_t unsettled_ = 0;  // started and not released
    std::uint64_t at_peer_ = 0;    // in the transfer log
    std::uint64_t unacknowledged_ = 0;
    std::uint64_t unacknowledged_bytes_ = 0;
    io::Instant last_activity_{};
};

}  // namespace engine
