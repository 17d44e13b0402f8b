#include "drbdd/engine/peer_device.h"

#include "drbdd/engine/connection.h"
#include "drbdd/engine/device.h"
#include "drbdd/engine/state_rules.h"

#include <algorithm>

namespace engine {

namespace {

constexpr io::Duration kBitmapWriteInterval = std::chrono::seconds(2);
constexpr io::Duration kVolumeUnknownAfter = std::chrono::seconds(5);

template <typename P>
std::vector<std::uint8_t> encoded(const P& packet, std::size_t size = P::kSize) {
    std::vector<std::uint8_t> body(size);
    proto::encode(packet, body);
    return body;
}

unsigned long long ull(std::uint64_t value) {
    return value;
}

base::Error refusal(std::string text) {
    return {base::ErrorCode::State, std::move(text)};
}

}  // namespace

PeerDevice::PeerDevice(Core& core, Device& device, Connection& connection)
    : exchange(core, device),
      target(core, device),
      source(core, device),
      core_(core),
      device_(device),
      connection_(connection) {
}

void PeerDevice::start() {
    left_handshake_ = heard_ = ids_awaited_ = consider_resync_ = false;
    silent_until_ = core_.now + kVolumeUnknownAfter;
    sequence_ = 0;
    peer_ids_.reset();
    peer_flags_ = 0;
    peer_dirty_bits_ = 0;
    forget_request();
}

void PeerDevice::on_connection_lost() {
    announcements_.clear();
    exchange.stop();
    target.stop();
    source.stop();
    held_sync_uuid_.reset();
    target_bitmap_ = 0;
    given_up_.clear();
    storing_sync_uuid_ = starting_sync_ = false;
    finish_ = Finish::None;
    left_handshake_ = false;
    if (request_pending_) {
        request_pending_ = false;
        reply_ = StateCode::CwFailedByPeer;
    }
}

// --- Announcements ---

void PeerDevice::announce(proto::Command command, std::vector<std::uint8_t> body) {
    announcements_.push_back({device_.store.generation(), command, std::move(body)});
    core_.progress = true;
}

void PeerDevice::send_parameters() {
    const DiskSettings& disk = device_.settings().disk;
    proto::SyncParam89 parameters;
    parameters.resync_rate = disk.resync_rate_kib;
    parameters.c_plan_ahead = disk.c_plan_ahead;
    parameters.c_delay_target = disk.c_delay_target;
    parameters.c_fill_target = disk.c_fill_target;
    if (disk.c_max_rate_kib != 0) {
        parameters.c_max_rate = disk.c_max_rate_kib;
    }
    announce(proto::Command::SyncParam89, encoded(parameters));
    announce_sizes();
    announce_uuids();
    VolumeState state = device_.state();
    state.conn = ConnState::WFConnection;
    announce(proto::Command::State, encoded(proto::State{to_wire(state)}));
}

void PeerDevice::announce_attached() {
    ids_awaited_ =
        connection_.has(proto::kFeatureExplicitFlush);  // the kernel's does not answer so
    announce_sizes();
    announce_uuids();
    announce_state();
}

void PeerDevice::announce_sizes() {
    if (!connection_.up()) {
        return;
    }
    proto::Sizes sizes;
    const bool disk = device_.state().disk >= DiskState::Negotiating;
    sizes.d_size = disk ? device_.own_max_sectors() : 0;
    sizes.u_size = disk ? device_.settings().disk.size_sectors : 0;
    sizes.c_size = device_.size_sectors();
    sizes.max_bio_size = proto::kMaxDataBytes;
    sizes.has_limits = connection_.has(proto::kFeatureWsame);
    if (disk) {
        sizes.logical_block_size = device_.disk.geometry().logical_block_bytes;
        sizes.physical_block_size = device_.disk.geometry().physical_block_bytes;
        sizes.io_min = sizes.physical_block_size;
    }
    announce(proto::Command::Sizes, encoded(sizes, sizes.size()));
}

proto::Uuids PeerDevice::own_uuids() const {
    const GenerationIds ids = device_.ids();
    proto::Uuids uuids;
    uuids.current = ids.current;
    uuids.bitmap = ids.bitmap;
    uuids.history = ids.history;
    uuids.dirty_bits = device_.bitmap.count();
    if (connection_.discard_my_data()) {
        uuids.flags |= proto::kUuidDiscardMyData;
    }
    if (device_.crashed_primary()) {
        uuids.flags |= proto::kUuidCrashedPrimary;
    }
    if (device_.state().disk == DiskState::Negotiating &&
        device_.disk_when_attached() == DiskState::Inconsistent) {
        uuids.flags |= proto::kUuidInconsistent;
    }
    return uuids;
}

void PeerDevice::announce_uuids() {
    if (!connection_.up() || device_.state().disk < DiskState::Negotiating) {
        return;
    }
    sent_dirty_bits_ = device_.bitmap.count();
    announce(proto::Command::Uuids, encoded(own_uuids()));
}

void PeerDevice::announce_state() {
    if (connection_.up()) {
        announce(proto::Command::State, encoded(proto::State{to_wire(device_.state())}));
    }
}

void PeerDevice::send_ack(proto::Command command,
                          base::Sector sector,
                          std::uint64_t block_id,
                          std::uint64_t bytes) {
    if (!connection_.up()) {
        return;
    }
    connection_.send_meta(
        command,
        device_.number(),
        encoded(
            proto::BlockAck{sector, block_id, static_cast<std::uint32_t>(bytes), next_sequence()}));
}

// --- Handshake ---

base::Result<void> PeerDevice::on_sync_param(const proto::SyncParam89& packet) {
    if (!packet.verify_alg.empty() || !packet.csums_alg.empty()) {
        return refusal(base::format(
            "Different %s-alg settings. me=\"\" peer=\"%s\"",
            packet.verify_alg.empty() ? "csums" : "verify",
            packet.verify_alg.empty() ? packet.csums_alg.c_str() : packet.verify_alg.c_str()));
    }
    return {};
}

base::Result<std::uint64_t> PeerDevice::agree_on_size(const proto::Sizes& packet) const {
    const std::uint64_t own = device_.own_max_sectors();
    if (own == 0) {
        return packet.c_size != 0 ? packet.c_size
                                  : (packet.u_size != 0 ? packet.u_size : packet.d_size);
    }
    const std::uint64_t agreed = device_.size_sectors();
    std::uint64_t size = 0;
    if (packet.d_size != 0) {
        size = std::min(packet.d_size, own);
    } else if (agreed != 0) {
        size = std::min(agreed, own);
    } else {
        size = own;
    }
    const std::uint64_t user = device_.settings().disk.size_sectors;
    const std::uint64_t wanted = user != 0 && packet.u_size != 0 ? std::min(user, packet.u_size)
                                                                 : std::max(user, packet.u_size);
    if (wanted != 0 && wanted <= size) {
        size = wanted;
    }
    return size;
}

base::Result<void> PeerDevice::on_sizes(const proto::Sizes& packet) {
    heard_ = true;
    peer_max_bio_ = packet.max_bio_size;
    const base::Result<std::uint64_t> agreed = agree_on_size(packet);
    if (!agreed) {
        return agreed.error();
    }
    const std::uint64_t current = device_.size_sectors();
    const bool diskless = device_.own_max_sectors() == 0;
    if (!left_handshake_ && *agreed != 0 && *agreed < current &&
        (diskless ? device_.state().role == Role::Primary
                  : device_.state().disk >= DiskState::Outdated)) {
        return refusal(base::format("The peer's disk size is too small! (%llu < %llu sectors)",
                                    ull(*agreed),
                                    ull(current)));
    }
    // Growing or shrinking while connected is a command of its own; only the handshake sizes a
    // device.
    const bool may_size = !left_handshake_ || current == 0;
    if (may_size && *agreed != 0 && *agreed != current) {
        device_.set_size(*agreed);
    }
    if (left_handshake_ && packet.c_size == 0) {
        announce_sizes();  // asked for
    }
    return {};
}

void PeerDevice::on_uuids(const proto::Uuids& packet) {
    peer_ids_ = GenerationIds{packet.current, packet.bitmap, packet.history};
    ids_awaited_ = false;
    peer_dirty_bits_ = packet.dirty_bits;
    peer_flags_ = packet.flags;
    const VolumeState& state = device_.state();
    if ((packet.flags & proto::kUuidSkipInitialSync) != 0 && state.conn == ConnState::Connected &&
        device_.store.is_open() && device_.ids().current == kUuidJustCreated) {
        device_.log_line(base::LogLevel::Info,
                         "Accepted new current UUID, preparing to skip initial sync");
        device_.bitmap.clear_all();
        device_.store.write_bitmap();
        GenerationIds ids = device_.ids();
        ids.current = packet.current;
        ids.bitmap = 0;
        device_.store.set_ids(ids);
        VolumeState next = state;
        next.disk = next.pdsk = DiskState::UpToDate;
        device_.change_state(next);
    }
    if (state.disk < DiskState::Inconsistent && state.conn >= ConnState::Connected &&
        state.pdsk == DiskState::UpToDate) {
        device_.set_exposed_uuid(packet.current);
    }
}

// --- P_STATE (4.5) ---

base::Result<void> PeerDevice::on_state(const proto::State& packet) {
    const VolumeState peer = from_wire(packet.value);
    DiskState peer_disk = peer.disk;
    if (peer_disk == DiskState::Negotiating) {
        peer_disk = (peer_flags_ & proto::kUuidInconsistent) != 0 ? DiskState::Inconsistent
                                                                  : DiskState::Consistent;
        device_.log_line(base::LogLevel::Info,
                         base::format("real peer disk state = %s", name(peer_disk)));
    }
    base::Result<bool> handled = end_of_resync(peer, peer_disk);
    if (!handled) {
        return handled.error();
    }
    if (*handled) {
        return {};
    }
    const VolumeState& own = device_.state();
    if (own.pdsk == DiskState::UpToDate && peer_disk == DiskState::Inconsistent &&
        own.conn == ConnState::Connected && peer.conn > ConnState::SyncSource) {
        peer_disk = DiskState::UpToDate;
    }
    return settle(peer, peer_disk);
}

// Step 2: a target tells that it is done. True when there is nothing more to do.
base::Result<bool> PeerDevice::end_of_resync(const VolumeState& peer, DiskState& peer_disk) {
    const VolumeState& own = device_.state();
    const bool applies =
        own.disk == DiskState::UpToDate && own.conn > ConnState::Connected &&
        (own.pdsk == DiskState::Inconsistent || own.pdsk == DiskState::Consistent) &&
        peer_disk == DiskState::UpToDate;
    if (!applies) {
        return false;
    }
    if (peer.conn > ConnState::Connected && peer.conn < ConnState::SyncSource) {
        peer_disk = DiskState::Inconsistent;  // it only prepares
        return false;
    }
    if (own.conn >= ConnState::SyncSource && peer.conn == ConnState::Connected) {
        if (device_.bitmap.count() != 0) {
            return base::Error{
                base::ErrorCode::Invalid,
                base::format("the peer ended the resync, but %llu blocks are still out of sync",
                             ull(device_.bitmap.count()))};
        }
        finish_ = Finish::Pinging;
        finish_source_ = true;
        ping_serial_ = connection_.ping();
        return true;
    }
    return false;
}

bool PeerDevice::resync_decision_wanted(const VolumeState& peer) const {
    const VolumeState& own = device_.state();
    if (!peer_ids_ || peer.disk < DiskState::Negotiating || own.disk < DiskState::Negotiating) {
        return false;
    }
    const bool fresh = own.conn < ConnState::Connected;
    const bool attaching =
        own.conn == ConnState::Connected && (peer.disk == DiskState::Negotiating ||
                                             (own.disk == DiskState::Negotiating && !ids_awaited_));
    const bool peer_began = own.conn == ConnState::Connected &&
                            peer.conn >= ConnState::StartingSyncS &&
                            peer.conn <= ConnState::WFBitMapT;
    return fresh || attaching || consider_resync_ || peer_began;
}

SyncDecision PeerDevice::decide(const VolumeState& peer, DiskState peer_disk) const {
    const VolumeState& own = device_.state();
    SyncSide mine;
    mine.ids = device_.ids();
    mine.dirty_bits = sent_dirty_bits_;
    mine.crashed_primary = device_.crashed_primary();
    mine.discard_my_data = connection_.discard_my_data();
    mine.role = own.role;
    mine.disk = own.disk == DiskState::Negotiating ? device_.disk_when_attached() : own.disk;
    mine.attaching = own.disk == DiskState::Negotiating;
    SyncSide theirs;
    theirs.ids = *peer_ids_;
    theirs.dirty_bits = peer_dirty_bits_;
    theirs.crashed_primary = (peer_flags_ & proto::kUuidCrashedPrimary) != 0;
    theirs.discard_my_data = (peer_flags_ & proto::kUuidDiscardMyData) != 0;
    theirs.role = peer.role;
    theirs.disk = peer_disk;
    const NetSettings& net = core_.settings.net;
    const SyncPolicy policy{net.after_sb_0p,
                            net.after_sb_1p,
                            net.after_sb_2p,
                            net.rr_conflict,
                            net.always_asbp,
                            connection_.resolve_conflicts(),
                            connection_.has(proto::kFeatureWsame)};
    device_.log_line(base::LogLevel::Info, "drbd_sync_handshake:");
    device_.log_line(
        base::LogLevel::Info,
        base::format(
            "self %s bits:%llu flags:0", describe(mine.ids).c_str(), ull(mine.dirty_bits)));
    device_.log_line(base::LogLevel::Info,
                     base::format("peer %s bits:%llu flags:%llX",
                                  describe(theirs.ids).c_str(),
                                  ull(theirs.dirty_bits),
                                  ull(peer_flags_)));
    return decide_sync(mine, theirs, policy);
}

// Steps 5 to 9: who has the newer data, and the new state.
base::Result<void> PeerDevice::settle(const VolumeState& peer, DiskState peer_disk) {
    const VolumeState own = device_.state();
    VolumeState next = own;
    const bool fresh = own.conn < ConnState::Connected;
    if (own.conn == ConnState::WFReportParams) {
        next.conn = ConnState::Connected;
    }
    if (peer.conn == ConnState::Ahead) {
        next.conn = ConnState::Behind;
    }
    bool decided = false;
    if (resync_decision_wanted(peer)) {
        decided = true;
        if (peer.disk == DiskState::Negotiating) {
            announce_uuids();  // it decides by what we know now, before any correction
        }
        consider_resync_ = false;
        const SyncDecision decision = decide(peer, peer_disk);
        for (const SyncDecision::Line& line : decision.log) {
            device_.log_line(line.alert ? base::LogLevel::Alert : base::LogLevel::Info, line.text);
        }
        for (const std::string& handler : decision.handlers) {
            core_.emit(RunHandler{device_.number(), handler});
        }
        if (decision.refused) {
            if (own.disk == DiskState::Negotiating) {
                device_.disk_failed(true, "the peer's data do not fit: attach aborted");
                return {};
            }
            if (peer.disk == DiskState::Negotiating) {
                // It waits for our side to come to the same verdict, and then gives up the attach.
                peer_disk = DiskState::Diskless;
                announce_state();
            } else {
                return refusal(decision.log.empty() ? "refused" : decision.log.back().text);
            }
        } else {
            if (decision.comparison.own_corrected) {
                device_.store.set_ids(decision.comparison.own);
            }
            if (decision.comparison.peer_corrected) {
                peer_ids_ = decision.comparison.peer;
            }
            next.conn = decision.conn;
            if (decision.full) {
                device_.store.start_full_sync(true);
            }
            if (decision.conn == ConnState::Connected && device_.bitmap.count() != 0) {
                device_.log_line(base::LogLevel::Info,
                                 base::format("No resync, but %llu bits in bitmap!",
                                              ull(device_.bitmap.count())));
            }
        }
    }
    if (fresh && own.disk < DiskState::Inconsistent && own.role == Role::Primary && peer_ids_ &&
        device_.exposed_uuid() != 0 &&
        ((device_.exposed_uuid() ^ peer_ids_->current) & ~kUuidPrimaryBit) != 0) {
        return refusal("Can only connect to data with current UUID=" +
                       base::hex64(device_.exposed_uuid()));
    }
    if (fresh && own.disk < DiskState::Inconsistent && own.role == Role::Primary &&
        device_.peer_lacks_writes()) {
        return refusal("Can not connect: the peer lacks writes that the application saw completed");
    }
    // Connected data are UpToDate in DRBD. Without a disk the peer can't say whether ours still
    // lack writes, and nobody would be left to say so.
    if (fresh && own.disk == DiskState::Outdated && peer_disk < DiskState::Inconsistent) {
        return base::Error{base::ErrorCode::Busy,
                           "our data are outdated and the peer has no disk: waiting for its disk"};
    }
    if (decided && own.disk == DiskState::Negotiating &&
        (next.conn == ConnState::Connected || next.conn == ConnState::WFBitMapS)) {
        next.disk = device_.disk_when_attached();
    }
    next.peer = peer.role;
    next.pdsk = peer_disk;
    next.peer_isp = peer.aftr_isp || peer.user_isp;
    next = sanitise(next);
    if (fresh) {
        const StateCode code = check_validity(next, core_.settings.fencing);
        if (code != StateCode::Success && code != StateCode::ConnectedOutdates) {
            return refusal(base::format("State change failed: %s", text(code)));
        }
    }
    const bool peer_attached =
        !fresh && own.pdsk < DiskState::Negotiating && next.pdsk >= DiskState::Inconsistent;
    left_handshake_ = left_handshake_ || next.conn >= ConnState::Connected;
    device_.change_state(next);
    if (next.conn == ConnState::WFBitMapS || next.conn == ConnState::WFBitMapT) {
        if (own.conn != next.conn) {
            exchange.start();
        }
    }
    if (fresh) {
        announce_state();
    } else if (peer_attached) {
        if (peer.disk != DiskState::Negotiating) {
            announce_uuids();
        }
        announce_state();
    } else if (own.conn > ConnState::WFReportParams && next.conn > ConnState::Connected &&
               own.conn == ConnState::Connected && peer.conn <= ConnState::Connected &&
               peer.disk != DiskState::Negotiating) {
        announce_uuids();
        announce_state();
    }
    // The diskless Primary has accepted our data: from now on they go their own way, apart from
    // those on its disk.
    if (!fresh && peer.conn >= ConnState::Connected && peer.role == Role::Primary &&
        peer_disk < DiskState::Inconsistent && device_.state().disk == DiskState::UpToDate &&
        device_.ids().bitmap == 0) {
        device_.new_current_uuid();
    }
    if (fresh && device_.state().role == Role::Primary &&
        device_.state().disk < DiskState::Inconsistent && peer_ids_) {
        device_.set_exposed_uuid(peer_ids_->current);
    }
    return {};
}

// --- Changes with consent ---

void PeerDevice::request(std::uint32_t mask, std::uint32_t value) {
    REQUIRE(!request_pending_);
    reply_.reset();
    request_pending_ = true;
    request_mask_ = mask;
    connection_.request_ping();
    // After the announcements: an older state must not overtake it.
    announce(proto::Command::StateChgReq, encoded(proto::StateChgReq{mask, value}));
}

std::optional<StateCode> PeerDevice::take_reply() {
    return std::exchange(reply_, std::nullopt);
}

void PeerDevice::forget_request() {
    if (request_pending_) {
        given_up_.push_back(request_mask_);
    }
    request_pending_ = false;
    reply_.reset();
}

void PeerDevice::on_state_reply(const proto::StateChgReply& packet) {
    const auto code = static_cast<StateCode>(packet.code);
    if (!given_up_.empty()) {
        on_late_reply(given_up_.front(), code);
        given_up_.pop_front();
        return;
    }
    if (request_pending_) {
        request_pending_ = false;
        reply_ = code;
        core_.progress = true;
    }
}

// A role or a disk state that the peer saw is corrected by our next P_STATE. A resync that it has
// begun is not taken back by anything: the next handshake sees what the identifiers say of it.
void PeerDevice::on_late_reply(std::uint32_t mask, StateCode code) {
    constexpr std::uint32_t kConnBits = 0x1f0;
    if ((mask & kConnBits) != 0 && succeeded(code)) {
        connection_.drop(ConnState::NetworkFailure, "the peer began a resync that we had given up");
    }
}

void PeerDevice::on_state_request(const proto::StateChgReq& packet) {
    StateCode code = StateCode::ConcurrentStChg;
    if (!request_pending_ || !connection_.resolve_conflicts()) {
        const VolumeState own = device_.state();
        const VolumeState next = sanitise(apply_peer_request(own, packet.mask, packet.value));
        code = check_change(own, next, connection_.in_handshake(), core_.settings.fencing);
        if (code == StateCode::Success) {
            device_.change_state(next);
            if (next.conn == ConnState::StartingSyncS || next.conn == ConnState::StartingSyncT) {
                start_full_sync(next.conn);
            }
        } else if (!succeeded(code)) {
            device_.log_line(base::LogLevel::Info,
                             base::format("State change failed: %s", text(code)));
        }
    }
    connection_.send_meta(proto::Command::StateChgReply,
                          device_.number(),
                          encoded(proto::StateChgReply{static_cast<std::int32_t>(code)}));
}

// --- Resync ---

void PeerDevice::start_full_sync(ConnState conn) {
    device_.change_conn(conn);
    device_.store.start_full_sync(true);
    starting_sync_ = true;
}

void PeerDevice::on_out_of_sync(const proto::BlockDesc& block) {
    device_.mark_out_of_sync(block.sector, block.size);
}

void PeerDevice::on_sync_uuid(const proto::SyncUuid& packet) {
    held_sync_uuid_ = packet.uuid;
    core_.progress = true;
}

void PeerDevice::on_resync_write_acked(const proto::BlockAck& packet, bool ok) {
    if (ok) {
        device_.mark_in_sync(packet.sector, packet.size);
    }
    core_.progress = true;
}

bool PeerDevice::connection_up() const {
    return connection_.up();
}

io::Instant PeerDevice::next_deadline() const {
    return std::min(target.next_deadline(), in_handshake() && !heard_ ? silent_until_ : io::kNever);
}

void PeerDevice::advance() {
    while (!announcements_.empty() && device_.store.durable(announcements_.front().generation)) {
        const Announcement next = std::move(announcements_.front());
        announcements_.pop_front();
        connection_.send_data(next.command, device_.number(), next.body);
        core_.progress = true;
    }
    if (!connection_.up()) {
        return;
    }
    if (finish_ == Finish::Pinging && !device_.state().syncing()) {
        finish_ = Finish::None;  // a disk failed before the end was agreed on
    }
    advance_starting_sync();
    advance_bitmaps();
    advance_sync_source();
    advance_sync_target();
    source.advance();
    target.advance();
    if (device_.state().syncing() && core_.now - last_bitmap_write_ >= kBitmapWriteInterval) {
        last_bitmap_write_ = core_.now;
        device_.store.write_bitmap();
    }
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
    } else if (exchange.received() && !exchange.sent() && may_send) {
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
    if (storing_sync_uuid_ && device_.store.durable(sync_generation_) && announcements_.empty()) {
        storing_sync_uuid_ = false;
        VolumeState next = device_.state();
        next.conn = ConnState::SyncSource;
        next.pdsk = DiskState::Inconsistent;
        device_.change_state(next);
        begin_progress("Source");
        device_.log_line(base::LogLevel::Info, "updated sync UUID " + describe(device_.ids()));
        connection_.send(
            proto::Command::SyncUuid, device_.number(), proto::SyncUuid{new_sync_uuid_});
        core_.progress = true;
    }
    if (device_.state().conn == ConnState::SyncSource) {
        if (device_.bitmap.count() == 0) {
            device_.set_peer_may_bear_current(true);  // it may end the resync at any moment
        } else if (source.was_asked()) {
            device_.set_peer_may_bear_current(false);  // it asks once it has stored the sync UUID
        }
    }
    if (finish_ == Finish::Pinging && finish_source_ && connection_.answered(ping_serial_)) {
        finish_as_source();
    }
}

void PeerDevice::finish_as_source() {
    finish_ = Finish::None;
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
    device_.store.write_bitmap();
    connection_.on_peer_in_sync();
}

void PeerDevice::become_target(std::uint64_t sync_uuid) {
    GenerationIds ids = device_.ids();
    const std::uint64_t bit = device_.state().role == Role::Primary ? kUuidPrimaryBit : 0;
    ids.current = (sync_uuid & ~kUuidPrimaryBit) | bit;
    ids.bitmap = 0;
    device_.store.set_ids(ids);
    device_.log_line(base::LogLevel::Info, "updated sync uuid " + describe(ids));
    core_.emit(RunHandler{device_.number(), "before-resync-target"});
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
    if (held_sync_uuid_ && (conn == ConnState::WFSyncUUID || conn == ConnState::Behind)) {
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
        target.start();
    }
    if (syncing && target.done() && finish_ == Finish::None) {
        finish_ = Finish::Pinging;
        finish_source_ = false;
        ping_serial_ = connection_.ping();
    }
    if (finish_ == Finish::Pinging && !finish_source_ && connection_.answered(ping_serial_)) {
        finish_as_target();
    }
}

void PeerDevice::finish_as_target() {
    finish_ = Finish::None;
    if (!target.done()) {
        return;  // a write of the application made new work in the meantime
    }
    const std::uint64_t failed = target.failed_bits();
    target.stop();
    report_done(failed);
    VolumeState next = device_.state();
    next.conn = ConnState::Connected;
    if (failed == 0 && peer_ids_) {
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
    device_.store.write_bitmap();
    announce_state();
    core_.emit(RunHandler{device_.number(), "after-resync-target"});
}

void PeerDevice::begin_progress(const char* role) {
    sync_started_ = speed_at_ = last_bitmap_write_ = core_.now;
    sync_total_bits_ = speed_left_ = device_.bitmap.count();
    speed_kib_ = 0;
    device_.log_line(base::LogLevel::Info,
                     base::format("Began resync as Sync%s (will sync %llu KB [%llu bits set]).",
                                  role,
                                  ull(sync_total_bits_ * 4),
                                  ull(sync_total_bits_)));
}

void PeerDevice::report_done(std::uint64_t failed) const {
    const double seconds =
        std::max(std::chrono::duration<double>(core_.now - sync_started_).count(), 0.001);
    device_.log_line(base::LogLevel::Info,
                     base::format("Resync done (total %.0f sec; paused 0 sec; %.0f K/sec)",
                                  seconds,
                                  static_cast<double>(sync_total_bits_ * 4) / seconds));
    if (failed > 0) {
        device_.log_line(base::LogLevel::Error,
                         base::format("            %llu failed blocks", ull(failed)));
    }
}

std::optional<ResyncProgress> PeerDevice::progress(io::Instant now) const {
    if (!device_.state().syncing()) {
        return std::nullopt;
    }
    ResyncProgress progress;
    progress.total_bits = sync_total_bits_;
    progress.left_bits = device_.bitmap.count();
    progress.failed_bits = target.failed_bits();
    progress.started = sync_started_;
    const double seconds = std::chrono::duration<double>(now - speed_at_).count();
    if (seconds >= 1.0) {
        const double done =
            static_cast<double>(speed_left_) - static_cast<double>(progress.left_bits);
        speed_kib_ = done > 0 ? static_cast<std::uint64_t>(done * 4 / seconds) : 0;
        speed_at_ = now;
        speed_left_ = progress.left_bits;
    }
    progress.kib_per_second = speed_kib_;
    if (speed_kib_ > 0) {
        progress.eta_seconds = progress.left_bits * 4 / speed_kib_;
    }
    return progress;
}

}  // namespace engine
