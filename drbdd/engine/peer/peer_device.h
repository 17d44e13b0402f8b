// One volume as seen over one connection: what the peer said of it, the decision whose data are
// newer, and the resync that follows. Wire specification, sections 3.4 to 3.8, 4.5, 4.6, 5 and 8.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/bitmap_exchange.h"
#include "drbdd/engine/peer/resync.h"
#include "drbdd/engine/peer/sync_marks.h"
#include "drbdd/engine/peer/verify.h"
#include "drbdd/engine/rules/generation_ids.h"
#include "drbdd/engine/rules/state_request.h"
#include "drbdd/engine/rules/verdict.h"
#include "drbdd/engine/status.h"
#include "drbdd/engine/volume/meta_store.h"

#include <cstdint>
#include <deque>
#include <optional>

namespace engine {

class Connection;
class Device;

class PeerDevice {
public:
    static constexpr const char* kBeforeResync = "before-resync-target";

    PeerDevice(Core& core, Device& device, Connection& connection);

    void start();  // a connection is up
    void on_connection_lost();
    void leave_resync();  // it has ended, or came to nothing
    void note_pause(ConnState before, ConnState now);
    // A reason of ours why a resync waits, or not any more: the peer is told. False: it is known.
    bool set_pause(bool VolumeState::*reason, bool paused);

    // --- To the peer. What they say of us is on our disk before it leaves. ---
    void send_parameters();  // of the handshake
    // The same again, of a disk that was attached while the peer does not have this volume: what it
    // keeps of what we have told is of the time before.
    void retell_parameters();

    // The peer would have spoken of this volume by now if it had it.
    void expect_no_word() { silent_until_ = core_.now; }

    // Of a disk that is attached to a connected resource. The peer answers with its identifiers:
    // those that we know of may be older than the state that it sent before it heard of our disk.
    void announce_attached();
    void announce_sizes(std::uint16_t flags = 0);
    void announce_uuids();
    void announce_state();

    // The disk is gone: identifiers that never reached it are nobody's, and are not told.
    void forget_what_was_not_stored();

    bool announcements_pending() const { return !announcements_.empty(); }

    std::uint32_t next_sequence() { return ++sequence_; }

    void send_ack(proto::Command command,
                  base::Sector sector,
                  std::uint64_t block_id,
                  std::uint64_t bytes);

    // --- From the peer; an error ends the connection ---
    base::Result<void> on_sync_param(const proto::SyncParam89& packet);
    base::Result<void> on_sizes(const proto::Sizes& packet);
    void on_uuids(const proto::Uuids& packet);
    base::Result<void> on_state(const proto::State& packet);
    base::Result<void> on_sync_uuid(const proto::SyncUuid& packet);
    base::Result<void> on_out_of_sync(const proto::BlockDesc& block);
    void on_state_request(const proto::StateChgReq& packet);
    void on_state_reply(const proto::StateChgReply& packet);
    void on_resync_write_acked(const proto::BlockAck& packet, bool ok);

    // --- Changes that need the peer's consent; one at a time ---
    void request(const StateRequest& wanted);

    bool request_pending() const { return request_pending_; }

    // It has not left: our own disk is waited for, not the peer.
    bool request_unsent() const;

    std::optional<StateCode> take_reply();
    void forget_request();

    // The peer lacks a write that it has refused: that its disk is good is not believed before a
    // handshake or a resync.
    void refuse_until_settled() { refused_write_ = true; }

    void believe_again() { refused_write_ = false; }

    // The next state of the peer decides again who has the data.
    void consider_resync() { consider_resync_ = true; }

    // A full resync was agreed on (invalidate), which is in `wanted` as StartingSyncS or T: sets
    // all bits, then the sync begins without bitmaps.
    void start_full_sync(const VolumeState& wanted);

    // Our data were declared bad, and their replacement has not begun. Meanwhile they are Outdated,
    // as in DRBD, and good again where the peer loses its own; after a crash, or when the
    // connection ends, they are Inconsistent.
    bool declared_bad() const { return declared_bad_; }

    // What it said in the handshake was its last word on the old state of things, and has arrived.
    bool told_connected() const { return told_conn_ >= ConnState::Connected; }

    // Both disks were just created and nobody has written yet: they may be declared equal.
    bool may_skip_initial_sync() const;
    void skip_initial_sync();

    void forget_that_they_are_bad() { declared_bad_ = false; }

    // The handler that may take a snapshot of our data before a resync, and may forbid that, has
    // ended.
    void on_before_resync(const HandlerDone& done);

    // It has not ended yet: our data must stay as they are, whatever the source writes.
    bool before_resync() const;

    void advance();

    io::Instant next_deadline() const;

    BitmapExchange exchange;
    ResyncTarget target;
    ResyncSource source;
    VerifySource verify_source;
    VerifyTarget verify_target;

