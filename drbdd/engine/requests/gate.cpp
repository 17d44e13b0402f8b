#include "drbdd/engine/requests/gate.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"

namespace engine {

namespace {

// Writes that the peer has not confirmed as durable; more wait, so that memory stays bounded.
constexpr std::size_t kMaxTransferLog = 8192;
// Bytes that wait to leave on the data socket.
constexpr std::uint64_t kMaxBacklog = 16u << 20;

bool decides_where_data_are(ConnState conn) {
    return conn == ConnState::WFBitMapT || conn == ConnState::WFSyncUUID ||
           conn == ConnState::StartingSyncS || conn == ConnState::StartingSyncT;
}

}  // namespace

const char* name(GateReason reason) {
    switch (reason) {
        case GateReason::Suspended:
            return "suspended";
        case GateReason::Fencing:
            return "fencing";
        case GateReason::NoData:
            return "no-data";
        case GateReason::Detaching:
            return "detaching";
        case GateReason::PeerNotTold:
            return "peer-not-told";
        case GateReason::GenerationAwaited:
            return "generation-of-peer";
        case GateReason::NotNamedPrimary:
            return "primary-not-stored";
        case GateReason::GenerationUnstored:
            return "generation-not-stored";
        case GateReason::HandshakeOpen:
            return "resync-begins";
        case GateReason::BitmapLeaves:
            return "bitmap-is-sent";
        case GateReason::Attaching:
            return "attaching";
        case GateReason::Resizing:
            return "resizing";
        case GateReason::TooManyUnconfirmed:
            return "too-many-unconfirmed";
        case GateReason::SocketFull:
            return "peer-too-slow";
    }
    return "";
}

bool Gate::generation_stored() const {
    return device_.store.durable(hold_until_);
}

std::optional<GateReason> Gate::closed_by() const {
    const VolumeState& state = device_.state();
    const Connection& connection = device_.peer_connection();
    const bool local = device_.local_usable();
    if (state.susp) {
        return GateReason::Suspended;
    }
    if (state.susp_fen) {
        return GateReason::Fencing;
    }
    if (state.susp_nod) {
        return GateReason::NoData;
    }
    // The peer must know that it holds the only copy before it gets a write that we do not log.
    if (!local && device_.peer.announcements_pending()) {
        return GateReason::PeerNotTold;
    }
    if (!local && device_.awaits_generation()) {
        return GateReason::GenerationAwaited;
    }
    if (device_.draining()) {
        return GateReason::Detaching;
    }
    // A crash replays the activity log only if the superblock names us Primary. It did when we were
    // promoted; a disk that was attached since has to be told again.
    if (local && !device_.store.on_disk(meta::kMdPrimaryInd)) {
        return GateReason::NotNamedPrimary;
    }
    if (!generation_stored()) {
        return GateReason::GenerationUnstored;
    }
    if (decides_where_data_are(state.conn)) {
        return GateReason::HandshakeOpen;
    }
    if (device_.peer.is_held_for_peer()) {
        return GateReason::PeerNotTold;
    }
    if (device_.peer.exchange.wants_quiet()) {
        return GateReason::BitmapLeaves;
    }
    if (state.disk == DiskState::Attaching || state.disk == DiskState::Negotiating) {
        return GateReason::Attaching;
    }
    if (connection.transfer_log.writes() >= kMaxTransferLog) {
        return GateReason::TooManyUnconfirmed;
    }
    if (connection.data_backlog() >= kMaxBacklog) {
        return GateReason::SocketFull;
    }
    return std::nullopt;
}

}  // namespace engine
