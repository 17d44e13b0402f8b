// Whose data are newer: what the peer says of itself in the handshake and in each P_STATE, and the
// state that follows. Wire specification, sections 3.4 to 3.8, 4.5 and 5.
#include "drbdd/engine/connection.h"
#include "drbdd/engine/device.h"
#include "drbdd/engine/peer_device.h"
#include "drbdd/engine/state_rules.h"

#include <algorithm>
#include <bit>

namespace engine {

using base::ull;

namespace {

base::Error refusal(std::string text) {
    return {base::ErrorCode::State, std::move(text)};
}

}  // namespace

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
    heard_ = true;
    for (const std::uint64_t sectors : {packet.d_size, packet.u_size, packet.c_size}) {
        if (sectors > meta::kMaxDeviceBytes / base::kSectorBytes) {
            return base::Error{
                base::ErrorCode::Invalid,
                base::format("a size of %llu sectors: the limit is 1 PiB", ull(sectors))};
        }
    }
    peer_max_bio_ = packet.max_bio_size;
    note_block_size(packet);
    const base::Result<std::uint64_t> agreed = agree_on_size(packet);
    if (!agreed) {
        return agreed.error();
    }
    const std::uint64_t current = device_.size_sectors();
    const bool diskless = device_.own_max_sectors() == 0;
    if (*agreed != 0 && *agreed < current &&
        (diskless ? device_.state().role == Role::Primary
                  : device_.state().disk >= DiskState::Outdated)) {
        return refusal(base::format("The peer's disk size is too small! (%llu < %llu sectors)",
                                    ull(*agreed),
                                    ull(current)));
    }
    const bool may_size = !left_handshake_ || current == 0;
    if (may_size && *agreed != 0 && *agreed != current) {
        device_.set_size(*agreed);
    } else if (!may_size && *agreed > current && (packet.c_size == 0 || packet.c_size > current)) {
        return follow_growth(*agreed, packet);
    }
    if (left_handshake_ && packet.c_size == 0) {
        announce_sizes();  // asked for
    }
    return {};
}

// An administrator has resized the device at the peer, which took from our last P_SIZES that we
// have the room: it goes ahead, and expects us to do the same (3.5). Room alone, as a larger disk
// that is attached brings it, changes nothing.
base::Result<void> PeerDevice::follow_growth(std::uint64_t sectors, const proto::Sizes& packet) {
    const VolumeState& state = device_.state();
    if (state.conn != ConnState::Connected || device_.store.full_sync_running()) {
        return base::Error{base::ErrorCode::Invalid, "the peer resizes the device during a resync"};
    }
    const bool clean = (packet.dds_flags & proto::kSizesNoResync) != 0;
    const bool disks = state.disk >= DiskState::Inconsistent &&
                       state.pdsk >= DiskState::Inconsistent && state.pdsk != DiskState::DUnknown;
    device_.log_line(base::LogLevel::Info,
                     base::format("the peer resizes the device from %llu to %llu sectors%s",
                                  ull(device_.size_sectors()),
                                  ull(sectors),
                                  clean ? "; it vouches for what is added (assume-clean)" : ""));
    device_.set_size(sectors, clean ? Device::NewBits::Clear : Device::NewBits::Set);
    announce_sizes(packet.dds_flags);
    if (disks && !clean) {
        resync_what_was_added();
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
        device_.attached() && device_.ids().current == kUuidJustCreated) {
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
    device_.on_peer_generation(packet.current);
}

// --- P_STATE (4.5) ---

base::Result<void> PeerDevice::on_state(const proto::State& packet) {
    const VolumeState peer = from_wire(packet.value);
    DiskState peer_disk = peer.disk;
    told_disk_ = peer.disk;
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
    if (refused_write_ && own.conn == ConnState::Connected && peer.conn <= ConnState::Connected &&
        peer_disk > DiskState::Inconsistent) {
        peer_disk = DiskState::Inconsistent;
    }
    refused_write_ = refused_write_ && own.conn == ConnState::Connected;
    if (own.pdsk == DiskState::UpToDate && peer_disk == DiskState::Inconsistent &&
        own.conn == ConnState::Connected && peer.conn > ConnState::SyncSource) {
        peer_disk = DiskState::UpToDate;
    }
    return settle(peer, peer_disk);
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

// A Primary without a disk goes on only with the data that its applications have seen.
std::optional<std::string> PeerDevice::why_unusable() const {
    const VolumeState& own = device_.state();
    if (own.disk >= DiskState::Inconsistent || own.role != Role::Primary) {
        return std::nullopt;
    }
    if (peer_ids_ && device_.other_data_exposed(peer_ids_->current)) {
        return "Can only connect to data with current UUID=" + base::hex64(device_.exposed_uuid());
    }
    if (device_.peer_lacks_writes()) {
        return "Can not connect: the peer lacks writes that the application saw completed";
    }
    return std::nullopt;
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
    // A detach that it gave up. Meanwhile we wrote without it: who has what is settled anew.
    if (!fresh && own.disk >= DiskState::Inconsistent && own.pdsk < DiskState::Negotiating &&
        peer.disk >= DiskState::Inconsistent) {
        return base::Error{base::ErrorCode::Busy, "the peer's disk has come back unasked"};
    }
    const std::optional<std::string> reason = why_unusable();
    if (reason && fresh) {
        return refusal(*reason);
    }
    // The peer attaches a disk now.
    if (reason && own.disk < DiskState::Negotiating && own.pdsk != DiskState::UpToDate &&
        peer_disk >= DiskState::Inconsistent) {
        device_.log_line(base::LogLevel::Warning, "The peer's disk is not used: " + *reason);
        peer_disk = DiskState::Diskless;
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
    // A Secondary without a disk does not know what was newer on it; a Primary does.
    if (own.disk == DiskState::Consistent && peer_disk < DiskState::Negotiating &&
        peer.role == Role::Primary && peer.conn >= ConnState::Connected &&
        peer.pdsk == DiskState::UpToDate) {
        next.disk = DiskState::UpToDate;
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
        device_.go_on_with_peers_data();
    }
    return {};
}

}  // namespace engine
