// The handshake of a connection: versions, authentication, parameters. Wire specification,
// section 3.
#include "base/hmac.h"
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"
#include "drbdd/engine/volume/volumes.h"

#include <algorithm>
#include <optional>
#include <span>

namespace engine {

namespace {

constexpr std::uint32_t kAllFeatures = proto::kFeatureTrim | proto::kFeatureThinResync |
                                       proto::kFeatureWsame | proto::kFeatureWzeroes |
                                       proto::kFeatureExplicitFlush;

constexpr AfterSplitBrain kPolicies0p[] = {AfterSplitBrain::Disconnect,
                                           AfterSplitBrain::DiscardYoungerPrimary,
                                           AfterSplitBrain::DiscardOlderPrimary,
                                           AfterSplitBrain::DiscardZeroChanges,
                                           AfterSplitBrain::DiscardLeastChanges,
                                           AfterSplitBrain::DiscardLocal,
                                           AfterSplitBrain::DiscardRemote};
constexpr AfterSplitBrain kPolicies1p[] = {AfterSplitBrain::Disconnect,
                                           AfterSplitBrain::Consensus,
                                           AfterSplitBrain::ViolentlyAs0p,
                                           AfterSplitBrain::DiscardSecondary,
                                           AfterSplitBrain::CallPriLostAfterSb};
constexpr AfterSplitBrain kPolicies2p[] = {AfterSplitBrain::Disconnect,
                                           AfterSplitBrain::ViolentlyAs0p,
                                           AfterSplitBrain::CallPriLostAfterSb};

// What the other node has to say for the same to happen: one's local is the other's remote.
std::uint32_t mirrored(std::uint32_t policy) {
    const auto local = static_cast<std::uint32_t>(AfterSplitBrain::DiscardLocal);
    const auto remote = static_cast<std::uint32_t>(AfterSplitBrain::DiscardRemote);
    return policy == local ? remote : policy == remote ? local : policy;
}

std::optional<AfterSplitBrain> find_policy(std::uint32_t wire,
                                           std::span<const AfterSplitBrain> known) {
    for (const AfterSplitBrain policy : known) {
        if (static_cast<std::uint32_t>(policy) == wire) {
            return policy;
        }
    }
    return std::nullopt;
}

}  // namespace

void Connection::begin(const Connector::Established& established) {
    resolve_conflicts_ = established.resolve_conflicts;
    // On a socket that we opened, the first packet has been sent already.
    const auto already_sent = [](SocketId socket) -> std::uint64_t {
        return (socket.value & kAcceptedSocket) != 0 ? 0 : proto::kHeader80Size;
    };
    data_.open(established.data, already_sent(established.data));
    meta_.open(established.meta, already_sent(established.meta));
    liveness_.begin(core_.now);
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

void Connection::refuse(const std::string& why) {
    if (!drop_) {
        drop_ = Drop{ConnState::ProtocolError, why, false, {}};
        refused_ = close_after_sending_ = true;
    }
}

std::uint32_t Connection::our_features() const {
    const bool explicit_flush = core_.settings.net.explicit_flush;
    return explicit_flush ? kAllFeatures : kAllFeatures & ~proto::kFeatureExplicitFlush;
}

void Connection::send_features() {
    std::vector<std::uint8_t> bytes(proto::kHeader80Size + proto::ConnectionFeatures::kSize);
    proto::encode(proto::Header{proto::HeaderKind::H80,
                                static_cast<std::uint16_t>(proto::Command::ConnectionFeatures),
                                0,
                                proto::ConnectionFeatures::kSize},
                  base::Bytes(bytes).first(proto::kHeader80Size));
    proto::ConnectionFeatures features;
    features.feature_flags = our_features();
    proto::encode(features, base::Bytes(bytes).subspan(proto::kHeader80Size));
    data_.send_raw(std::move(bytes));
}

void Connection::on_features(const Packet& packet) {
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::ConnectionFeatures)) {
        refuse(base::format("expected ConnectionFeatures packet, received: %s (0x%04x)",
                            proto::command_name(packet.header.command),
                            packet.header.command));
        return;
    }
    const base::Result<proto::ConnectionFeatures> peer =
        proto::decode_connection_features(packet.body);
    if (!peer) {
        refuse(peer.error().text);
        return;
    }
    const std::uint32_t peer_max =
        peer->protocol_max == 0 ? peer->protocol_min : peer->protocol_max;
    if (peer_max < proto::kProtocolMin || peer->protocol_min > proto::kProtocolMax) {
        refuse(base::format("incompatible DRBD dialects: I support %u-%u, peer supports %u-%u",
                            proto::kProtocolMin,
                            proto::kProtocolMax,
                            peer->protocol_min,
                            peer_max));
        return;
    }
    protocol_ = std::min(proto::kProtocolMax, peer_max);
    features_ = peer->feature_flags & our_features();
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
    challenge_ = core_.challenges.issue();
    send_data(proto::Command::AuthChallenge, VolumeNumber{}, challenge_);
}

