// The handshake of a connection: versions, authentication, parameters. Wire specification,
// section 3.
#include "base/hmac.h"
#include "drbdd/engine/connection.h"
#include "drbdd/engine/device.h"
#include "drbdd/engine/resource.h"

#include <algorithm>
#include <cstring>

namespace engine {

namespace {

constexpr std::uint32_t kOurFeatures = proto::kFeatureTrim | proto::kFeatureThinResync |
                                       proto::kFeatureWsame | proto::kFeatureWzeroes |
                                       proto::kFeatureExplicitFlush;
constexpr std::size_t kChallengeBytes = 64;

}  // namespace

void Connection::begin(const Connector::Established& established) {
    data_ = established.data;
    meta_ = established.meta;
    resolve_conflicts_ = established.resolve_conflicts;
    // On a socket that we opened, the first packet has been sent already.
    const auto begun = [this](SocketId socket) {
        const std::uint64_t sent = (socket.value & kAcceptedSocket) != 0 ? 0 : proto::kHeader80Size;
        return Outgoing{sent, sent, core_.now};
    };
    data_out_ = begun(*data_);
    meta_out_ = begun(*meta_);
    heard_at_ = heard_meta_at_ = core_.now;
    phase_ = Phase::Features;
    phase_deadline_ = core_.now + 4 * core_.settings.net.ping_timeout;
    send_features();
    std::deque<std::pair<SocketId, Packet>> early = std::exchange(early_, {});
    for (auto& [socket, packet] : early) {
        if (!drop_) {
            on_packet(socket, std::move(packet));
        }
    }
}

void Connection::send_features() {
    std::vector<std::uint8_t> bytes(proto::kHeader80Size + proto::ConnectionFeatures::kSize);
    proto::encode(proto::Header{proto::HeaderKind::H80,
                                static_cast<std::uint16_t>(proto::Command::ConnectionFeatures),
                                0,
                                proto::ConnectionFeatures::kSize},
                  base::Bytes(bytes).first(proto::kHeader80Size));
    proto::ConnectionFeatures features;
    features.feature_flags = kOurFeatures;
    proto::encode(features, base::Bytes(bytes).subspan(proto::kHeader80Size));
    data_out_.queued += bytes.size();
    core_.emit(Send{*data_, std::move(bytes), {}});
}

void Connection::on_features(const Packet& packet) {
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::ConnectionFeatures)) {
        stand_alone(base::format("expected ConnectionFeatures packet, received: %s (0x%04x)",
                                 proto::command_name(packet.header.command),
                                 packet.header.command));
        return;
    }
    const base::Result<proto::ConnectionFeatures> peer =
        proto::decode_connection_features(packet.body);
    if (!peer) {
        stand_alone(peer.error().text);
        return;
    }
    const std::uint32_t peer_max =
        peer->protocol_max == 0 ? peer->protocol_min : peer->protocol_max;
    if (peer_max < proto::kProtocolMin || peer->protocol_min > proto::kProtocolMax) {
        stand_alone(base::format("incompatible DRBD dialects: I support %u-%u, peer supports %u-%u",
                                 proto::kProtocolMin,
                                 proto::kProtocolMax,
                                 peer->protocol_min,
                                 peer_max));
        return;
    }
    protocol_ = std::min(proto::kProtocolMax, peer_max);
    features_ = peer->feature_flags & kOurFeatures;
    core_.log(base::LogLevel::Info,
              base::format("Handshake successful: Agreed network protocol version %u", protocol_));
    core_.log(base::LogLevel::Info,
              base::format("Feature flags enabled on protocol level: 0x%x%s%s%s%s.",
                           features_ & 0xf,
                           (features_ & proto::kFeatureTrim) != 0 ? " TRIM" : "",
                           (features_ & proto::kFeatureThinResync) != 0 ? " THIN_RESYNC" : "",
                           (features_ & proto::kFeatureWsame) != 0 ? " WRITE_SAME" : "",
                           (features_ & proto::kFeatureWzeroes) != 0 ? " WRITE_ZEROES"
                           : (features_ & 0xf) == 0                  ? " none"
                                                                     : ""));
    if (core_.settings.net.cram_hmac_alg.empty()) {
        begin_parameters();
    } else {
        begin_authentication();
    }
}

void Connection::begin_authentication() {
    phase_ = Phase::Challenge;
    phase_deadline_ = core_.now + 4 * core_.settings.net.ping_timeout;
    challenge_.resize(kChallengeBytes);
    for (std::size_t at = 0; at < kChallengeBytes; at += 8) {
        base::put_raw64(challenge_, at, core_.prng.next());
    }
    send_data(proto::Command::AuthChallenge, VolumeNumber{}, challenge_);
}

