// Whose data are newer: what the peer says of itself in the handshake and in each P_STATE, and the
// state that follows. Wire specification, sections 3.4 to 3.8, 4.5 and 5.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/encoded.h"
#include "drbdd/engine/peer/peer_device.h"
#include "drbdd/engine/rules/state_rules.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>
#include <bit>

namespace engine {

using base::ull;

namespace {

base::Error refusal(std::string text) {
    return {base::ErrorCode::State, std::move(text)};
}

}  // namespace

// The peer has removed this volume and has it again: all is said anew.
void PeerDevice::begin_anew() {
    on_connection_lost();
    device_.change_conn(ConnState::WFReportParams);
    start();
    send_parameters();
}

// A kernel that has got the volume later than we has not listened to what we said of it.
bool PeerDevice::told_in_vain() const {
    return !heard_ && !connection_.has(proto::kFeatureExplicitFlush) && !parameters_owed() &&
           core_.now >= told_parameters_at_ + core_.settings.net.ping_timeout;
}

base::Result<void> PeerDevice::on_sync_param(const proto::SyncParam89& packet) {
    if (peer_has_left_) {
        begin_anew();
    } else if (told_in_vain()) {
        send_parameters();
    }
    if (!left_handshake_ && packet.verify_alg != told_verify_alg_) {
        connection_.refuse(base::format("Different verify-alg settings. me=\"%s\" peer=\"%s\"",
                                        told_verify_alg_.c_str(),
                                        packet.verify_alg.c_str()));
    } else if (!left_handshake_ && packet.csums_alg != told_csums_alg_) {
        connection_.refuse(base::format("Different csums-alg settings. me=\"%s\" peer=\"%s\"",
                                        told_csums_alg_.c_str(),
                                        packet.csums_alg.c_str()));
    } else if (left_handshake_) {
        connection_.adopt_algorithms(packet.verify_alg, packet.csums_alg);
    }
    return {};
}

std::uint64_t PeerDevice::agreed_size(const proto::Sizes& packet, std::uint64_t own) const {
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

std::uint64_t PeerDevice::fitting_size(std::uint64_t own, std::uint64_t room) const {
    if (!told_sizes_) {
        return own;
    }
    if (own != 0 && told_sizes_->c_size > own && told_sizes_->c_size <= room) {
        return told_sizes_->c_size;
    }
    return std::min(own, agreed_size(*told_sizes_, own));
}

// A node without a disk has nothing to tell.
void PeerDevice::note_block_size(const proto::Sizes& packet) {
    const std::uint32_t bytes = packet.logical_block_size;
    if (packet.has_limits && packet.d_size != 0 && std::has_single_bit(bytes) &&
        bytes >= base::kSectorBytes && bytes <= kLargestBlock && bytes != peer_block_bytes_) {
        peer_block_bytes_ = bytes;
        core_.emit(StatusChanged{});
    }
}

base::Result<void> PeerDevice::on_sizes(const proto::Sizes& packet) {
    const base::Result<void> taken = take_sizes(packet);
    if (taken && parameters_owed()) {
        tell_parameters();
    }
    return taken;
}

base::Result<void> PeerDevice::take_sizes(const proto::Sizes& packet) {
    heard_ = true;
    for (const std::uint64_t sectors : {packet.d_size, packet.u_size, packet.c_size}) {
        if (sectors > meta::kMaxDeviceBytes / base::kSectorBytes) {
            return base::Error{
                base::ErrorCode::Invalid,
                base::format("a size of %llu sectors: the limit is 1 PiB", ull(sectors))};
        }
    }
    peer_max_bio_ = packet.max_bio_size;
    told_sizes_ = packet;
    note_block_size(packet);
    // The peer's administrator has the last word. The `size` in the file of a node that attaches
    // its disk is no such word: nobody's device shrinks under its users for that.
    const bool resized = left_handshake_ && packet.c_size == 0;
    if (resized && packet.d_size != 0 && device_.attached()) {
        device_.want_size(packet.u_size);
    }
    // A disk that is still being attached has no say yet: see fitting_size().
    const bool diskless = device_.state().disk < DiskState::Negotiating;
    std::uint64_t agreed = agreed_size(packet, diskless ? 0 : device_.own_max_sectors());
    const std::uint64_t current = device_.size_sectors();
    if (!left_handshake_ && current != 0 && packet.c_size != 0) {
        // Room that neither uses is taken into use when an administrator says so.
        agreed = std::min(agreed, std::max(current, packet.c_size));
    }
    const bool named =
        resized && packet.u_size == agreed && device_.state().conn == ConnState::Connected;
    if (agreed != 0 && agreed < current && !named &&
        (diskless ? device_.state().role == Role::Primary
                  : device_.state().disk >= DiskState::Outdated)) {
        return refusal(base::format(
            "The peer's disk size is too small! (%llu < %llu sectors)", ull(agreed), ull(current)));
    }
    const bool may_size = !left_handshake_ || current == 0;
    const bool asked = std::exchange(growth_asked_, false);
    const bool ours = connection_.has(proto::kFeatureExplicitFlush);
    if (asked && !ours && agreed == current) {
        announce_sizes();  // it can't grow, and is to forget the room that it was shown
    }
    if (!left_handshake_) {
        grown_apart_ = ours && current != 0 && packet.c_size != 0 && packet.c_size != current;
    }
    if (may_size && agreed != 0 && agreed != current) {
        device_.set_size(agreed);
    } else if (!may_size && agreed < current && agreed != 0) {
        device_.set_size(agreed);
        announce_sizes(packet.dds_flags);  // asked for
    } else if (!may_size && packet.c_size == 0) {
        asked_to_grow_ = true;  // our disk may have grown, too
        if (device_.attached() && !device_.detaching()) {
            device_.resizer.measure();
        }
    } else if (!may_size && diskless && packet.c_size > current) {
        device_.set_size(packet.c_size);  // it has grown; nothing of ours is to be moved
    } else if (!may_size && agreed > current && packet.c_size > current) {
        if (!may_grow()) {
            return base::Error{base::ErrorCode::Invalid,
                               "the peer resizes the device during a resync"};
        }
        grow(agreed, packet);
    }
    return {};
}

// --- Growth, asked for by an administrator of either node (3.5) ---

void PeerDevice::ask_for_growth(bool assume_clean) {
    growth_asked_ = true;
    announce_uuids();
    const std::uint16_t flags = assume_clean ? proto::kSizesNoResync : 0;
    send_sizes(0, flags);
}

bool PeerDevice::may_grow() const {
    return device_.state().conn == ConnState::Connected && !device_.store.full_sync_running() &&
           !device_.resizer.running() && !growth_;
}

// The peer's device has become larger, which knows from our P_SIZES that we have the room: we
// follow. Room alone, as a larger disk that is attached brings it, changes nothing.
void PeerDevice::grow(std::uint64_t sectors, const proto::Sizes& packet) {
    const std::uint64_t current = device_.size_sectors();
    const bool clean = (packet.dds_flags & proto::kSizesNoResync) != 0;
    if (sectors > current) {
        device_.log_line(
            base::LogLevel::Info,
            base::format("resized together with the peer from %llu to %llu sectors%s",
                         ull(current),
                         ull(sectors),
                         clean ? "; what is added is vouched for (assume-clean)" : ""));
    }
    growth_ = Growth{sectors > current,
                     static_cast<std::uint16_t>(packet.dds_flags & proto::kSizesAskedFor),
                     packet.c_size == 0};
    if ((packet.dds_flags & (proto::kSizesCopyFromSender | proto::kSizesCopyToSender)) != 0) {
        growth_->from_us = (packet.dds_flags & proto::kSizesCopyToSender) != 0;
    }
    if (const auto started = device_.resizer.start(sectors, !clean); !started) {
        device_.log_line(base::LogLevel::Error, started.error().text);
        growth_->grows = false;
    }
    if (!device_.resizer.running()) {
        finish_growth();
    }
}

// The peer's administrator wants the device to grow. Our disk has been looked at: the metadata go
// to its end also where the device can't grow, since the peer's disk has no room.
void PeerDevice::answer_growth() {
    asked_to_grow_ = false;
    core_.progress = true;
    // Two administrators at once: one is enough.
    const bool crossed = growth_asked_ && connection_.resolve_conflicts();
    if (!told_sizes_ || !device_.attached() || device_.detaching() || !may_grow() || crossed) {
        announce_sizes();
        return;
    }
    const proto::Sizes asked = *told_sizes_;
    grow(std::max(device_.size_sectors(), agreed_size(asked, device_.max_after_move())), asked);
}

// Roles may change while a disk is slow: one node decides, and tells the other one. A kernel is
// told nothing and decides for itself.
void PeerDevice::finish_growth() {
    const Growth growth = *std::exchange(growth_, std::nullopt);
    const VolumeState& state = device_.state();
    const bool disks = state.disk >= DiskState::Inconsistent &&
                       state.pdsk >= DiskState::Inconsistent && state.pdsk != DiskState::DUnknown;
    const bool copies = growth.grows && disks && (growth.flags & proto::kSizesNoResync) == 0 &&
                        state.conn == ConnState::Connected;
    const bool from_us = growth.from_us.value_or(new_blocks_are_ours());
    std::uint16_t told = growth.flags;
    if (copies && growth.answers && connection_.has(proto::kFeatureExplicitFlush)) {
        told |= from_us ? proto::kSizesCopyFromSender : proto::kSizesCopyToSender;
    }
    core_.progress = true;
    announce_sizes(told);
    if (copies && (!from_us || state.disk == DiskState::UpToDate)) {
        resync_what_was_added(from_us);
    } else if (growth.from_us) {
        connection_.drop(ConnState::NetworkFailure, "the copy of what was added can't begin");
    }
}

void PeerDevice::forget_growth() {
    told_sizes_.reset();
    growth_.reset();
    growth_asked_ = asked_to_grow_ = grown_apart_ = false;
}

void PeerDevice::on_uuids(const proto::Uuids& packet) {
    peer_ids_ = GenerationIds{packet.current, packet.bitmap, packet.history};
    ids_awaited_ = false;
    peer_dirty_bits_ = packet.dirty_bits;
    peer_flags_ = packet.flags;
    if (accepts_skipped_sync(packet)) {
        device_.log_line(base::LogLevel::Info,
                         "Accepted new current UUID, preparing to skip initial sync");
        take_for_equal(packet.current);
    }
    device_.on_peer_generation(packet.current);
}

// --- A first resync that is skipped (5.6) ---

bool PeerDevice::may_skip_initial_sync() const {
    const VolumeState& state = device_.state();
    return told_connected() && state.conn == ConnState::Connected &&
           state.role == Role::Secondary && state.peer == Role::Secondary &&
           state.disk == DiskState::Inconsistent && state.pdsk == DiskState::Inconsistent &&
           device_.attached() && peer_ids_ && device_.ids().current == kUuidJustCreated &&
           peer_ids_->current == kUuidJustCreated;
}

// The peer hears of it when it is on our disk, and says nothing: no state is exchanged for it.
void PeerDevice::skip_initial_sync() {
    GenerationIds ids = device_.ids();
    ids.rotate_bitmap(kUuidJustCreated);
    ids.current = core_.prng.next() & ~kUuidPrimaryBit;
    device_.store.set_ids(ids);
    device_.bitmap.clear_all();
    proto::Uuids told = own_uuids();
    told.flags |= proto::kUuidSkipInitialSync;
    sent_dirty_bits_ = 0;
    announce(proto::Command::Uuids, encoded(told));
    device_.log_line(base::LogLevel::Info,
                     "new current UUID " + describe(ids) + ", skipping the initial sync");
    skipped_sync_ = true;
    take_for_equal(ids.current);
    peer_ids_ = device_.ids();
}

// Believed of a pair that nobody has used: anyone's data would pass for equal to those of a disk
// that lacks them. Where both nodes were told to, their words cross: the larger identifier counts
// on both.
bool PeerDevice::accepts_skipped_sync(const proto::Uuids& packet) const {
    const VolumeState& state = device_.state();
    const bool unused = state.conn == ConnState::Connected && state.role == Role::Secondary &&
                        state.peer == Role::Secondary && device_.attached() &&
                        state.disk == state.pdsk;
    const bool names_one = packet.current > (kUuidJustCreated | kUuidPrimaryBit);
    if ((packet.flags & proto::kUuidSkipInitialSync) == 0 || !unused || !names_one) {
        return false;
    }
    const std::uint64_t own = device_.ids().current;
    return own == kUuidJustCreated
               ? state.disk == DiskState::Inconsistent
               : skipped_sync_ && state.disk == DiskState::UpToDate && packet.current > own;
}

void PeerDevice::take_for_equal(std::uint64_t current) {
    device_.bitmap.clear_all();
    device_.store.write_bitmap();
    GenerationIds ids = device_.ids();
    ids.current = current;
    ids.bitmap = 0;
    device_.store.set_ids(ids);
    VolumeState next = device_.state();
    next.disk = next.pdsk = DiskState::UpToDate;
    device_.change_state(next);
}

// --- P_STATE (4.5) ---

base::Result<void> PeerDevice::on_state(const proto::State& packet) {
    if (parameters_owed()) {
        tell_parameters();
    }
    const VolumeState peer = from_wire(packet.value);
    DiskState peer_disk = peer.disk;
    const bool back_at_the_start =
        left_handshake_ && told_connected() && peer.conn == ConnState::WFReportParams;
    if (peer.conn == ConnState::StandAlone || back_at_the_start) {
        const DiskState known = device_.state().pdsk;
        if (left_handshake_ && known >= DiskState::Inconsistent && known != DiskState::DUnknown) {
            return base::Error{base::ErrorCode::Invalid, "the peer removes a volume with its disk"};
        }
        peer_has_left_ = true;
        device_.log_line(base::LogLevel::Warning,
                         "The peer has removed this volume, or begins anew");
        return {};
    }
    told_disk_ = peer.disk;
    told_conn_ = peer.conn;
    if (peer_disk == DiskState::Negotiating) {
        peer_disk = (peer_flags_ & proto::kUuidInconsistent) != 0 ? DiskState::Inconsistent
                                                                  : DiskState::Consistent;
        device_.log_line(base::LogLevel::Info,
                         base::format("real peer disk state = %s", name(peer_disk)));
    }
    if (device_.state().conn == ConnState::VerifyT && peer.conn == ConnState::Connected &&
        peer_disk == DiskState::UpToDate) {
        on_peer_ended_verify();
    }
    base::Result<bool> handled = end_of_resync(peer, peer_disk);
    if (!handled) {
        return handled.error();
    }
    if (*handled) {
        return take_role(peer);
    }
    const VolumeState& own = device_.state();
    if (refused_write_ && own.conn == ConnState::Connected && peer.conn <= ConnState::Connected &&
        peer_disk > DiskState::Inconsistent) {
        peer_disk = DiskState::Inconsistent;
    }
    if (own.pdsk == DiskState::UpToDate && peer_disk == DiskState::Inconsistent &&
        own.conn == ConnState::Connected && peer.conn > ConnState::SyncSource) {
        peer_disk = DiskState::UpToDate;
    }
    return on_peer_state(peer, peer_disk);
}

// All that such a state says besides: it may be the peer's last word on its role.
base::Result<void> PeerDevice::take_role(const VolumeState& peer) {
    VolumeState next = device_.state();
    next.peer = peer.role;
    if (next.role == Role::Primary && next.peer == Role::Primary) {
        return refusal(text(StateCode::TwoPrimaries));
    }
    device_.change_state(next);
    return {};
}

// Step 2: a target tells that it is done. True when there is nothing more to do.
base::Result<bool> PeerDevice::end_of_resync(const VolumeState& peer, DiskState& peer_disk) {
    const VolumeState& own = device_.state();
    const bool as_source = own.conn == ConnState::SyncSource || own.conn == ConnState::PausedSyncS;
    if (as_source && source.refused_any() && peer.conn == ConnState::Connected &&
        peer_disk == DiskState::Inconsistent) {
        VolumeState next = own;  // it has what could be read; the rest stays marked
        next.conn = ConnState::Connected;
        device_.change_state(next);
        return true;
    }
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
    if (own.conn == ConnState::Ahead) {
        return false;  // it has not heard of that yet
    }
    if (own.conn >= ConnState::SyncSource && peer.conn == ConnState::Connected) {
        finish_ = Finish::Settling;
        finish_source_ = true;
        settle_until_ = core_.now + core_.settings.net.timeout;
        connection_.transfer_log.close_epoch();
        device_.set_peer_may_bear_current(true);
        core_.progress = true;
        return true;
    }
    return false;
}

OwnSide PeerDevice::own_side(const VolumeState& peer) const {
    OwnSide own;
    own.state = device_.state();
    own.data.ids = device_.ids();
    // As the peer knows them when it decides: one that attaches a disk is told anew.
    own.data.dirty_bits =
        peer.disk == DiskState::Negotiating ? device_.bitmap.count() : sent_dirty_bits_;
    own.data.crashed_primary =
        device_.lineage().crashed_primary() || (tells_unrotated_ && !left_handshake_);
    own.data.discard_my_data = connection_.discard_my_data();
    own.data.role = own.state.role;
    own.data.attaching = own.state.disk == DiskState::Negotiating;
    own.data.disk = own.data.attaching ? device_.disk_when_attached() : own.state.disk;
    own.ids_awaited = ids_awaited_;
    own.consider_resync = consider_resync_;
    own.exposed_uuid = device_.lineage().exposed_uuid();
    own.peer_has_other_data = peer_ids_ && device_.lineage().other_data_exposed(peer_ids_->current);
    own.peer_lacks_writes = device_.lineage().peer_lacks_writes();
    return own;
}

ToldSide PeerDevice::told_side(const VolumeState& peer, DiskState peer_disk) const {
    ToldSide told;
    told.state = peer;
    told.disk = peer_disk;
    if (peer_ids_) {
        told.data.emplace();
        told.data->ids = *peer_ids_;
        told.data->dirty_bits = peer_dirty_bits_;
        told.data->crashed_primary = (peer_flags_ & proto::kUuidCrashedPrimary) != 0;
        told.data->discard_my_data = (peer_flags_ & proto::kUuidDiscardMyData) != 0;
    }
    return told;
}

SyncPolicy PeerDevice::sync_policy() const {
    const NetSettings& net = core_.settings.net;
    return {net.after_sb_0p,
            net.after_sb_1p,
            net.after_sb_2p,
            net.rr_conflict,
            net.always_asbp,
            connection_.resolve_conflicts(),
            connection_.has(proto::kFeatureWsame),
            grown_apart_};
}

// In DRBD's words; what follows for our identifiers and our bitmap.
void PeerDevice::take_decision(const OwnSide& own,
                               const ToldSide& told,
                               const SyncDecision& decision) {
    const auto log_side = [this](const char* who, const SyncSide& side, std::uint64_t flags) {
        device_.log_line(base::LogLevel::Info,
                         base::format("%s %s bits:%llu flags:%llX",
                                      who,
                                      describe(side.ids).c_str(),
                                      ull(side.dirty_bits),
                                      ull(flags)));
    };
    device_.log_line(base::LogLevel::Info, "drbd_sync_handshake:");
    log_side("self", own.data, 0);
    log_side("peer", *told.data, peer_flags_);
    for (const SyncDecision::Line& line : decision.log) {
        device_.log_line(line.alert ? base::LogLevel::Alert : base::LogLevel::Info, line.text);
    }
    for (const std::string& handler : decision.handlers) {
        core_.emit(RunHandler{device_.number(), handler});
    }
    if (decision.refused) {
        return;
    }
    if (decision.comparison.own_corrected) {
        device_.store.set_ids(decision.comparison.own);
    }
    if (decision.comparison.peer_corrected) {
        peer_ids_ = decision.comparison.peer;
    }
    if (decision.full) {
        device_.store.start_full_sync(true);
    }
    if (decision.conn == ConnState::Connected && device_.bitmap.count() != 0) {
        device_.log_line(
            base::LogLevel::Info,
            base::format("No resync, but %llu bits in bitmap!", ull(device_.bitmap.count())));
    }
}

// Steps 5 to 9: what is to be is judged elsewhere; here it is done.
base::Result<void> PeerDevice::on_peer_state(const VolumeState& peer, DiskState peer_disk) {
    const OwnSide own = own_side(peer);
    const ToldSide told = told_side(peer, peer_disk);
    const Verdict verdict = judge(own, told, sync_policy(), core_.settings.fencing);
    if (verdict.tell_ids_first) {
        announce_uuids();
    }
    if (verdict.decision) {
        consider_resync_ = false;
        take_decision(own, told, *verdict.decision);
    }
    if (verdict.attach_aborted) {
        device_.give_up_disk("the peer's data do not fit: attach aborted");
        return {};
    }
    if (verdict.tell_state_first) {
        announce_state();
    }
    if (!verdict.warning.empty()) {
        device_.log_line(base::LogLevel::Warning, verdict.warning);
    }
    if (verdict.refused) {
        return *verdict.refused;
    }
    commit(own.state, verdict);
    name_generation(own.state, peer, verdict.next.pdsk);
    return {};
}

void PeerDevice::commit(const VolumeState& before, const Verdict& verdict) {
    const ConnState conn = verdict.next.conn;
    left_handshake_ = left_handshake_ || conn >= ConnState::Connected;
    device_.change_state(verdict.next);
    const bool exchanges = conn == ConnState::WFBitMapS || conn == ConnState::WFBitMapT;
    if (exchanges && before.conn != conn) {
        exchange.start();
    }
    if (verdict.answer == Verdict::Answer::IdsAndState) {
        announce_uuids();
    }
    if (verdict.answer != Verdict::Answer::None) {
        announce_state();
    }
}

// Where one of the two is a Primary without a disk, the other one's copy begins a new generation
// when it is accepted: from then on it goes its own way, apart from what is on that disk.
void PeerDevice::name_generation(const VolumeState& before,
                                 const VolumeState& peer,
                                 DiskState peer_disk) {
    const bool fresh = before.conn < ConnState::Connected;
    if (!fresh && peer.conn >= ConnState::Connected && peer.role == Role::Primary &&
        peer_disk < DiskState::Inconsistent && device_.state().disk == DiskState::UpToDate &&
        device_.ids().bitmap == 0) {
        device_.new_current_uuid();
    }
    if (fresh && device_.state().role == Role::Primary &&
        device_.state().disk < DiskState::Inconsistent && peer_ids_) {
        device_.go_on_with_peers_data();
    }
}

}  // namespace engine