    // --- Online verify ---
    // The peer has agreed. False: it can't be any more. `repair`: what differs is brought to the
    // peer when it has ended, if we are Primary then.
    bool start_verify(std::uint64_t first, std::uint64_t end, bool repair);

    // Where an earlier one was broken off.
    std::uint64_t verify_from() const { return verify_from_; }

    // An application's write must wait until the blocks have been compared.
    bool is_compared(base::Sector sector, std::uint64_t bytes) const {
        return verify_source.locks(sector, bytes) || verify_target.locks(sector, bytes);
    }

    void announce_sync_param();

    // --- Ahead of the peer ---
    // A Primary can leave it behind: both copies are good, and nothing else is under way.
    bool may_run_ahead() const;
    // A resync follows when the link is quiet again; `only_to_resync`: at once, and no write is
    // started before.
    void run_ahead(bool only_to_resync);

    // No write is started: the peer has not been told yet that it is behind.
    bool is_held_for_peer() const;

    const std::optional<GenerationIds>& peer_ids() const { return peer_ids_; }

    // The peer itself has said on this connection that its data must not be used.
    bool told_unusable() const { return told_disk_ <= DiskState::Outdated; }

    bool has_parameters() const { return left_handshake_; }

    // The peer decides by what it has heard of us in the handshake: no disk may come in between. A
    // volume that it never speaks of is not configured there.
    bool in_handshake() const {
        return connection_up() && !left_handshake_ && (heard_ || core_.now < silent_until_);
    }

    void clear_peer_crashed() {
        peer_flags_ &= ~static_cast<std::uint64_t>(proto::kUuidCrashedPrimary);
    }

    std::uint64_t peer_max_bio() const { return peer_max_bio_; }

    // Of the peer's disk, as it last told; 0: nothing yet.
    std::uint32_t block_bytes() const { return peer_block_bytes_; }

    // The peer is to look at its disk, and to tell whether the device can grow.
    void ask_for_growth(bool assume_clean);

    // The device grows together with the peer's, or the peer is asked.
    bool growing() const { return growth_asked_ || growth_.has_value() || asked_to_grow_; }

    // Of a disk that is attached, with the size that its metadata tell and all that it has room
    // for: what fits to the peer's, as far as that was told. The peer may have less, or may have
    // grown while this disk was away.
    std::uint64_t fitting_size(std::uint64_t own, std::uint64_t room) const;

    std::optional<ResyncProgress> progress(io::Instant now) const;

    // Everything was marked: not for the target, which has got some of it already.
    void note_failed_flush();

private:
    struct Announcement {
        MetaStore::Generation generation;
        proto::Command command;
        std::vector<std::uint8_t> body;
        bool first_state = false;  // of the handshake
    };

    std::vector<std::uint8_t> first_state(DiskState disk);
    std::vector<std::uint8_t> own_state(VolumeState state);

    struct Ahead {
        bool only_to_resync = false;
        std::optional<std::uint64_t> told_at{};  // position on the data socket
        io::Instant quiet_at = io::kNever;       // from then on the resync may begin
    };
    enum class Finish : std::uint8_t { None, Settling, Pinging };
    enum class Handler : std::uint8_t { NotRun, Running, Passed };

    void announce(proto::Command command, std::vector<std::uint8_t> body);
    std::deque<Announcement>::const_iterator unsent_request() const;
    proto::Uuids own_uuids() const;
    void note_unrotated();
    OwnSide own_side(const VolumeState& peer) const;
    ToldSide told_side(const VolumeState& peer, DiskState peer_disk) const;
    SyncPolicy sync_policy() const;
    void take_decision(const OwnSide& own, const ToldSide& told, const SyncDecision& decision);
    base::Result<void> on_peer_state(const VolumeState& peer, DiskState peer_disk);
    bool accepts_skipped_sync(const proto::Uuids& packet) const;
    void take_for_equal(std::uint64_t current);
    void commit(const VolumeState& before, const Verdict& verdict);
    void name_generation(const VolumeState& before, const VolumeState& peer, DiskState peer_disk);
    base::Result<void> take_sizes(const proto::Sizes& packet);
    base::Result<void> take_role(const VolumeState& peer);
    base::Result<bool> end_of_resync(const VolumeState& peer, DiskState& peer_disk);
    std::uint64_t agreed_size(const proto::Sizes& packet, std::uint64_t own) const;
    void note_block_size(const proto::Sizes& packet);
    bool may_grow() const;
    void grow(std::uint64_t sectors, const proto::Sizes& packet);
    void answer_growth();
    void finish_growth();
    void forget_growth();
    void send_sizes(std::uint64_t c_size, std::uint16_t flags);
    bool hides_room() const;
    void tell_parameters();
    void begin_anew();
    bool told_in_vain() const;

    // The rest of the handshake's follows when the peer has told its sizes: a kernel does so
    // unasked.
    bool parameters_owed() const { return parameters_due_ != io::kNever; }

