#include "drbdd/engine/peer/peer_device.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/encoded.h"
#include "drbdd/engine/rules/state_rules.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>

namespace engine {

namespace {

constexpr io::Duration kBitmapWriteInterval = std::chrono::seconds(2);
constexpr io::Duration kVolumeUnknownAfter = std::chrono::seconds(5);

}  // namespace

PeerDevice::PeerDevice(Core& core, Device& device, Connection& connection)
    : exchange(core, device),
      target(core, device),
      source(core, device),
      verify_source(core, device),
      verify_target(core, device),
      core_(core),
      device_(device),
      connection_(connection) {
}

void PeerDevice::start() {
    left_handshake_ = heard_ = ids_awaited_ = consider_resync_ = refused_write_ = false;
    silent_until_ = core_.now + kVolumeUnknownAfter;
    sequence_ = 0;
    peer_ids_.reset();
    forget_growth();
    peer_flags_ = 0;
    told_disk_ = told_own_disk_ = DiskState::DUnknown;
    peer_dirty_bits_ = 0;
    told_conn_ = ConnState::StandAlone;
    skipped_sync_ = peer_has_left_ = false;
    forget_request();
}

void PeerDevice::on_connection_lost() {
    ahead_.reset();
    leave_resync();
    verify_source.on_connection_lost();
    verify_target.on_connection_lost();
    announcements_.clear();
    parameters_due_ = io::kNever;
    given_up_.clear();
    forget_growth();
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

void PeerDevice::announce_sync_param() {
    const DiskSettings& disk = device_.settings().disk;
    proto::SyncParam89 parameters;
    parameters.resync_rate = disk.resync_rate_kib;
    parameters.c_plan_ahead = disk.c_plan_ahead;
    parameters.c_delay_target = disk.c_delay_target;
    parameters.c_fill_target = disk.c_fill_target;
    if (disk.c_max_rate_kib != 0) {
        parameters.c_max_rate = disk.c_max_rate_kib;
    }
    parameters.verify_alg = core_.settings.net.verify_alg;
    parameters.csums_alg = core_.settings.net.csums_alg;
    announce(proto::Command::SyncParam89, encoded(parameters));
}

// Frozen applications have heard nothing since the contact was lost, and the current identifier is
// still that of both. What was on its way then may be on one disk alone: as after a crash of a
// Primary, which is how the peer is told, the marked blocks are copied (5.3, rule 41). Early
// versions of 8.4 do not know that.
void PeerDevice::note_unrotated() {
    tells_unrotated_ = device_.freezer.owes_generation() && device_.freezer.in_doubt();
    if (tells_unrotated_ && !connection_.has(proto::kFeatureWsame)) {
        tells_unrotated_ = false;
        device_.freezer.begin_owed_generation();
    }
}

void PeerDevice::send_parameters() {
    note_unrotated();
    told_verify_alg_ = core_.settings.net.verify_alg;
    told_csums_alg_ = core_.settings.net.csums_alg;
    announce_sync_param();
    if (hides_room() && !told_sizes_) {
        parameters_due_ = core_.now + core_.settings.net.ping_timeout;
    } else {
        tell_parameters();
    }
}

void PeerDevice::retell_parameters() {
    if (!connection_.up() || heard_ || device_.state().conn != ConnState::WFReportParams) {
        return;
    }
    if (connection_.has(proto::kFeatureExplicitFlush)) {
        VolumeState nothing = device_.state();
        nothing.conn = ConnState::StandAlone;
        announce(proto::Command::State, encoded(proto::State{to_wire(nothing)}));
    }
    send_parameters();
}

void PeerDevice::tell_parameters() {
    parameters_due_ = io::kNever;
    told_parameters_at_ = core_.now;
    announce_sizes();
    announce_uuids();
    announce(proto::Command::State, first_state(device_.state().disk));
    announcements_.back().first_state = true;
}

std::vector<std::uint8_t> PeerDevice::first_state(DiskState disk) {
    VolumeState state = device_.state();
    state.disk = disk;
    state.conn = ConnState::WFConnection;
    return own_state(state);
}

// That a disk is being read says nothing to the peer. A kernel answers to one that comes with its
// identifiers when it knew that we had none.
std::vector<std::uint8_t> PeerDevice::own_state(VolumeState state) {
    if (state.disk == DiskState::Attaching) {
        state.disk = DiskState::Diskless;
    }
    told_own_disk_ = state.disk;
    return encoded(proto::State{to_wire(state)});
}

// A state that tells of the disk would say without them that its data are good: a peer that has
// crashed as Primary would forget that it did.
void PeerDevice::forget_what_was_not_stored() {
    const auto unstored = [this](const Announcement& announcement) {
        return !device_.store.durable(announcement.generation);
    };
    std::erase_if(announcements_, [&](const Announcement& announcement) {
        const bool of_disk = announcement.command == proto::Command::Uuids ||
                             announcement.command == proto::Command::SyncUuid ||
                             announcement.command == proto::Command::State;
        return of_disk && !announcement.first_state && unstored(announcement);
    });
    for (Announcement& announcement : announcements_) {
        if (announcement.first_state && unstored(announcement)) {
            announcement.body = first_state(DiskState::Diskless);
        }
    }
}

void PeerDevice::announce_attached() {
    ids_awaited_ =
        connection_.has(proto::kFeatureExplicitFlush) || told_own_disk_ == DiskState::Diskless;
    announce_sizes();
    announce_uuids();
    announce_state();
}

void PeerDevice::announce_sizes(std::uint16_t flags) {
    send_sizes(device_.size_sectors(), flags);
}

// Room that the device does not use is not shown to a kernel: it would take it into use in the next
// handshake, and leave what is added different on both nodes.
bool PeerDevice::hides_room() const {
    return !connection_.has(proto::kFeatureExplicitFlush) && device_.size_sectors() != 0 &&
           device_.own_max_sectors() > device_.size_sectors();
}

void PeerDevice::send_sizes(std::uint64_t c_size, std::uint16_t flags) {
    if (!connection_.up() || parameters_owed()) {
        return;
    }
    proto::Sizes sizes;
    const bool disk = device_.state().disk >= DiskState::Negotiating;
    const bool asks_to_grow = c_size == 0;  // it has to know of the room then
    sizes.d_size = !disk                           ? 0
                   : hides_room() && !asks_to_grow ? device_.size_sectors()
                                                   : device_.own_max_sectors();
    sizes.u_size = disk ? device_.settings().disk.size_sectors : 0;
    sizes.c_size = c_size;
    sizes.max_bio_size = proto::kMaxDataBytes;
    sizes.dds_flags = flags;
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
    if (device_.lineage().crashed_primary() || (tells_unrotated_ && !left_handshake_)) {
        uuids.flags |= proto::kUuidCrashedPrimary;
    }
    if (device_.state().disk == DiskState::Negotiating &&
        device_.disk_when_attached() == DiskState::Inconsistent) {
        uuids.flags |= proto::kUuidInconsistent;
    }
    return uuids;
}

void PeerDevice::announce_uuids() {
    if (!connection_.up() || parameters_owed() || device_.state().disk < DiskState::Negotiating) {
        return;
    }
    sent_dirty_bits_ = device_.bitmap.count();
    announce(proto::Command::Uuids, encoded(own_uuids()));
}

void PeerDevice::announce_state() {
    if (connection_.up() && !parameters_owed()) {
        announce(proto::Command::State, own_state(device_.state()));
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

// --- Changes with consent ---

void PeerDevice::request(const StateRequest& wanted) {
    REQUIRE(!request_pending_);
    if (parameters_owed()) {
        tell_parameters();
    }
    reply_.reset();
    request_pending_ = true;
    request_ = wanted;
    connection_.request_ping();
    // After the announcements: an older state must not overtake it.
    const MaskedWord word = to_wire(wanted);
    announce(proto::Command::StateChgReq, encoded(proto::StateChgReq{word.mask, word.value}));
}

std::optional<StateCode> PeerDevice::take_reply() {
    return std::exchange(reply_, std::nullopt);
}

// It waits for what has to be on our disk before the peer hears more of us.
std::deque<PeerDevice::Announcement>::const_iterator PeerDevice::unsent_request() const {
    return std::find_if(announcements_.begin(), announcements_.end(), [](const auto& announcement) {
        return announcement.command == proto::Command::StateChgReq;
    });
}

bool PeerDevice::request_unsent() const {
    return request_pending_ && unsent_request() != announcements_.end();
}

void PeerDevice::forget_request() {
    if (request_pending_) {
        const auto unsent = unsent_request();
        if (unsent != announcements_.end()) {
            announcements_.erase(unsent);
        } else {
            given_up_.push_back(request_);
        }
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
// begun is not taken back by anything: the next handshake sees what the identifiers say of it. A
// verify has ended with our P_STATE.
void PeerDevice::on_late_reply(const StateRequest& given_up, StateCode code) {
    const bool verify = given_up.conn == ConnState::VerifyS && connection_.dialect() != 100;
    if (given_up.conn && succeeded(code) && !verify) {
        connection_.drop(ConnState::NetworkFailure, "the peer began a resync that we had given up");
    }
}

void PeerDevice::on_state_request(const proto::StateChgReq& packet) {
    StateCode code = StateCode::ConcurrentStChg;
    if (!peer_may_ask(packet.mask, packet.value)) {
        code = StateCode::NotSupported;
        device_.log_line(base::LogLevel::Error,
                         base::format("the peer asks for what is not its business: state change "
                                      "mask 0x%x, value 0x%x; refused",
                                      packet.mask,
                                      packet.value));
    } else if (!request_pending_ || !connection_.resolve_conflicts()) {
        const VolumeState own = device_.state();
        const VolumeState wanted = apply_peer_request(own, packet.mask, packet.value);
        const VolumeState next = sanitise(wanted);
        code = check_peer_request(
            own, wanted, connection_.in_handshake(), core_.settings.state_policy());
        // Of a detach we only agree that it may be: its P_STATE tells when it is, and until then
        // the peer has what it had. It may be given up, or the connection be lost.
        const bool detach =
            own.pdsk >= DiskState::Inconsistent && next.pdsk < DiskState::Negotiating;
        if (code == StateCode::Success && !detach) {
            if (next.conn == ConnState::StartingSyncS || next.conn == ConnState::StartingSyncT) {
                start_full_sync(next);
            } else {
                device_.change_state(next);
                if (next.conn == ConnState::VerifyT && own.conn != ConnState::VerifyT) {
                    join_verify();
                }
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

// --- Progress ---

bool PeerDevice::connection_up() const {
    return connection_.up();
}

io::Instant PeerDevice::next_deadline() const {
    return std::min({target.next_deadline(),
                     verify_source.next_deadline(),
                     in_handshake() && !heard_ ? silent_until_ : io::kNever,
                     parameters_due_,
                     ahead_deadline(),
                     finish_ == Finish::Settling ? settle_until_ : io::kNever});
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
    if (core_.now >= parameters_due_) {
        tell_parameters();
    }
    if (finish_ != Finish::None && !device_.state().syncing()) {
        finish_ = Finish::None;  // a disk failed before the end was agreed on
    }
    if (asked_to_grow_ && !device_.resizer.measuring() && !device_.resizer.running()) {
        answer_growth();
    }
    if (growth_ && !device_.resizer.running()) {
        finish_growth();
    }
    advance_starting_sync();
    advance_repair();
    advance_ahead();
    advance_bitmaps();
    advance_sync_source();
    advance_sync_target();
    source.advance();
    target.advance();
    advance_verify();
    note_progress();
    const bool marks = device_.state().syncing() || verifying(device_.state().conn);
    if (marks && core_.now - last_bitmap_write_ >= kBitmapWriteInterval) {
        last_bitmap_write_ = core_.now;
        device_.store.write_bitmap();
    }
}

}  // namespace engine