void Connection::on_challenge(const Packet& packet) {
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::AuthChallenge)) {
        refuse(base::format("expected AuthChallenge packet, received: %s (0x%04x)",
                            proto::command_name(packet.header.command),
                            packet.header.command));
        return;
    }
    // Also one that another resource of ours has issued: with the same secret our answer would be
    // good there.
    if (packet.body.size() < io::kChallengeBytes || packet.body.size() > 2 * io::kChallengeBytes ||
        core_.challenges.issued(packet.body)) {
        refuse("Authentication of peer failed: unusable challenge");
        return;
    }
    const NetSettings& net = core_.settings.net;
    const base::Result<std::vector<std::uint8_t>> response =
        base::hmac(net.cram_hmac_alg, net.shared_secret, packet.body);
    if (!response) {
        refuse(response.error().text);
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
        refuse("Authentication of peer failed");
        return;
    }
    core_.log(base::LogLevel::Info,
              base::format("Peer authenticated using %zu bytes HMAC", expected->size()));
    begin_parameters();
}

void Connection::begin_parameters() {
    if (!PayloadDigests::known(core_.settings.net.integrity_alg)) {
        refuse(base::format("data-integrity-alg %s is not supported",
                            core_.settings.net.integrity_alg.c_str()));
        return;
    }
    phase_ = Phase::Up;
    phase_deadline_ = io::kNever;
    unproven_ = 0;
    peer_discards_ = false;
    up_since_ = request_check_at_ = core_.now;
    liveness_.count_from_zero();
    discard_my_data_ = std::exchange(discard_wanted_, false);
    set_conn(ConnState::WFReportParams);
    transfer_log.start();
    peer_writes.start();
    told_ = own_protocol();
    told_.conn_flags = discard_my_data_ ? proto::kConnDiscardMyData : 0u;
    epochs_ordered_ = false;
    note_epoch_order();
    send(proto::Command::Protocol, VolumeNumber{}, told_);
    digests_.send_with(told_.integrity_alg);
    digests_.expect("");
    for (const auto& device : volumes_) {
        device->peer.start();
        device->peer.send_parameters();
    }
}

// --- What both nodes must have alike (3.3) ---

proto::Protocol Connection::own_protocol() const {
    const NetSettings& net = core_.settings.net;
    proto::Protocol protocol;
    protocol.protocol = static_cast<std::uint32_t>(net.protocol);
    protocol.after_sb_0p = static_cast<std::uint32_t>(net.after_sb_0p);
    protocol.after_sb_1p = static_cast<std::uint32_t>(net.after_sb_1p);
    protocol.after_sb_2p = static_cast<std::uint32_t>(net.after_sb_2p);
    protocol.integrity_alg = net.integrity_alg;
    return protocol;
}

// Compared with what we told it, not with what is in force: that may have changed since, and then
// an update is on its way.
base::Result<void> Connection::on_protocol(base::ConstBytes body) {
    const base::Result<proto::Protocol> peer = proto::decode_protocol(body);
    if (!peer) {
        return peer.error();
    }
    const char* what = nullptr;
    if (peer->protocol != told_.protocol) {
        what = "protocol";
    } else if (peer->after_sb_0p != mirrored(told_.after_sb_0p)) {
        what = "after-sb-0pri";
    } else if (peer->after_sb_1p != mirrored(told_.after_sb_1p)) {
        what = "after-sb-1pri";
    } else if (peer->after_sb_2p != mirrored(told_.after_sb_2p)) {
        what = "after-sb-2pri";
    } else if (discard_my_data_ && (peer->conn_flags & proto::kConnDiscardMyData) != 0) {
        return base::Error{base::ErrorCode::State, "incompatible discard-my-data settings"};
    } else if (peer->two_primaries != 0) {
        what = "allow-two-primaries";
    } else if (peer->integrity_alg != told_.integrity_alg) {
        what = "data-integrity-alg";
    }
    if (what != nullptr) {
        refuse(base::format("incompatible %s settings", what));
        return {};
    }
    digests_.expect(peer->integrity_alg);
    if ((peer->conn_flags & proto::kConnDryRun) != 0) {
        return base::Error{base::ErrorCode::Unsupported, "the peer asked for a dry-run connect"};
    }
    return {};
}