    bool new_blocks_are_ours() const;
    void resync_what_was_added(bool from_us);
    void advance_bitmaps();
    void advance_starting_sync();
    void advance_sync_source();
    void advance_end_as_source();
    void note_what_target_may_bear();
    void advance_sync_target();
    void become_source();
    bool before_resync_passed();
    void become_target(std::uint64_t sync_uuid);
    void on_late_reply(const StateRequest& given_up, StateCode code);
    void begin_progress(const char* role);
    void note_progress();
    std::uint64_t bits_left() const;
    void finish_as_target();
    void take_back_from_target();
    std::unique_ptr<base::Digest> resync_digest() const;
    void report_equal(std::uint64_t bits) const;
    void finish_as_source();
    void report_done(std::uint64_t failed) const;
    void log_done(const char* what, std::uint64_t kib) const;
    bool congested() const;
    void advance_ahead();
    io::Instant ahead_deadline() const;
    void begin_verify();
    void join_verify();
    void leave_verify();
    void advance_verify();
    void advance_repair();
    void on_peer_ended_verify();
    void finish_verify();
    std::uint64_t verify_bits_left() const;
    std::uint64_t verify_bits_in_all() const;
    VerifiedRange verified() const;

    Core& core_;
    Device& device_;
    Connection& connection_;

    bool connection_up() const;

    bool left_handshake_ = false;
    bool tells_unrotated_ = false;  // in the handshake: see note_unrotated()
    bool heard_ = false;
    bool ids_awaited_ = false;
    io::Instant silent_until_{};
    io::Instant parameters_due_ = io::kNever;
    bool consider_resync_ = false;
    bool refused_write_ = false;
    bool peer_has_left_ = false;  // it has removed this volume, and told so
    io::Instant told_parameters_at_{};
    std::uint32_t sequence_ = 0;
    std::deque<Announcement> announcements_;
    std::optional<GenerationIds> peer_ids_;
    std::uint64_t peer_flags_ = 0;
    DiskState told_disk_ = DiskState::DUnknown;
    ConnState told_conn_ = ConnState::StandAlone;
    DiskState told_own_disk_ = DiskState::DUnknown;  // by us, in the last state
    std::uint64_t peer_dirty_bits_ = 0;
    std::uint64_t sent_dirty_bits_ = 0;
    std::uint64_t peer_max_bio_ = 0;
    std::optional<proto::Sizes> told_sizes_;  // on this connection

    struct Growth {
        bool grows = false;                // else only its metadata move
        std::uint16_t flags = 0;           // proto::SizesFlag
        bool answers = false;              // the peer has asked
        std::optional<bool> from_us = {};  // that our new blocks are copied, as the peer decided
    };

    std::optional<Growth> growth_;        // under way on this node
    bool grown_apart_ = false;            // the sizes were not the same when the handshake began
    bool growth_asked_ = false;           // of the peer
    bool asked_to_grow_ = false;          // by the peer; our disk is being measured
    std::uint32_t peer_block_bytes_ = 0;  // kept over connections: users keep to it

    bool request_pending_ = false;
    StateRequest request_{};
    // Masks of requests that were given up and whose replies are still to come: these come in the
    // order of the requests and carry no name.
    std::deque<StateRequest> given_up_;
    std::optional<StateCode> reply_;

    std::optional<std::uint64_t> held_sync_uuid_;  // arrived before we were ready for it
    Handler before_resync_ = Handler::NotRun;
    std::uint64_t before_resync_run_ = 0;
    MetaStore::Ticket target_bitmap_ = 0;  // our part of the union, on its way to the disk
    std::uint64_t new_sync_uuid_ = 0;      // ours, being stored
    MetaStore::Generation sync_generation_ = 0;
    bool storing_sync_uuid_ = false;
    bool starting_sync_ = false;  // all bits are being set on request
    bool declared_bad_ = false;
    bool skipped_sync_ = false;  // by a command here, on this connection
    Finish finish_ = Finish::None;
    bool finish_source_ = false;
    io::Instant settle_until_{};  // our last bits wait for barrier acks until then
    std::optional<std::uint64_t> answered_at_zero_;  // pings of the peer, when our last bit went
    std::uint64_t ping_serial_ = 0;
    std::uint64_t verify_from_ = 0;
    std::optional<std::uint64_t> verify_ping_;
    bool repairs_ = false;         // the verify that runs
    bool repair_due_ = false;      // it has found something
    std::string told_verify_alg_;  // in the handshake
    std::string told_csums_alg_;
    std::optional<Ahead> ahead_;
    io::Instant sync_started_{};
    io::Instant paused_at_{};
    io::Duration paused_for_{};  // before the present pause
    std::uint64_t sync_total_bits_ = 0;
    bool lost_some_as_source_ = false;  // by a flush that failed during the resync
    io::Instant last_bitmap_write_{};
    SyncMarks marks_;
};

}  // namespace engine
