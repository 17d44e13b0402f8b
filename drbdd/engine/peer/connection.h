// The connection to the peer: two sockets, the handshake, liveness, and who handles which packet.
// Wire specification, sections 1, 3 and 9.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/connector.h"
#include "drbdd/engine/peer/peer_budget.h"
#include "drbdd/engine/peer/peer_writes.h"
#include "drbdd/engine/peer/transfer_log.h"
#include "drbdd/engine/rules/state.h"
#include "drbdd/engine/rules/state_request.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace engine {

class Device;
class Volumes;

// Whose data become Outdated with the end of the connection.
struct Outdating {
    bool own = false;
    bool peer = false;
};

class Connection {
public:
    Connection(Core& core, const Volumes& volumes);

    // --- Commands ---
    void connect(bool discard_my_data);

    void disconnect(Outdating outdating = {});  // at once, to StandAlone

    // In force at once; the peer hears of what both nodes must have alike.
    void change_settings(const NetSettings& net);

    // Asks the peer first; watch graceful_pending() and take_disconnect_reply().
    void request_disconnect(const StateRequest& parting);

    bool disconnect_requested() const { return disconnect_requested_; }

    std::optional<StateCode> take_disconnect_reply();

    // At most Connected: what lies beyond belongs to the volumes.
    ConnState conn() const { return conn_; }

    bool up() const { return phase_ == Phase::Up; }  // packets of volumes may be sent

    // P_PROTOCOL was sent and a volume has not left WFReportParams.
    bool in_handshake() const;

    bool resolve_conflicts() const { return resolve_conflicts_; }

    bool discard_my_data() const { return discard_my_data_; }

    bool has(proto::Feature feature) const { return up() && (features_ & feature) != 0; }

    // Both sides send explicit flushes, and a write depends only on writes that are acknowledged
    // from the disk: nothing is gained by making one epoch durable before the next begins.
    bool epochs_unordered() const;

    // 1, 2, 3: A, B, C; 0 without a peer.
    std::uint32_t agreed_protocol() const {
        return up() ? static_cast<std::uint32_t>(core_.settings.net.protocol) : 0;
    }

    const std::string& last_error() const { return last_error_; }

    // --- Sending ---
    template <typename P>
    void send(proto::Command command,
              VolumeNumber volume,
              const P& packet,
              io::Slice payload = {}) {
        std::vector<std::uint8_t> body(packet_size(packet));
        proto::encode(packet, body);
        send_data(command, volume, body, std::move(payload));
    }

    void send_data(proto::Command command,
                   VolumeNumber volume,
                   base::ConstBytes body,
                   io::Slice payload = {});
    void send_meta(proto::Command command, VolumeNumber volume, base::ConstBytes body);

    std::uint64_t data_position() const { return data_out_.queued; }

    std::uint64_t data_backlog() const { return data_out_.queued - data_out_.written; }

    // One more read for the peer may begin: not too much payload waits to leave.
    bool may_read() const;

    // The peer answers a ping after it has handled everything that we sent on the meta socket
    // before.
    std::uint64_t ping();  // returns a serial for answered()

    // Pings of the peer, over all connections.
    std::uint64_t pings_answered() const { return pings_answered_; }

    bool answered(std::uint64_t serial) const { return pongs_ >= serial; }

    void request_ping() { ping_wanted_ = true; }

    // When the oldest ping was sent since which none was answered.
    std::optional<io::Instant> unanswered_since() const { return unanswered_since_; }

    // --- Ending; takes effect at the end of the step ---
    void drop(ConnState cause, const std::string& why);
    void stand_alone(const std::string& why);
    // The settings of the two nodes do not fit. Somebody may be about to change them, here and then
    // there: it is tried again, so that the two find each other whoever is the last.
    void refuse(const std::string& why);

    // --- Events ---
    void on_connected(SocketId socket);
    void on_accepted(SocketId socket);
    void on_closed(SocketId socket, int error);
    void on_listen_failed(const ListenFailed& failed);
    void on_packet(SocketId socket, Packet packet);
    void on_broken(SocketId socket, const std::string& text);
    void on_written(SocketId socket, std::uint64_t total);

    // --- What the root has to know ---
    void on_peer_in_sync() {
        peer_in_sync_ = true;
    }  // a resync of which we were the source is over

    bool take_peer_in_sync() { return std::exchange(peer_in_sync_, false); }

    // A connection that had been made is gone.
    bool take_peer_lost() { return std::exchange(peer_lost_, false); }

    void on_peer_read_done(Device& device, const DiskTicket& ticket, int error);

    void advance();
    void handle_drop();
    io::Instant next_deadline() const;
    void shut_down();  // the resource goes away

