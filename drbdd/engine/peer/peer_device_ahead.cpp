// Running ahead of the peer, and waiting for it: the peer is told that its copy is behind, writes
// are marked instead of being sent, and a resync brings it what is marked. That is how a congested
// link slows nobody down (on-congestion pull-ahead), and how what a verify has found is repaired
// without a new connection (verify --repair). Wire specification, section 6.12.
//
// DRBD keeps its current identifier meanwhile. Then only the bits would tell that the peer's copy
// is an older one, and a node that was demoted before the resync would pass for equal (design note
// 0001, rule 1): here a new generation begins, as when a connection is lost.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/peer_device.h"
#include "drbdd/engine/volume/device.h"

namespace engine {

namespace {

constexpr io::Duration kQuietFor = std::chrono::seconds(1);

}  // namespace

bool PeerDevice::may_run_ahead() const {
    const VolumeState& state = device_.state();
    return connection_.up() && left_handshake_ && state.conn == ConnState::Connected &&
           state.disk == DiskState::UpToDate && state.pdsk == DiskState::UpToDate &&
           state.role == Role::Primary && !request_pending_ && !reply_ && !growing() &&
           !refused_write_ && announcements_.empty() && device_.is_member() &&
           !device_.store.full_sync_running();
}

void PeerDevice::run_ahead(bool only_to_resync) {
    REQUIRE(may_run_ahead());
    connection_.transfer_log.close_epoch();
    ahead_ = Ahead{.only_to_resync = only_to_resync};
    device_.change_conn(ConnState::Ahead);
    announce_state();
}

bool PeerDevice::congested() const {
    const NetSettings& net = core_.settings.net;
    if (net.on_congestion == OnCongestion::Block || net.protocol != ReplicationProtocol::A) {
        return false;
    }
    const std::uint64_t fill = std::uint64_t{net.congestion_fill} * base::kSectorBytes;
    return (fill != 0 && device_.requests.unacknowledged_bytes() >= fill) ||
           device_.log.referenced() >= net.congestion_extents;
}

// Nobody is to go on with what the peer lacks before the word that it lacks something is as far as
// a write of protocol A has to be: it has left.
bool PeerDevice::is_held_for_peer() const {
    return ahead_ && (ahead_->only_to_resync || !ahead_->told_at ||
                      connection_.data_written() < *ahead_->told_at);
}

void PeerDevice::advance_ahead() {
    if (!ahead_ && congested() && may_run_ahead()) {
        device_.log_line(base::LogLevel::Info, "Congestion-fill threshold reached");
        if (core_.settings.net.on_congestion == OnCongestion::Disconnect) {
            connection_.stand_alone("the link is congested");
            return;
        }
        run_ahead(false);
    }
    if (!ahead_) {
        return;
    }
    if (device_.state().conn != ConnState::Ahead) {
        ahead_.reset();  // the resync has begun, or a disk or the connection is gone
        core_.progress = true;
        return;
    }
    if (core_.settings.net.protocol != ReplicationProtocol::A) {
        ahead_->only_to_resync = true;  // adjusted meanwhile: writes have two copies from now on
    }
    if (!ahead_->told_at && announcements_.empty()) {
        ahead_->told_at = connection_.data_position();
        core_.progress = true;
    }
    if (!ahead_->told_at || storing_sync_uuid_) {
        return;
    }
    // What was sent before belongs to the copy that the resync starts from. What other volumes send
    // must not keep those writes waiting that are held for a repair.
    const bool link_is_busy = !ahead_->only_to_resync && connection_.data_backlog() != 0;
    if (device_.requests.at_peer() != 0 || link_is_busy) {
        ahead_->quiet_at = io::kNever;
    } else if (ahead_->quiet_at == io::kNever) {
        ahead_->quiet_at = core_.now + (ahead_->only_to_resync ? io::Duration::zero() : kQuietFor);
    }
    if (core_.now >= ahead_->quiet_at) {
        become_source();
    }
}

io::Instant PeerDevice::ahead_deadline() const {
    const bool waits = ahead_ && !storing_sync_uuid_ && ahead_->quiet_at > core_.now;
    return waits ? ahead_->quiet_at : io::kNever;
}

}  // namespace engine