// The administrator of the peer has changed them while we are connected: they are ours, too, from
// this place of the stream on. What we can't have ends the connection instead.
base::Result<void> Connection::on_protocol_update(base::ConstBytes body) {
    const base::Result<proto::Protocol> peer = proto::decode_protocol(body);
    if (!peer) {
        return peer.error();
    }
    NetSettings& net = core_.settings.net;
    const auto zero = find_policy(mirrored(peer->after_sb_0p), kPolicies0p);
    const auto one = find_policy(peer->after_sb_1p, kPolicies1p);
    const auto two = find_policy(peer->after_sb_2p, kPolicies2p);
    const bool known = PayloadDigests::known(peer->integrity_alg);
    const char* what = peer->two_primaries != 0 ? "allow-two-primaries"
                       : !known                 ? "data-integrity-alg"
                       : !zero                  ? "after-sb-0pri"
                       : !one                   ? "after-sb-1pri"
                       : !two                   ? "after-sb-2pri"
                                                : nullptr;
    if (what != nullptr) {
        refuse(base::format("the peer has set %s to what this version of drbdd does not support",
                            what));
        return {};
    }
    digests_.expect(peer->integrity_alg);
    if ((peer->conn_flags & proto::kConnFollows) != 0) {
        return {};
    }
    const auto protocol = static_cast<ReplicationProtocol>(peer->protocol);
    const bool news = net.protocol != protocol || net.after_sb_0p != *zero ||
                      net.after_sb_1p != *one || net.after_sb_2p != *two;
    if (news) {
        core_.log(base::LogLevel::Info,
                  "The peer has changed protocol or after-sb policies: adopted");
        transfer_log.close_epoch();
        net.protocol = protocol;
        net.after_sb_0p = *zero;
        net.after_sb_1p = *one;
        net.after_sb_2p = *two;
        note_epoch_order();
        tell_adopted();
    }
    take_digests_of(*peer);
    return {};
}

// From here on our own data have such digests, too: the next connection needs them alike. The peer
// hears that its own word is followed, or two nodes that are changed at the same time would follow
// each other for ever. A kernel's follows nobody.
void Connection::take_digests_of(const proto::Protocol& peer) {
    NetSettings& net = core_.settings.net;
    if (net.integrity_alg != peer.integrity_alg) {
        core_.log(base::LogLevel::Info,
                  base::format("using data-integrity-alg: \"%s\"", peer.integrity_alg.c_str()));
        net.integrity_alg = peer.integrity_alg;
        tell_adopted();
    }
    if (digests_.sent() != net.integrity_alg) {
        proto::Protocol own = own_protocol();
        own.conn_flags = has(proto::kFeatureExplicitFlush) ? proto::kConnFollows : 0u;
        send_update(own);
    }
}

// It is the border between digests of two kinds.
void Connection::send_update(const proto::Protocol& protocol) {
    send(proto::Command::ProtocolUpdate, VolumeNumber{}, protocol);
    digests_.send_with(protocol.integrity_alg);
}

void Connection::tell_adopted() {
    const NetSettings& net = core_.settings.net;
    core_.emit(SettingsAdopted{net.protocol,
                               net.after_sb_0p,
                               net.after_sb_1p,
                               net.after_sb_2p,
                               net.integrity_alg,
                               net.verify_alg,
                               net.csums_alg});
    core_.emit(StatusChanged{});
}

// What runs keeps the algorithm that it has begun with.
void Connection::adopt_algorithms(const std::string& verify_alg, const std::string& csums_alg) {
    adopt("verify-alg", core_.settings.net.verify_alg, verify_alg);
    adopt("csums-alg", core_.settings.net.csums_alg, csums_alg);
}

void Connection::adopt(const char* option, std::string& current, const std::string& told) {
    if (told == current) {
        return;
    }
    if (!PayloadDigests::known(told)) {
        refuse(base::format("peer %s %s not supported", option, told.c_str()));
        return;
    }
    core_.log(base::LogLevel::Info, base::format("using %s: \"%s\"", option, told.c_str()));
    current = told;
    tell_adopted();
}

void Connection::change_settings(const NetSettings& net) {
    const proto::Protocol before = own_protocol();
    const bool other_digest = core_.settings.net.verify_alg != net.verify_alg ||
                              core_.settings.net.csums_alg != net.csums_alg;
    if (up()) {
        transfer_log.close_epoch();
    }
    core_.settings.net = net;
    note_epoch_order();
    const proto::Protocol now = own_protocol();
    const bool news = now.protocol != before.protocol || now.after_sb_0p != before.after_sb_0p ||
                      now.after_sb_1p != before.after_sb_1p ||
                      now.after_sb_2p != before.after_sb_2p ||
                      now.integrity_alg != before.integrity_alg;
    if (up() && news) {
        send_update(now);
    }
    if (up() && other_digest) {
        for (const auto& device : volumes_) {
            device->peer.announce_sync_param();
        }
    }
    if (conn_ == ConnState::Unconnected) {
        reconnect_at_ = core_.now;  // what was refused may fit now
    }
    core_.emit(StatusChanged{});
}

// Under A and B a write may depend on one that is not on the peer's disk yet. What was sent so
// stays under that rule when the protocol changes: from then on all epochs of this connection do.
void Connection::note_epoch_order() {
    epochs_ordered_ = epochs_ordered_ || core_.settings.net.protocol != ReplicationProtocol::C;
}

}  // namespace engine
