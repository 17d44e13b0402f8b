#include "drbdd/engine/volume/device.h"

#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>
#include <cerrno>

namespace engine {

namespace {

// An extent that is not written for one to two of these leaves the activity log.
constexpr io::Duration kLogAge = std::chrono::seconds(2);
// Keys of the activity log with this bit belong to the peer's writes.
constexpr std::uint64_t kPeerLogKey = std::uint64_t{1} << 63;

}  // namespace

Device::Device(Core& core,
               const VolumeSettings& settings,
               Connection& connection,
               PeerWrites& writes)
    : disk(core, settings.number),
      log(&core.work),
      store(core, disk, bitmap, log),
      resizer(core, *this),
      freezer(core, *this),
      requests(core, *this),
      peer(core, *this, connection),
      peer_ranges(&core.work),
      core_(core),
      settings_(settings),
      connection_(connection),
      peer_writes_(writes),
      attacher_(core, disk, store, bitmap, log) {
}

void Device::log_line(base::LogLevel level, const std::string& text) const {
    core_.sink.write(level, base::format("block drbd%u: ", settings_.minor) + text);
}

// --- State ---

void Device::change_conn(ConnState conn) {
    VolumeState next = state_;
    next.conn = conn;
    change_state(next);
}

void Device::change_disk(DiskState to) {
    VolumeState next = state_;
    next.disk = to;
    change_state(next);
}

void Device::change_role(Role role) {
    VolumeState next = state_;
    next.role = role;
    change_state(next);
}

void Device::change_state(const VolumeState& wanted, bool quiet) {
    VolumeState next = wanted;
    if (next.conn < ConnState::Connected && next.disk == DiskState::Negotiating) {
        // The peer will not be asked any more. Data other than those in use are none for us (4.4).
        refuse_attached_ = lineage_.other_than_own_exposed(ids().current);
        next.disk = refuse_attached_ ? DiskState::Outdated : disk_when_attached_;
    }
    next = sanitise(next);
    keep_verdict(next);
    const bool leaves = state_.conn >= ConnState::Connected && next.conn < ConnState::Connected;
    remember_declared_bad(next);
    if (leaves && next.pdsk == DiskState::Inconsistent &&
        lineage_.peer_disk_may_be_in_use(state_, peer.told_unusable())) {
        next.pdsk = DiskState::DUnknown;
    }
    next = frozen_where_due(state_, next, core_.settings.freeze_policy());
    if (next == state_) {
        return;
    }
    const VolumeState old = state_;
    if (!quiet) {
        log_line(base::LogLevel::Info, describe_change(old, next));
    }
    state_ = next;
    core_.progress = true;
    after_change(old);
    core_.emit(StatusChanged{});
}

// A disk that fails while bitmaps are exchanged leaves the other one behind, which is known to lack
// writes. "Connected" would make that one UpToDate and hide the loss: the connection ends instead.
// Data that were declared bad lack nothing, and nothing has been written over them yet: where the
// others are lost they are good again.
void Device::keep_verdict(VolumeState& next) {
    if (next.conn != ConnState::Connected) {
        return;
    }
    const bool target = state_.conn == ConnState::WFBitMapT ||
                        (state_.conn == ConnState::WFSyncUUID && !peer.declared_bad()) ||
                        state_.conn == ConnState::Behind;
    const bool source = state_.conn == ConnState::WFBitMapS || state_.conn == ConnState::Ahead;
    if (target && next.pdsk <= DiskState::Failed && next.disk == DiskState::UpToDate) {
        next.disk = DiskState::Outdated;
        connection_.drop(ConnState::NetworkFailure, "the sync source lost its disk");
    } else if (source && next.disk <= DiskState::Failed) {
        next.pdsk = state_.pdsk;
        connection_.drop(ConnState::NetworkFailure, "the sync source lost its disk");
    }
}

// Both nodes may bear one identifier. That the data are Inconsistent is then all that is left to
// say that a resync is owed.
void Device::remember_declared_bad(VolumeState& next) {
    const bool still = next.conn == ConnState::StartingSyncT || next.conn == ConnState::WFSyncUUID;
    if (!peer.declared_bad() || still) {
        return;
    }
    peer.forget_that_they_are_bad();
    if (next.conn < ConnState::Connected && next.disk == DiskState::Outdated) {
        next.disk = DiskState::Inconsistent;
    }
}

void Device::after_change(const VolumeState& old) {
    const bool primary = state_.role == Role::Primary;
    if (state_.disk == DiskState::UpToDate && state_.pdsk == DiskState::UpToDate) {
        lineage_.both_are_up_to_date();
        peer.clear_peer_crashed();
    }
    if (old.disk == DiskState::Inconsistent && old.pdsk == DiskState::Inconsistent &&
        old.peer == Role::Secondary && state_.peer == Role::Primary) {
        peer.consider_resync();  // the peer was forced: its data count now
    }
    if (!primary) {
        lineage_.demoted();
        requests.forget_flush_error();
    }
    if (state_.conn >= ConnState::Connected) {
        lineage_.peer_uses_current(state_.peer == Role::Primary &&
                                   state_.pdsk < DiskState::Inconsistent);
    }
    counts_as_bad_ = counts_as_bad_ && state_.disk == DiskState::Inconsistent;
    update_flags();
    if (parts_ways(old, state_) && store.is_open() && state_.disk == DiskState::UpToDate &&
        !freezer.defers_generation()) {
        part_ways();
    }
    freezer.after_change(old);
    peer.note_pause(old.conn, state_.conn);
    const auto exchanging = [](const VolumeState& s) { return s.conn > ConnState::Connected; };
    const bool verified = verifying(old.conn) && !verifying(state_.conn);
    if (exchanging(state_) && !verifying(state_.conn)) {
        peer.believe_again();
    }
    if ((exchanging(old) && !exchanging(state_)) || verified) {
        peer.leave_resync();
    }
    const bool left_connection =
        old.conn >= ConnState::Connected && state_.conn < ConnState::Connected;
    const bool demoted = old.role == Role::Primary && !primary;
    if ((left_connection || demoted) && attached()) {
        store.write_bitmap();
    }
    if (old.disk == DiskState::UpToDate && state_.disk == DiskState::Inconsistent &&
        state_.conn == ConnState::Connected) {
        peer.announce_state();
    }
}

// Section 3.1 of the metadata specification: derived again at every change.
void Device::update_flags() {
    if (!store.is_open() || state_.disk < DiskState::Inconsistent) {
        return;
    }
    meta::Superblock& superblock = store.superblock();
    std::uint32_t flags = superblock.flags & meta::kMdFullSync;
    const auto set = [&flags](bool on, meta::MdFlag flag) {
        flags |= on ? static_cast<std::uint32_t>(flag) : 0u;
    };
    set(lineage_.crashed_primary(), meta::kMdCrashedPrimary);
    set(state_.role == Role::Primary ||
            (state_.pdsk < DiskState::Inconsistent && state_.peer == Role::Primary),
        meta::kMdPrimaryInd);
    set(state_.conn > ConnState::WFReportParams, meta::kMdConnectedInd);
    set(state_.disk > DiskState::Inconsistent && !peer.declared_bad(), meta::kMdConsistent);
    set(state_.disk > DiskState::Outdated, meta::kMdWasUpToDate);
    // A target finishes, and may be promoted, before its source has stored that: a source that
    // crashed meanwhile must not take it for outdated. DRBD keeps the flag during a resync.
    set(state_.pdsk >= DiskState::Inconsistent && state_.pdsk <= DiskState::Outdated &&
            state_.conn <= ConnState::Connected,
        meta::kMdPeerOutDated);
    if (flags != superblock.flags) {
        if (superblock.has(meta::kMdPrimaryInd) && (flags & meta::kMdPrimaryInd) == 0) {
            store.write_bitmap();  // from then on nobody reads the activity log after a crash
        }
        superblock.flags = flags;
        store.touch();
    }
}

void Device::new_current_uuid() {
    GenerationIds next = ids();
    if (next.bitmap != 0) {
        log_line(base::LogLevel::Warning, "bm UUID was already set: " + base::hex64(next.bitmap));
    }
    next.bitmap = next.current;
    begin_generation(next);
}

void Device::part_ways() {
    if (const std::optional<GenerationIds> next = lineage_.parted(ids())) {
        begin_generation(*next);
    }
}

void Device::on_peer_refused_write() {
    const bool idle = state_.conn == ConnState::Connected || verifying(state_.conn);
    if (state_.role == Role::Primary && idle && state_.pdsk > DiskState::Inconsistent) {
        peer.refuse_until_settled();
        VolumeState next = state_;
        next.pdsk = DiskState::Inconsistent;
        change_state(next);
    }
}

void Device::begin_generation(GenerationIds next) {
    const std::uint64_t bit = state_.role == Role::Primary ? kUuidPrimaryBit : 0;
    const std::uint64_t uuid = names_generation_for_peer(state_)
                                   ? diskless_successor(ids().current)
                                   : core_.prng.next() & ~kUuidPrimaryBit;
    next.current = uuid | bit;
    store.set_ids(next);
    set_peer_may_bear_current(false);
    lineage_.peer_uses_current(names_generation_for_peer(state_));
    // No write of the new generation is completed before the generation is on stable storage.
    requests.gate.hold_until(store.generation());
    log_line(base::LogLevel::Info, "new current UUID " + describe(next));
    peer.announce_uuids();
}

// --- Disk ---

void Device::attach(const io::DiskGeometry& geometry) {
    REQUIRE(state_.disk == DiskState::Diskless && !disk.is_open());
    disk.open(geometry);
    change_disk(DiskState::Attaching);
    attacher_.start(settings_.disk);
}

void Device::finish_attach() {
    meta::Superblock& superblock = store.superblock();
    lineage_.attached(attacher_.crashed_primary(),
                      superblock.has(meta::kMdConnectedInd),
                      superblock.has(meta::kMdConsistent),
                      ids());
    // A process that ended in disorder may have met a flush that failed.
    doubts_its_cache_ =
        doubts_its_cache_ || attacher_.crashed_primary() || superblock.has(meta::kMdConnectedInd);
    if (attacher_.marked_kib() > 0) {
        log_line(base::LogLevel::Info,
                 base::format("Marked additional %llu KB as out-of-sync based on AL.",
                              static_cast<unsigned long long>(attacher_.marked_kib())));
    }
    // What it says of the peer is older than what we have heard since: that one has gone on.
    const bool peer_went_on = lineage_.other_than_own_exposed(superblock.current_uuid);
    const bool peer_outdated = superblock.has(meta::kMdPeerOutDated) && !peer_went_on;
    disk_when_attached_ = disk_by_flags(superblock.has(meta::kMdConsistent),
                                        superblock.has(meta::kMdWasUpToDate),
                                        peer_outdated,
                                        core_.settings.fencing);
    if (const auto in_use = lineage_.forbids_attach(superblock.current_uuid, state_)) {
        return refuse_disk(kErrDataNotCurrent,
                           "Can only attach to data with current UUID=" + base::hex64(*in_use));
    }
    // The peer may have told its disk's size long before ours was read.
    const std::uint64_t fitting = peer.fitting_size(attacher_.size_sectors(), own_max_sectors());
    if (fitting < attacher_.size_sectors() && disk_when_attached_ >= DiskState::Outdated) {
        return refuse_disk(kErrDiskTooSmall,
                           base::format("The peer's disk size is too small! (%llu < %llu sectors)",
                                        base::ull(fitting),
                                        base::ull(attacher_.size_sectors())));
    }
    GenerationIds next = ids();
    next.current =
        (next.current & ~kUuidPrimaryBit) | (state_.role == Role::Primary ? kUuidPrimaryBit : 0);
    store.set_ids(next);
    size_sectors_ = fitting;
    bitmap.resize(base::Sector{size_sectors_}, true);
    if (superblock.la_size_sectors != size_sectors_ || attacher_.all_bits_set_needed()) {
        superblock.la_size_sectors = size_sectors_;
        store.start_full_sync(attacher_.all_bits_set_needed());
    }
    superblock.al_nr_extents = log.slots();
    store.touch();

    VolumeState wanted = state_;
    if (state_.conn >= ConnState::Connected) {
        wanted.disk = DiskState::Negotiating;
        change_state(wanted);
        peer.announce_attached();
    } else {
        lineage_.exposed(next.current);
        wanted.disk = disk_when_attached_;
        wanted.pdsk = peer_outdated ? DiskState::Outdated : DiskState::DUnknown;
        change_state(wanted);
        // A Primary goes on without the peer: what it writes now must not look like the peer's
        // data.
        if (state_.role == Role::Primary && state_.disk == DiskState::UpToDate &&
            !freezer.defers_generation()) {
            part_ways();
        }
        peer.retell_parameters();
    }
    log_line(base::LogLevel::Info, "attached to UUIDs " + describe(ids()));
    core_.emit(VolumeChanged{number()});
}

void Device::begin_detach() {
    REQUIRE(disk.is_open());
    if (attacher_.unfinished()) {
        attacher_.abort(kErrIoMdDisk, "detached while attaching");
        give_up_disk("detached while attaching");
        return;
    }
    draining_ = true;
    core_.progress = true;
}

void Device::refuse_disk(int code, const std::string& why) {
    attacher_.abort(code, why);
    give_up_disk(why);
}

void Device::leave() {
    draining_ = false;
    core_.progress = true;
    VolumeState next = state_;
    next.disk = DiskState::Failed;
    const StateCode code = check_validity(sanitise(next), core_.settings.state_policy());
    if (!succeeded(code) && succeeded(check_validity(state_, core_.settings.state_policy()))) {
        log_line(base::LogLevel::Error, base::format("detach given up: %s", text(code)));
        return;
    }
    remember_exposed_data();
    detaching_ = true;
    detach_stored_ = false;
    detach_ticket_ = 0;
    change_disk(DiskState::Failed);
    peer.announce_state();
}

void Device::force_detach() {
    REQUIRE(disk.is_open());
    give_up_disk("forced detach");
    abandon_disk();
}

void Device::abandon_disk() {
    // In the order in which they were submitted, as if the disk had refused each.
    for (const DiskTicket& ticket : disk.abandon()) {
        on_disk_ended(ticket, EIO);
    }
    finish_detach();
}

void Device::disk_failed(bool metadata, const std::string& what) {
    if (!disk.accepts()) {
        return;  // known already
    }
    if (!metadata && settings_.disk.on_io_error == OnIoError::PassOn) {
        // Where nobody else has these data, older ones would take their place if they counted as
        // Inconsistent: who asked hears of the error, and that is all.
        log_line(base::LogLevel::Error, what);
        if (state_.disk > DiskState::Inconsistent && peer_has_data()) {
            VolumeState next = state_;
            next.disk = DiskState::Inconsistent;
            change_state(next);
            counts_as_bad_ = true;
            requests.on_disk_doubted();
        }
        return;
    }
    if (settings_.disk.on_io_error == OnIoError::CallLocalIoError) {
        core_.emit(RunHandler{number(), "local-io-error"});
    }
    fail_disk(what);
}

void Device::give_up_disk(const std::string& why) {
    if (disk.accepts()) {
        fail_disk(why);
    }
}

void Device::fail_disk(const std::string& what) {
    log_line(base::LogLevel::Error, what);
    log_line(base::LogLevel::Error, "Local IO failed. Detaching...");
    remember_exposed_data();
    draining_ = false;
    disk.refuse_new();
    if (attacher_.unfinished()) {
        attacher_.abort(kErrIoMdDisk, what);
    }
    change_disk(DiskState::Failed);
    peer.forget_what_was_not_stored();
    peer.announce_state();
    store.close();
    resizer.on_disk_lost();
    log.abandon();
    requests.on_disk_lost();
    peer_writes_.on_disk_lost(*this);
    detaching_ = true;
    detach_stored_ = true;
}

void Device::flush_failed(const std::string& what) {
    disk_failed(false, what);
    if (disk.accepts()) {  // pass_on
        peer_writes_.take_back(*this);
        store.start_full_sync(true);
        peer.note_failed_flush();
        requests.on_failed_flush();
    }
}

void Device::note_write_lost_with_disk() {
    if (lineage_.lost_write_with_disk()) {
        log_line(base::LogLevel::Error,
                 std::string("Acknowledged writes are not known to be safe on the peer: ") +
                     (local_usable() ? "detach and attach the disk" : "attach the disk again") +
                     ", or demote");
    }
}

// A peer whose bitmap identifier is set has parted from our disk before, and goes on as it is. One
// that is expected to begin a generation and says nothing is not waited for for ever: every node
// that speaks this protocol does so at once.
void Device::go_on_with_peers_data() {
    lineage_.exposed(peer.peer_ids()->current);
    if (state_.role == Role::Primary && peer.peer_ids()->bitmap == 0) {
        generation_due_ = core_.now + 2 * core_.settings.net.ping_timeout;
        core_.progress = true;
    }
}

void Device::on_peer_generation(std::uint64_t current) {
    if (state_.disk >= DiskState::Inconsistent || state_.conn < ConnState::Connected ||
        state_.pdsk != DiskState::UpToDate) {
        return;
    }
    if (lineage_.told_generation(current) && give_up_generation()) {
        requests.on_generation_known();
    }
}

bool Device::give_up_generation() {
    return std::exchange(generation_due_, io::kNever) != io::kNever;
}

// Without a disk a Primary goes on with these data, and accepts no others (3.6).
void Device::remember_exposed_data() {
    if (peer_has_data() && peer.peer_ids()) {
        go_on_with_peers_data();
    } else if (store.is_open() && state_.disk >= DiskState::Inconsistent && !refuse_attached_) {
        // Not one whose attach is refused.
        lineage_.lost_disk(ids(), state_.disk, store.stored_currents());
        if (freezer.lacks_safe_copy()) {
            note_write_lost_with_disk();
        }
    }
}

// Orderly: first everything that uses the disk ends, then the bitmap and the superblock are
// written.
void Device::advance_detach() {
    if (draining_) {
        if (state_.role == Role::Primary && !requests.settled()) {
            connection_.transfer_log.close_epoch();
            return;
        }
        leave();
    }
    if (!detaching_) {
        return;
    }
    if (detach_stored_) {
        if (disk.outstanding() == 0) {
            finish_detach();
        }
        return;
    }
    if (log.any_reference() || log.any_waiting()) {
        connection_.transfer_log.close_epoch();
        return;
    }
    if (!peer_writes_.drained(*this) || !peer_ranges.empty()) {
        return;
    }
    if (detach_ticket_ == 0) {
        detach_ticket_ = store.write_bitmap();
        detach_generation_ = 0;
        return;
    }
    if (!store.bitmap_written(detach_ticket_)) {
        return;
    }
    if (detach_generation_ == 0) {
        detach_generation_ = store.touch();
        core_.progress = true;
        return;
    }
    if (store.durable(detach_generation_) && disk.outstanding() == 0) {
        disk.refuse_new();
        store.close();
        finish_detach();
    }
}

void Device::finish_detach() {
    detaching_ = false;
    if (store.is_open()) {
        store.close();
    }
    resizer.on_disk_lost();  // the next disk has another end
    bitmap = Bitmap{};
    if (disk.is_open()) {
        disk.close();
    }
    change_disk(DiskState::Diskless);
    peer.announce_state();
    if (state_.role == Role::Secondary && state_.conn < ConnState::Connected) {
        size_sectors_ = 0;
    }
    core_.emit(VolumeChanged{number()});
    core_.progress = true;
}

void Device::on_disk_done(const DiskDone& done) {
    disk.on_done(done.id, done.error);
    core_.progress = true;
    while (const std::optional<LocalDisk::Ended> ended = disk.take_ended()) {
        on_disk_ended(ended->ticket, ended->error);
    }
}

void Device::on_disk_ended(const DiskTicket& ticket, int error) {
    if (error != 0 && ticket.op.kind == io::DiskOp::Kind::Flush) {
        doubts_its_cache_ = true;
        if (disk.is_open()) {  // and not a disk that was given up, which has said nothing
            requests.on_flush_error();
        }
    }
    switch (ticket.user) {
        case DiskUser::AppWrite:
        case DiskUser::AppFlush:
            requests.on_disk_done(ticket, error);
            break;
        case DiskUser::AppRead:
            requests.reads.on_disk_done(ticket, error);
            break;
        case DiskUser::PeerWrite:
            peer_writes_.on_write_done(*this, ticket, error);
            break;
        case DiskUser::PeerFlush:
            peer_writes_.on_flush_done(*this, error);
            break;
        case DiskUser::PeerRead:
            connection_.peer_reads.on_disk_done(*this, ticket, error);
            break;
        case DiskUser::ResyncRead:
            peer.source.on_disk_done(ticket, error);
            break;
        case DiskUser::ResyncWrite:
            peer.target.on_disk_done(ticket, error);
            break;
        case DiskUser::ResyncCompare:
            peer.target.on_own_read(ticket, error);
            break;
        case DiskUser::VerifyRead:
            peer.verify_source.on_disk_done(ticket, error);
            break;
        case DiskUser::VerifyAnswerRead:
            peer.verify_target.on_disk_done(ticket, error);
            break;
        case DiskUser::MetaStore:
            if (error != 0) {
                disk_failed(true,
                            base::format("meta-data I/O error at sector %llu, errno %d",
                                         static_cast<unsigned long long>(ticket.op.sector.value),
                                         error));
            } else {
                store.on_disk_done(ticket);
            }
            break;
        case DiskUser::MetaMove:
            if (error != 0) {
                disk_failed(true,
                            base::format("the metadata can't be moved: errno %d at sector %llu",
                                         error,
                                         base::ull(ticket.op.sector.value)));
            } else if (disk.accepts()) {
                resizer.move().on_disk_done();
            }
            break;
        case DiskUser::Attach:
            attacher_.on_disk_done(ticket, error);
            break;
    }
}

std::uint64_t Device::own_max_sectors() const {
    return store.is_open() ? as_wanted(store.layout().usable_sectors) : 0;
}

std::uint64_t Device::max_after_move() const {
    return as_wanted(resizer.room());
}

std::uint64_t Device::as_wanted(std::uint64_t usable) const {
    const std::uint64_t wanted = settings_.disk.size_sectors;
    return wanted != 0 ? std::min(usable, wanted) : usable;
}

std::uint32_t Device::block_bytes() const {
    const std::uint32_t own = disk.is_open() ? disk.geometry().logical_block_bytes : 0;
    return std::max({own, peer.block_bytes(), std::uint32_t{base::kSectorBytes}});
}

bool Device::covers(base::Sector sector, std::uint64_t bytes) const {
    return bytes % base::kSectorBytes == 0 && sector.value <= size_sectors_ &&
           bytes / base::kSectorBytes <= size_sectors_ - sector.value;
}

void Device::set_size(std::uint64_t sectors, NewBits bits) {
    log_line(base::LogLevel::Info,
             base::format("size = %llu KB", static_cast<unsigned long long>(sectors / 2)));
    const bool grows = sectors > size_sectors_;
    size_sectors_ = sectors;
    if (state_.disk >= DiskState::Negotiating) {
        bitmap.resize(base::Sector{sectors}, bits == NewBits::Set);
        store.superblock().la_size_sectors = sectors;
        if (grows) {
            store.start_full_sync(false);
        } else {
            store.write_bitmap();
            store.touch();
        }
    }
    core_.emit(VolumeChanged{number()});
}

void Device::on_moved(std::uint64_t sectors) {
    if (sectors != size_sectors_) {
        log_line(base::LogLevel::Info, base::format("size = %llu KB", base::ull(sectors / 2)));
        size_sectors_ = sectors;
        core_.emit(VolumeChanged{number()});
    }
}

void Device::mark_out_of_sync(base::Sector sector, std::uint64_t bytes) {
    if (store.is_open() && bytes > 0) {
        bitmap.set_touched(sector, bytes);
    }
}

void Device::mark_in_sync(base::Sector sector, std::uint64_t bytes) {
    if (store.is_open() && bytes > 0) {
        bitmap.clear_covered(sector, bytes);
    }
}

bool Device::peer_busy(base::Sector sector, std::uint64_t bytes) const {
    return peer_ranges.overlaps(sector, bytes) || peer.target.writing(sector, bytes) ||
           peer.source.rewriting(sector, bytes);
}

// --- Progress and status ---

void Device::advance() {
    if (attacher_.running()) {
        attacher_.advance();
    }
    if (!peer.in_handshake() && attacher_.take_finished()) {
        finish_attach();
    } else if (attacher_.failed() && !attacher_.running() && state_.disk == DiskState::Attaching) {
        give_up_disk("attach failed: " + attacher_.error());
    }
    if (core_.now >= age_log_at_ && local_usable()) {
        age_log_at_ = core_.now + kLogAge;
        log.age();
    }
    if (core_.now >= generation_due_) {
        log_line(base::LogLevel::Warning, "The peer has begun no new generation for our writes");
        give_up_generation();
        requests.on_generation_known();
    }
    if (refuse_attached_) {
        give_up_disk("Can only attach to data with current UUID=" +
                     base::hex64(lineage_.exposed_uuid()));
        refuse_attached_ = false;
    }
    freezer.advance();
    resizer.advance();
    store.advance();
    for (const std::uint64_t key : log.take_ready()) {
        if ((key & kPeerLogKey) != 0) {
            peer_writes_.on_log_ready(key);
        } else {
            requests.on_log_ready(key);
        }
    }
    requests.advance();
    peer.advance();
    advance_detach();
    if (disk_watch_.is_overdue(core_.now, disk.oldest(), settings_.disk.disk_timeout)) {
        disk_failed(true, "Local backing device failed to meet the disk-timeout");
        abandon_disk();
    }
    if (usable() != last_usable_) {
        last_usable_ = usable();
        core_.emit(VolumeChanged{number()});
        core_.emit(StatusChanged{});
    }
}

io::Instant Device::next_deadline() const {
    const bool aging = local_usable() && log.any_cold();
    return std::min({peer.next_deadline(),
                     aging ? age_log_at_ : io::kNever,
                     generation_due_,
                     disk_watch_.due(disk.oldest(), settings_.disk.disk_timeout)});
}

bool Device::usable() const {
    return state_.role == Role::Primary && size_sectors_ > 0 &&
           (state_.disk == DiskState::UpToDate ||
            (state_.conn >= ConnState::Connected && state_.pdsk == DiskState::UpToDate) ||
            state_.susp_nod);
}

VolumeStatus Device::status(io::Instant now) const {
    VolumeStatus s;
    s.number = number();
    s.minor = minor();
    s.state = state_;
    s.size_sectors = size_sectors_;
    s.out_of_sync_bits = bitmap.count();
    s.resync = peer.progress(now);
    if (store.is_open()) {
        const GenerationIds ids = store.ids();
        s.current_uuid = ids.current;
        s.bitmap_uuid = ids.bitmap;
        s.history_uuid[0] = ids.history[0];
        s.history_uuid[1] = ids.history[1];
        s.md_flags = store.superblock().flags;
        s.agreed_max_bio_bytes = store.superblock().la_peer_max_bio_size;
        s.has_metadata = true;
    }
    s.read_sectors = counters.read;
    s.written_sectors = counters.written;
    s.received_sectors = counters.received;
    s.sent_sectors = counters.sent;
    s.al_writes = store.al_writes();
    s.bm_writes = store.bm_writes();
    s.upper_pending = requests.pending();
    s.lower_pending = disk.outstanding();
    s.pending = requests.unacknowledged();
    s.unacked = peer_writes_.unacked(*this);
    s.ap_in_flight_sectors = requests.unacknowledged_bytes() / base::kSectorBytes;
    s.rs_in_flight_sectors = peer.target.in_flight_bytes() / base::kSectorBytes;
    if (const std::optional<GateReason> reason = requests.held_back_by()) {
        s.held_back_by = name(*reason);
    }
    s.was_alone = store.is_open() && store.was_alone();
    s.usable = usable();
    s.logical_block_bytes = block_bytes();
    if (disk.is_open()) {
        s.rotational = disk.geometry().rotational;
        s.fast_zeroes = disk.geometry().can_discard && !connection_.digests_confuse_peer();
    }
    return s;
}

}  // namespace engine