    TransferLog transfer_log;
    PeerWrites peer_writes;

private:
    enum class Phase : std::uint8_t { Down, Connecting, Features, Challenge, Response, Up };

    struct Outgoing {
        std::uint64_t queued = 0;
        std::uint64_t written = 0;
        io::Instant progress_at{};  // last time something left, or the queue was empty
        budget::Waiting answers{};  // of what is queued
        budget::Waiting pongs{};    // of those
    };

    template <typename P>
    static std::size_t packet_size(const P& packet) {
        if constexpr (requires { packet.size(); }) {
            return packet.size();
        } else {
            return P::kSize;
        }
    }

    void set_conn(ConnState conn);
    void begin(const Connector::Established& established);
    std::uint32_t our_features() const;
    void send_features();
    void on_features(const Packet& packet);
    void begin_authentication();
    void on_challenge(const Packet& packet);
    void on_response(const Packet& packet);
    void begin_parameters();
    base::Result<void> handle_data(const Packet& packet);
    base::Result<void> handle_data_volume(const Packet& packet, Device& device);
    base::Result<void> handle_meta(const Packet& packet);
    base::Result<void> handle_ack(const Packet& packet, Device& device);
    base::Result<void> on_protocol(base::ConstBytes body);
    base::Result<void> on_protocol_update(base::ConstBytes body);
    proto::Protocol own_protocol() const;
    void note_epoch_order();
    base::Result<void> on_conn_state_request(base::ConstBytes body);
    base::Result<void> on_barrier_ack(base::ConstBytes body);
    base::Result<void> on_read_request(const Packet& packet, Device& device);
    void advance_reads();
    std::uint64_t bytes_being_read() const;
    std::uint64_t bytes_kept() const;
    void check_budget();
    void pause_reading(const std::optional<SocketId>& socket, bool& is_paused, bool paused);
    io::Duration retry_pause(bool was_up, bool refused);
    void send_packet(SocketId socket,
                     Outgoing& out,
                     proto::Command command,
                     VolumeNumber volume,
                     base::ConstBytes body,
                     io::Slice payload);
    void take_early_packets();
    void check_liveness();
    void check_sending(Outgoing& out, bool meta);
    void close_sockets(bool after_sending);
    void lost(ConnState cause, bool stand_alone, Outdating outdating = {});

    Core& core_;
    const Volumes& volumes_;
    Connector connector_;
    ConnState conn_ = ConnState::StandAlone;
    Phase phase_ = Phase::Down;
    bool wanted_ = false;  // configured to be connected
    io::Instant reconnect_at_{};
    std::string last_error_;

    std::optional<SocketId> data_;
    std::optional<SocketId> meta_;
    Outgoing data_out_;
    Outgoing meta_out_;
    bool resolve_conflicts_ = false;
    std::uint32_t protocol_ = 0;
    std::uint32_t features_ = 0;
    std::deque<std::pair<SocketId, Packet>> early_;  // arrived while we still settled
    io::Instant phase_deadline_ = io::kNever;
    bool discard_wanted_ = false;   // for the next attempt
    bool discard_my_data_ = false;  // told in this attempt
    bool peer_discards_ = false;
    proto::Protocol told_;         // what we said of our settings when the connection was made
    bool epochs_ordered_ = false;  // by a protocol that this connection has had
    io::Challenge challenge_{};

    io::Instant heard_at_{};  // something arrived on either socket
    io::Instant heard_meta_at_{};
    std::optional<io::Instant> unanswered_since_;
    io::Instant ping_deadline_ = io::kNever;
    bool ping_wanted_ = false;
    std::uint64_t pings_ = 0;
    std::uint64_t pings_answered_ = 0;
    std::uint64_t pongs_ = 0;
    io::Instant up_since_{};
    io::Instant request_check_at_{};

    bool disconnect_requested_ = false;
    std::optional<StateCode> disconnect_reply_;

    // Reads for a peer without usable data of its own; they wait for its overlapping writes.
    struct PeerRead {
        Device* device;
        proto::BlockReq request;
    };

    std::deque<PeerRead> waiting_reads_;
    std::map<std::uint64_t, PeerRead> active_reads_;
    std::uint64_t next_read_ = 1;
    std::uint64_t active_read_bytes_ = 0;
    bool data_paused_ = false;  // nothing more is read from the socket, for now
    bool meta_paused_ = false;

    struct Drop {
        ConnState cause;
        std::string why;
        bool stand_alone;
        Outdating outdating{};
    };

    std::optional<Drop> drop_;
    bool close_after_sending_ = false;
    bool peer_in_sync_ = false;
    bool peer_lost_ = false;
    bool refused_ = false;  // the settings do not fit, or the peer is none
    // Attempts that have failed, one after the other, before the peer had proved itself.
    std::uint32_t unproven_ = 0;
};

}  // namespace engine
