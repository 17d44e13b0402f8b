// The life of a resync, on both sides: how it begins, its identifiers, how it ends. The copying
// itself is resync.cpp. Wire specification, section 8.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/peer_device.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>

namespace engine {

using base::ull;

void PeerDevice::start_full_sync(const VolumeState& wanted) {
    declared_bad_ = wanted.conn == ConnState::StartingSyncT;
    consider_resync_ = false;
    device_.change_state(wanted);
    device_.store.start_full_sync(true);
    starting_sync_ = true;
}

base::Result<void> PeerDevice::on_out_of_sync(const proto::BlockDesc& block) {
    if (!device_.covers(block.sector, block.size)) {
        return base::Error{base::ErrorCode::Invalid, "blocks that are not on the device"};
    }
    device_.mark_out_of_sync(block.sector, block.size);
    return {};
}

// One that was on its way when our disk failed belongs to no resync. One that we know nothing of
// would never end: the next handshake finds out together what is to be copied.
base::Result<void> PeerDevice::on_sync_uuid(const proto::SyncUuid& packet) {
    const VolumeState& state = device_.state();
    if (state.disk < DiskState::Inconsistent) {
        return {};
    }
    // An answer on the other socket that lets it begin may still be on its way.
    if (state.conn == ConnState::Connected && !request_pending_ && given_up_.empty()) {
        return base::Error{base::ErrorCode::Invalid,
                           "the peer begins a resync that was not agreed on"};
    }
    held_sync_uuid_ = packet.uuid;
    core_.progress = true;
    return {};
}

// A disk that counts as bad (on-io-error pass_on) is the source of nothing, a Primary's neither.
bool PeerDevice::new_blocks_are_ours() const {
    const VolumeState& state = device_.state();
    return state.disk != state.pdsk   ? state.disk > state.pdsk
           : state.role != state.peer ? state.role == Role::Primary
                                      : connection_.resolve_conflicts();
}

// No bitmaps are exchanged: both know what was added.
void PeerDevice::resync_what_was_added(bool from_us) {
    if (from_us) {
        become_source();
    } else {
        device_.change_conn(ConnState::WFSyncUUID);
    }
}

void PeerDevice::leave_resync() {
    exchange.stop();
    target.stop();
    source.stop();
    leave_verify();
    held_sync_uuid_.reset();
    target_bitmap_ = 0;
    storing_sync_uuid_ = starting_sync_ = false;
    before_resync_ = Handler::NotRun;
    finish_ = Finish::None;
    lost_some_as_source_ = false;
}

// One of a resync that our disk has not outlived tells of what was there before.
void PeerDevice::on_resync_write_acked(const proto::BlockAck& packet, bool ok) {
    if (source.keeps(packet.sector) && ok && device_.state().syncing()) {
        device_.mark_in_sync(packet.sector, packet.size);
    }
    core_.progress = true;
}

// All bits were set on request, on both nodes: no bitmaps are exchanged.
void PeerDevice::advance_starting_sync() {
    const ConnState conn = device_.state().conn;
    if (!starting_sync_ || device_.store.full_sync_running()) {
        return;
    }
    if (conn == ConnState::StartingSyncT) {
        starting_sync_ = false;
        device_.change_conn(ConnState::WFSyncUUID);
    } else if (conn == ConnState::StartingSyncS) {
        starting_sync_ = false;
        become_source();
    } else {
        starting_sync_ = false;
    }
}

void PeerDevice::advance_bitmaps() {
    const ConnState conn = device_.state().conn;
    if (conn != ConnState::WFBitMapS && conn != ConnState::WFBitMapT) {
        return;
    }
    const bool may_send =
        device_.requests.quiet() && !device_.store.full_sync_running() && announcements_.empty();
    if (conn == ConnState::WFBitMapS) {
        if (!exchange.sent() && may_send) {
            exchange.send();
            core_.progress = true;
        }
        if (exchange.sent() && exchange.received() && !storing_sync_uuid_) {
            become_source();
        }
    } else if (exchange.received() && !exchange.sent() && may_send && before_resync_passed()) {
        exchange.send();
        device_.change_conn(ConnState::WFSyncUUID);
        core_.progress = true;
    }
}

// The sync UUID is on our disk before the peer hears of it.
void PeerDevice::become_source() {
    GenerationIds ids = device_.ids();
    const bool equal = peer_ids_ && ((peer_ids_->current ^ ids.current) & ~kUuidPrimaryBit) == 0;
    if (equal) {
        ids.mark_equal_target();
    } else {
        ids.rotate_bitmap(ids.bitmap != 0 && ids.bitmap != kUuidJustCreated
                              ? ids.bitmap + kUuidSyncOffset
                              : core_.prng.next());
    }
    new_sync_uuid_ = ids.bitmap;
    device_.store.set_ids(ids);
    device_.set_peer_may_bear_current(equal);
    sync_generation_ = device_.store.generation();
    storing_sync_uuid_ = true;
    core_.progress = true;
}

void PeerDevice::advance_sync_source() {
    const VolumeState& state = device_.state();
    if (storing_sync_uuid_ &&
        (state.disk < DiskState::Inconsistent || state.pdsk < DiskState::Inconsistent)) {
        storing_sync_uuid_ = false;  // a resync of a growth: that one has no state of its own yet
    }
    if (storing_sync_uuid_ && device_.store.durable(sync_generation_) && announcements_.empty()) {
        storing_sync_uuid_ = false;
        VolumeState next = device_.state();
        next.conn = ConnState::SyncSource;
        next.pdsk = DiskState::Inconsistent;
        device_.change_state(next);
        answered_at_zero_.reset();
        begin_progress("Source");
        device_.log_line(base::LogLevel::Info, "updated sync UUID " + describe(device_.ids()));
        connection_.send(
            proto::Command::SyncUuid, device_.number(), proto::SyncUuid{new_sync_uuid_});
        core_.progress = true;
    }
    note_what_target_may_bear();
    advance_end_as_source();
}

// It asks once it has stored the sync UUID, and stores our current identifier once we have answered
// a ping that came after the last block.
void PeerDevice::note_what_target_may_bear() {
    // A pause keeps a target from asking, not from coming to its end.
    const ConnState conn = device_.state().conn;
    const bool as_source = conn == ConnState::SyncSource || conn == ConnState::PausedSyncS;
    if (!as_source || finish_ != Finish::None) {
        return;
    }
    if (device_.bitmap.count() != 0) {
        answered_at_zero_.reset();
        if (source.was_asked()) {
            device_.set_peer_may_bear_current(false);
        }
    } else if (!answered_at_zero_) {
        answered_at_zero_ = connection_.pings_answered();
    } else if (connection_.pings_answered() != *answered_at_zero_) {
        device_.set_peer_may_bear_current(true);
    }
}

// The target is done. Bits of writes that were part of the resync go with their barrier acks; then
// ping and pong, so that all acks are handled.
void PeerDevice::advance_end_as_source() {
    if (finish_ == Finish::Settling && device_.bitmap.count() == 0) {
        finish_ = Finish::Pinging;
        ping_serial_ = connection_.ping();
    } else if (finish_ == Finish::Settling && core_.now >= settle_until_ && lost_some_as_source_) {
        take_back_from_target();
    } else if (finish_ == Finish::Settling && core_.now >= settle_until_) {
        finish_ = Finish::None;
        connection_.drop(
            ConnState::ProtocolError,
            base::format("the peer ended the resync, but %llu blocks are still out of sync",
                         ull(device_.bitmap.count())));
    }
    if (finish_ == Finish::Pinging && finish_source_ &&
        connection_.liveness().answered(ping_serial_)) {
        device_.trust_its_cache();
        finish_as_source();
    }
}

void PeerDevice::note_failed_flush() {
    const ConnState conn = device_.state().conn;
    lost_some_as_source_ = conn == ConnState::SyncSource || conn == ConnState::PausedSyncS;
    source.on_failed_flush();
}

// A flush that has failed meanwhile (on-io-error pass_on) has marked what may be lost, here alone:
// the target has its copies of all that. The next handshake makes them ours; a Primary, which can't
// do without the peer's data until then, goes on with those alone.
void PeerDevice::take_back_from_target() {
    finish_as_source();
    if (device_.state().role == Role::Primary) {
        device_.give_up_disk("a failed flush may have lost what the peer has");
        return;
    }
    VolumeState next = device_.state();
    next.disk = DiskState::Inconsistent;
    device_.change_state(next);
    device_.requests.on_disk_doubted();
    connection_.drop(ConnState::NetworkFailure,
                     "what a failed flush may have lost is copied back from the peer");
}

void PeerDevice::finish_as_source() {
    finish_ = Finish::None;
    lost_some_as_source_ = false;
    GenerationIds ids = device_.ids();
    ids.clear_bitmap();
    device_.store.set_ids(ids);
    peer_ids_ = ids;
    report_done(0);
    device_.log_line(base::LogLevel::Info, "updated UUIDs " + describe(ids));
    VolumeState next = device_.state();
    next.conn = ConnState::Connected;
    next.pdsk = DiskState::UpToDate;
    device_.change_state(next);
    device_.store.settle_bitmap();
    connection_.on_peer_in_sync();
}

// The handler is asked while the source still waits for our bitmap: it goes on writing then without
// sending us anything, and no other volume has to wait. A resync of everything has no such moment:
// see before_resync().
bool PeerDevice::before_resync_passed() {
    if (before_resync_ == Handler::NotRun) {
        before_resync_ = Handler::Running;
        before_resync_run_ = ++core_.handler_runs;
        core_.emit(RunHandler{device_.number(), kBeforeResync, true, before_resync_run_});
    }
    return before_resync_ == Handler::Passed;
}

bool PeerDevice::before_resync() const {
    const ConnState conn = device_.state().conn;
    return before_resync_ != Handler::Passed &&
           (before_resync_ == Handler::Running || conn == ConnState::StartingSyncT ||
            conn == ConnState::WFSyncUUID || conn == ConnState::Behind);
}

void PeerDevice::on_before_resync(const HandlerDone& done) {
    if (before_resync_ != Handler::Running || done.run != before_resync_run_) {
        return;  // of a resync that came to nothing
    }
    core_.progress = true;
    if (done.exit_code == 0) {
        before_resync_ = Handler::Passed;
        return;
    }
    connection_.stand_alone(
        done.exit_code > 0
            ? base::format("before-resync-target handler returned %d, dropping connection.",
                           done.exit_code)
            : std::string("before-resync-target handler did not come to its end, dropping "
                          "connection."));
}

void PeerDevice::become_target(std::uint64_t sync_uuid) {
    GenerationIds ids = device_.ids();
    const std::uint64_t bit = device_.state().role == Role::Primary ? kUuidPrimaryBit : 0;
    ids.current = (sync_uuid & ~kUuidPrimaryBit) | bit;
    ids.bitmap = 0;
    device_.store.set_ids(ids);
    device_.log_line(base::LogLevel::Info, "updated sync uuid " + describe(ids));
    VolumeState next = device_.state();
    next.conn = ConnState::SyncTarget;
    next.disk = DiskState::Inconsistent;
    device_.change_state(next);
    begin_progress("Target");
    sync_generation_ = device_.store.generation();
    finish_ = Finish::None;
}

void PeerDevice::advance_sync_target() {
    const ConnState conn = device_.state().conn;
    if (held_sync_uuid_ && (conn == ConnState::WFSyncUUID || conn == ConnState::Behind) &&
        before_resync_passed()) {
        // The source clears a bit when we have written the block, but a power cut may still take
        // the block from our cache: until a flush our own bitmap on disk has to remember it.
        if (target_bitmap_ == 0) {
            target_bitmap_ = device_.store.write_bitmap();
            core_.progress = true;
        }
        if (device_.store.bitmap_written(target_bitmap_)) {
            target_bitmap_ = 0;
            become_target(*std::exchange(held_sync_uuid_, std::nullopt));
        }
    }
    const bool syncing = device_.state().conn == ConnState::SyncTarget;
    if (syncing && !target.running() && finish_ == Finish::None &&
        device_.store.durable(sync_generation_)) {
        target.start(resync_digest());
    }
    if (syncing && target.done() && finish_ == Finish::None) {
        finish_ = Finish::Pinging;
        finish_source_ = false;
        ping_serial_ = connection_.ping();
    }
    if (finish_ == Finish::Pinging && !finish_source_ &&
        connection_.liveness().answered(ping_serial_)) {
        finish_as_target();
    }
}

// A resync that follows a crash compares what mostly is equal; for others that may be a waste.
std::unique_ptr<base::Digest> PeerDevice::resync_digest() const {
    const NetSettings& net = core_.settings.net;
    if (net.csums_after_crash_only && !device_.lineage().crashed_primary()) {
        return nullptr;
    }
    base::Result<std::unique_ptr<base::Digest>> digest = base::Digest::make(net.csums_alg);
    return digest ? std::move(*digest) : nullptr;
}

void PeerDevice::report_equal(std::uint64_t bits) const {
    const std::uint64_t equal = std::min(bits, sync_total_bits_);
    const std::uint64_t all = std::max<std::uint64_t>(sync_total_bits_, 1);
    device_.log_line(base::LogLevel::Info,
                     base::format("%llu %% had equal checksums, eliminated: %lluK; transferred "
                                  "%lluK total %lluK",
                                  ull(equal * 100 / all),
                                  ull(equal * 4),
                                  ull((sync_total_bits_ - equal) * 4),
                                  ull(sync_total_bits_ * 4)));
}

void PeerDevice::finish_as_target() {
    finish_ = Finish::None;
    if (!target.done()) {
        return;  // a write of the application made new work in the meantime
    }
    const std::uint64_t failed = target.failed_bits();
    target.stop();
    report_done(failed);
    if (target.compares()) {
        report_equal(target.equal_bits());
    }
    VolumeState next = device_.state();
    next.conn = ConnState::Connected;
    if (failed == 0 && peer_ids_) {
        device_.trust_its_cache();
        GenerationIds ids = device_.ids();
        const std::uint64_t sync_uuid = ids.current;
        ids = *peer_ids_;
        ids.rotate_bitmap(sync_uuid);
        const std::uint64_t bit = device_.state().role == Role::Primary ? kUuidPrimaryBit : 0;
        ids.current = (peer_ids_->current & ~kUuidPrimaryBit) | bit;
        ids.clear_bitmap();
        device_.store.set_ids(ids);
        peer_ids_ = ids;
        device_.log_line(base::LogLevel::Info, "updated UUIDs " + describe(ids));
        next.disk = next.pdsk = DiskState::UpToDate;
    }
    device_.change_state(next);
    device_.store.settle_bitmap();
    announce_state();
    core_.emit(RunHandler{device_.number(), "after-resync-target"});
}

void PeerDevice::begin_progress(const char* role) {
    lost_some_as_source_ = false;
    sync_started_ = last_bitmap_write_ = paused_at_ = core_.now;
    paused_for_ = {};
    sync_total_bits_ = device_.bitmap.count();
    marks_.start(core_.now, sync_total_bits_);
    device_.log_line(base::LogLevel::Info,
                     base::format("Began resync as Sync%s (will sync %llu KB [%llu bits set]).",
                                  role,
                                  ull(sync_total_bits_ * 4),
                                  ull(sync_total_bits_)));
}

void PeerDevice::note_pause(ConnState before, ConnState now) {
    const auto runs = [](ConnState conn) {
        return conn == ConnState::SyncSource || conn == ConnState::SyncTarget;
    };
    const auto waits = [](ConnState conn) {
        return conn == ConnState::PausedSyncS || conn == ConnState::PausedSyncT;
    };
    if (waits(now) && !waits(before)) {
        paused_at_ = core_.now;
    }
    if (runs(before) && waits(now)) {
        device_.log_line(base::LogLevel::Info, "Resync suspended");
    } else if (waits(before) && runs(now)) {
        paused_for_ += core_.now - paused_at_;
        marks_.start(core_.now, bits_left());
        device_.log_line(base::LogLevel::Info, "Syncer continues.");
    }
}

bool PeerDevice::set_pause(bool VolumeState::*reason, bool paused) {
    VolumeState next = device_.state();
    if (next.*reason == paused) {
        return false;
    }
    next.*reason = paused;
    device_.change_state(next);
    announce_state();
    return true;
}

void PeerDevice::report_done(std::uint64_t failed) const {
    log_done("Resync", sync_total_bits_ * 4);
    if (failed > 0) {
        device_.log_line(base::LogLevel::Error,
                         base::format("            %llu failed blocks", ull(failed)));
    }
}

void PeerDevice::log_done(const char* what, std::uint64_t kib) const {
    const double total = std::chrono::duration<double>(core_.now - sync_started_).count();
    const double paused = std::chrono::duration<double>(paused_for_).count();
    const double copying = std::max(total - paused, 0.001);
    device_.log_line(base::LogLevel::Info,
                     base::format("%s done (total %.0f sec; paused %.0f sec; %.0f K/sec)",
                                  what,
                                  total,
                                  paused,
                                  static_cast<double>(kib) / copying));
}

std::uint64_t PeerDevice::bits_left() const {
    return verifying(device_.state().conn) ? verify_bits_left() : device_.bitmap.count();
}

void PeerDevice::note_progress() {
    const ConnState conn = device_.state().conn;
    if (conn == ConnState::SyncSource || conn == ConnState::SyncTarget || verifying(conn)) {
        marks_.advance(core_.now, bits_left());
    }
}

std::optional<ResyncProgress> PeerDevice::progress(io::Instant now) const {
    const ConnState conn = device_.state().conn;
    const bool verify = verifying(conn);
    if (!device_.state().syncing() && !verify) {
        return std::nullopt;
    }
    const bool paused = conn == ConnState::PausedSyncS || conn == ConnState::PausedSyncT;
    ResyncProgress progress;
    progress.left_bits = bits_left();
    progress.time = now - sync_started_;
    progress.paused = paused_for_ + (paused ? now - paused_at_ : io::Duration::zero());
    progress.lately = marks_.last(now, progress.left_bits);
    progress.over_all = marks_.oldest(now, progress.left_bits);
    if (verify) {
        progress.total_bits = verify_bits_in_all();
        progress.verified = verified();
    } else {
        progress.total_bits = sync_total_bits_;
        progress.failed_bits = target.failed_bits();
        progress.equal_bits = target.equal_bits();
    }
    return progress;
}

}  // namespace engine
