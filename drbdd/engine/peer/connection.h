// The connection to the peer: two sockets, the handshake, liveness, and who handles which packet.
// Wire specification, sections 1, 3 and 9.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/channel.h"
#include "drbdd/engine/peer/connector.h"
#include "drbdd/engine/peer/liveness.h"
#include "drbdd/engine/peer/payload_digests.h"
#include "drbdd/engine/peer/peer_reads.h"
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

    // Of the peer's administrator, while we are connected.
    void adopt_algorithms(const std::string& verify_alg, const std::string& csums_alg);

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

    // Digests go with the data, and the peer is no drbdd: a kernel's takes no P_ZEROES then, and no
    // flush without data. Wire specification, sections 6.4 and 6.6.
    bool digests_confuse_peer() const {
        return digests_.any_sent() && !has(proto::kFeatureExplicitFlush);
    }

    // 1, 2, 3: A, B, C; 0 without a peer.
    std::uint32_t agreed_protocol() const {
        return up() ? static_cast<std::uint32_t>(core_.settings.net.protocol) : 0;
    }

    // The version of the protocol that was agreed on.
    std::uint32_t dialect() const { return protocol_; }

    const std::string& last_error() const { return last_error_; }

    // --- Sending ---
    template <typename P>
    void send(proto::Command command, VolumeNumber volume, const P& packet) {
        std::vector<std::uint8_t> body(packet_size(packet));
        proto::encode(packet, body);
        send_data(command, volume, body);
    }

    void send_data(proto::Command command, VolumeNumber volume, base::ConstBytes body) {
        data_.send(command, volume, body);
    }

    // P_DATA and its like, which digests go with.
    void send_payload(proto::Command command,
                      VolumeNumber volume,
                      const proto::Data& data,
                      io::Slice payload) {
        const std::vector<std::uint8_t> body = digests_.body_of(data, payload);
        data_.send(command, volume, body, std::move(payload));
    }

    void send_meta(proto::Command command, VolumeNumber volume, base::ConstBytes body) {
        meta_.send(command, volume, body);
    }

    std::uint64_t data_position() const { return data_.queued(); }

    std::uint64_t data_written() const { return data_.written(); }

    std::uint64_t data_backlog() const { return data_.backlog(); }

    // One more read for the peer may begin: not too much payload waits to leave.
    bool may_read() const;

    std::uint64_t ping();  // returns a serial for liveness().answered()

    const Liveness& liveness() const { return liveness_; }

    void request_ping() { liveness_.want_ping(); }

    // Pings of the peer, over all connections.
    std::uint64_t pings_answered() const { return pings_answered_; }

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

    void advance();
    void handle_drop();
    io::Instant next_deadline() const;
    void shut_down();  // the resource goes away

    // --- Volumes that come and go ---
    void join(Device& device);
    // Nothing of it is under way, here or on its way to the peer.
    bool rests(const Device& device) const;
    // It is told to the peer, and is not spoken of any more.
    void leave(Device& device);

    TransferLog transfer_log;
    PeerWrites peer_writes;
    PeerReads peer_reads;

private:
    enum class Phase : std::uint8_t { Down, Connecting, Features, Challenge, Response, Up };

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
    base::Result<void> handle_unknown_volume(const Packet& packet);
    base::Result<void> handle_meta(const Packet& packet);
    void end_if_failed(const base::Result<void>& result, const Packet& packet);
    base::Result<void> handle_ack(const Packet& packet, Device& device);
    base::Result<void> on_protocol(base::ConstBytes body);
    base::Result<void> on_protocol_update(base::ConstBytes body);
    proto::Protocol own_protocol() const;
    void note_epoch_order();
    void adopt(const char* option, std::string& current, const std::string& told);
    void take_digests_of(const proto::Protocol& peer);
    void send_update(const proto::Protocol& protocol);
    void tell_adopted();
    base::Result<void> on_conn_state_request(base::ConstBytes body);
    base::Result<void> on_barrier_ack(base::ConstBytes body);
    std::uint64_t bytes_being_read() const;
    std::uint64_t bytes_kept() const;
    void check_budget();
    io::Duration retry_pause(bool was_up, bool refused);
    void take_early_packets();
    void check_liveness();
    void check_requests();
    void check_sending(const Channel& channel);
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

    Channel data_;
    Channel meta_;
    bool resolve_conflicts_ = false;
    std::uint32_t protocol_ = 0;
    std::uint32_t features_ = 0;
    std::deque<std::pair<SocketId, Packet>> early_;  // arrived while we still settled
    // What the peer has told in the handshake of volumes that this node does not have yet.
    std::map<std::uint16_t, std::vector<Packet>> told_of_others_;
    io::Instant phase_deadline_ = io::kNever;
    bool discard_wanted_ = false;   // for the next attempt
    bool discard_my_data_ = false;  // told in this attempt
    bool peer_discards_ = false;
    PayloadDigests digests_;
    proto::Protocol told_;         // what we said of our settings when the connection was made
    bool epochs_ordered_ = false;  // by a protocol that this connection has had
    io::Challenge challenge_{};

    Liveness liveness_;
    std::uint64_t pings_answered_ = 0;
    io::Instant up_since_{};
    io::Instant request_check_at_{};

    bool disconnect_requested_ = false;
    std::optional<StateCode> disconnect_reply_;

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