void Connection::on_challenge(const Packet& packet) {
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::AuthChallenge)) {
        stand_alone(base::format("expected AuthChallenge packet, received: %s (0x%04x)",
                                 proto::command_name(packet.header.command),
                                 packet.header.command));
        return;
    }
    if (packet.body.size() < kChallengeBytes || packet.body.size() > 2 * kChallengeBytes ||
        std::memcmp(packet.body.data(), challenge_.data(), kChallengeBytes) == 0) {
        stand_alone("Authentication of peer failed: unusable challenge");
        return;
    }
    const NetSettings& net = core_.settings.net;
    const base::Result<std::vector<std::uint8_t>> response =
        base::hmac(net.cram_hmac_alg, net.shared_secret, packet.body);
    if (!response) {
        stand_alone(response.error().text);
        return;
    }
    phase_ = Phase::Response;
    phase_deadline_ = core_.now + 4 * net.ping_timeout;
    send_data(proto::Command::AuthResponse, VolumeNumber{}, *response);
}

void Connection::on_response(const Packet& packet) {
    const NetSettings& net = core_.settings.net;
    const base::Result<std::vector<std::uint8_t>> expected =
        base::hmac(net.cram_hmac_alg, net.shared_secret, challenge_);
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::AuthResponse) ||
        !expected || !base::equal_digests(*expected, packet.body)) {
        stand_alone("Authentication of peer failed");
        return;
    }
    core_.log(base::LogLevel::Info,
              base::format("Peer authenticated using %zu bytes HMAC", expected->size()));
    begin_parameters();
}

void Connection::begin_parameters() {
    phase_ = Phase::Up;
    phase_deadline_ = io::kNever;
    protocol_received_ = false;
    peer_discards_ = false;
    up_since_ = request_check_at_ = core_.now;
    pings_ = pongs_ = 0;
    discard_my_data_ = std::exchange(discard_wanted_, false);
    set_conn(ConnState::WFReportParams);
    transfer_log.start();
    peer_writes.start();
    const NetSettings& net = core_.settings.net;
    proto::Protocol protocol;
    protocol.protocol = static_cast<std::uint32_t>(net.protocol);
    protocol.after_sb_0p = static_cast<std::uint32_t>(net.after_sb_0p);
    protocol.after_sb_1p = static_cast<std::uint32_t>(net.after_sb_1p);
    protocol.after_sb_2p = static_cast<std::uint32_t>(net.after_sb_2p);
    protocol.conn_flags = discard_my_data_ ? proto::kConnDiscardMyData : 0u;
    send(proto::Command::Protocol, VolumeNumber{}, protocol);
    for (const auto& device : resource_.devices()) {
        device->peer.start();
        device->peer.send_parameters();
    }
}

base::Result<void> Connection::on_protocol(base::ConstBytes body) {
    const base::Result<proto::Protocol> peer = proto::decode_protocol(body);
    if (!peer) {
        return peer.error();
    }
    const NetSettings& net = core_.settings.net;
    const auto differs = [](AfterSplitBrain own, std::uint32_t theirs) {
        const auto local = static_cast<std::uint32_t>(AfterSplitBrain::DiscardLocal);
        const auto remote = static_cast<std::uint32_t>(AfterSplitBrain::DiscardRemote);
        const std::uint32_t mirrored = theirs == local ? remote : theirs == remote ? local : theirs;
        return static_cast<std::uint32_t>(own) != mirrored;
    };
    const char* what = nullptr;
    if (peer->protocol != static_cast<std::uint32_t>(net.protocol)) {
        what = "protocol";
    } else if (differs(net.after_sb_0p, peer->after_sb_0p)) {
        what = "after-sb-0pri";
    } else if (differs(net.after_sb_1p, peer->after_sb_1p)) {
        what = "after-sb-1pri";
    } else if (differs(net.after_sb_2p, peer->after_sb_2p)) {
        what = "after-sb-2pri";
    } else if (discard_my_data_ && (peer->conn_flags & proto::kConnDiscardMyData) != 0) {
        what = "discard-my-data";
    } else if (peer->two_primaries != 0) {
        what = "allow-two-primaries";
    } else if (!peer->integrity_alg.empty()) {
        what = "data-integrity-alg";
    }
    if (what != nullptr) {
        return base::Error{base::ErrorCode::State, base::format("incompatible %s settings", what)};
    }
    if ((peer->conn_flags & proto::kConnDryRun) != 0) {
        return base::Error{base::ErrorCode::Unsupported, "the peer asked for a dry-run connect"};
    }
    protocol_received_ = true;
    return {};
}

}  // namespace engine
