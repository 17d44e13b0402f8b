// Who handles which packet of an established connection. Wire specification, sections 2.2 and 4.6.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/rules/state_rules.h"
#include "drbdd/engine/volume/device.h"
#include "drbdd/engine/volume/volumes.h"

#include <type_traits>

namespace engine {

base::Result<void> Connection::handle_data(const Packet& packet) {
    const auto command = static_cast<proto::Command>(packet.header.command);
    switch (command) {
        case proto::Command::Protocol:
            return on_protocol(packet.body);
        case proto::Command::ProtocolUpdate:
            return on_protocol_update(packet.body);
        case proto::Command::UnplugRemote:
        case proto::Command::DelayProbe:
            return {};
        case proto::Command::Barrier: {
            const base::Result<proto::Barrier> barrier = proto::decode_barrier(packet.body);
            if (!barrier) {
                return barrier.error();
            }
            peer_writes.on_barrier(*barrier);
            return {};
        }
        case proto::Command::ConnStChgReq:
            return on_conn_state_request(packet.body);
        default:
            break;
    }
    Device* device = volumes_.find(VolumeNumber{packet.header.volume});
    if (device != nullptr) {
        return handle_data_volume(packet, *device);
    }
    return handle_unknown_volume(packet);
}

namespace {

// What a volume that is added later needs to know of its twin, which tells it once.
constexpr std::size_t kMostUnknownVolumes = 64;
constexpr std::size_t kMostToldBytes = 1024;

bool is_of_handshake(proto::Command command) {
    return command == proto::Command::SyncParam89 || command == proto::Command::Sizes ||
           command == proto::Command::Uuids || command == proto::Command::State;
}

// Decodes a body and hands it on, or returns what is wrong with it.
template <typename Decoded, typename Handler>
base::Result<void> with(base::Result<Decoded> decoded, Handler handler) {
    if (!decoded) {
        return decoded.error();
    }
    if constexpr (std::is_void_v<decltype(handler(*decoded))>) {
        handler(*decoded);
        return {};
    } else {
        return handler(*decoded);
    }
}

// Of the volume, by a drbdd: nothing that it has told of it counts any more.
bool tells_of_removal(const Packet& packet) {
    if (packet.header.command != static_cast<std::uint16_t>(proto::Command::State)) {
        return false;
    }
    const base::Result<proto::State> state = proto::decode_state(packet.body);
    return state && from_wire(state->value).conn == ConnState::StandAlone;
}

// The peer may become Primary of what we do not have; anything else is our business as well.
StateCode reply_for_unknown_volume(const proto::StateChgReq& request) {
    const VolumeState nothing;
    const VolumeState wanted = apply_peer_request(nothing, request.mask, request.value);
    const bool about_us = wanted.conn != nothing.conn || wanted.disk != nothing.disk;
    return about_us ? StateCode::NotSupported : StateCode::Success;
}

bool writes_data(const Packet& packet) {
    const auto command = static_cast<proto::Command>(packet.header.command);
    return command == proto::Command::Data || command == proto::Command::Trim ||
           command == proto::Command::Zeroes;
}

}  // namespace

base::Result<void> Connection::handle_unknown_volume(const Packet& packet) {
    const auto command = static_cast<proto::Command>(packet.header.command);
    const std::uint16_t volume = packet.header.volume;
    if (command == proto::Command::StateChgReq) {
        return with(proto::decode_state_chg_req(packet.body), [&](const auto& request) {
            std::vector<std::uint8_t> reply(proto::StateChgReply::kSize);
            const StateCode code = reply_for_unknown_volume(request);
            proto::encode(proto::StateChgReply{static_cast<std::int32_t>(code)}, reply);
            send_meta(proto::Command::StateChgReply, VolumeNumber{volume}, reply);
        });
    }
    const std::string text =
        base::format("%s packet received for volume %u, which is not configured locally",
                     proto::command_name(packet.header.command),
                     volume);
    if (!is_of_handshake(command)) {
        return base::Error{base::ErrorCode::Invalid, text};
    }
    if (tells_of_removal(packet)) {
        told_of_others_.erase(volume);
        return {};
    }
    const bool known = told_of_others_.contains(volume);
    if (!known && told_of_others_.size() < kMostUnknownVolumes) {
        core_.log(base::LogLevel::Warning, text);
    }
    const bool kept = known || told_of_others_.size() < kMostUnknownVolumes;
    if (kept && packet.body.size() <= kMostToldBytes) {
        std::vector<Packet>& told = told_of_others_[volume];
        std::erase_if(told, [&](const Packet& earlier) {
            return earlier.header.command == packet.header.command;
        });
        told.push_back({packet.header, packet.body, {}});
    }
    return {};
}

base::Result<void> Connection::handle_data_volume(const Packet& packet, Device& device) {
    const base::ConstBytes body = packet.body;
    PeerDevice& peer = device.peer;
    if (writes_data(packet) && device.state().conn < ConnState::Connected) {
        return base::Error{base::ErrorCode::Invalid,
                           "a write before it is settled whose data are newer"};
    }
    switch (static_cast<proto::Command>(packet.header.command)) {
        case proto::Command::SyncParam89:
            return with(proto::decode_sync_param89(body),
                        [&](const auto& p) { return peer.on_sync_param(p); });
        case proto::Command::Sizes:
            return with(proto::decode_sizes(body), [&](const auto& p) { return peer.on_sizes(p); });
        case proto::Command::Uuids:
            return with(proto::decode_uuids(body), [&](const auto& p) { peer.on_uuids(p); });
        case proto::Command::State:
            return with(proto::decode_state(body), [&](const auto& p) { return peer.on_state(p); });
        case proto::Command::SyncUuid:
            return with(proto::decode_sync_uuid(body),
                        [&](const auto& p) { return peer.on_sync_uuid(p); });
        case proto::Command::StateChgReq:
            return with(proto::decode_state_chg_req(body),
                        [&](const auto& p) { peer.on_state_request(p); });
        case proto::Command::OutOfSync:
            return with(proto::decode_block_desc(body),
                        [&](const auto& p) { return peer.on_out_of_sync(p); });
        case proto::Command::Data:
            return with(digests_.checked(packet), [&](const auto& p) {
                return peer_writes.on_write(
                    device, PeerWrites::Kind::Write, p, packet.payload.length, packet.payload);
            });
        case proto::Command::Trim:
            return with(proto::decode_trim(body), [&](const auto& p) {
                return peer_writes.on_write(device, PeerWrites::Kind::Trim, p.data, p.size, {});
            });
        case proto::Command::Zeroes:
            return with(proto::decode_trim(body), [&](const auto& p) {
                return peer_writes.on_write(device, PeerWrites::Kind::Zeroes, p.data, p.size, {});
            });
        case proto::Command::DataReply:
            return with(digests_.checked(packet), [&](const auto& p) {
                return device.requests.reads.on_reply(p, packet.payload);
            });
        case proto::Command::RsDataReply:
            return with(digests_.checked(packet),
                        [&](const auto& p) { return peer.target.on_reply(p, packet.payload); });
        case proto::Command::RsDeallocated:
            return with(proto::decode_block_desc(body),
                        [&](const auto& p) { return peer.target.on_deallocated(p); });
        case proto::Command::RsDataRequest:
        case proto::Command::RsThinReq:
            return with(proto::decode_block_req(body),
                        [&](const auto& p) { return peer.source.on_request(p); });
        case proto::Command::CsumRsRequest:
            return with(proto::decode_block_req(body.first(proto::BlockReq::kSize)),
                        [&](const auto& p) {
                            return peer.source.on_request(p, body.subspan(proto::BlockReq::kSize));
                        });
        case proto::Command::OvRequest:
            return with(proto::decode_block_req(body), [&](const auto& p) {
                return peer.verify_target.on_request(p, core_.settings.net.verify_alg);
            });
        case proto::Command::OvReply:
            return peer.verify_source.on_reply(body);
        case proto::Command::DataRequest:
            return with(proto::decode_block_req(body),
                        [&](const auto& p) { return peer_reads.on_request(device, p); });
        case proto::Command::Bitmap:
            return peer.exchange.on_plain(body);
        case proto::Command::CompressedBitmap:
            return peer.exchange.on_compressed(body);
        default:
            return base::Error{base::ErrorCode::Invalid, "unexpected on the data socket"};
    }
}

base::Result<void> Connection::handle_meta(const Packet& packet) {
    const auto command = static_cast<proto::Command>(packet.header.command);
    switch (command) {
        case proto::Command::Ping:
            send_meta(proto::Command::PingAck, VolumeNumber{}, {});
            ++pings_answered_;
            return {};
        case proto::Command::PingAck:
            liveness_.pong();
            return {};
        case proto::Command::DelayProbe:
            return {};
        case proto::Command::BarrierAck:
            return on_barrier_ack(packet.body);
        case proto::Command::ConnStChgReply:
            return with(proto::decode_state_chg_reply(packet.body), [this](const auto& reply) {
                if (disconnect_requested_) {
                    disconnect_requested_ = false;
                    disconnect_reply_ = static_cast<StateCode>(reply.code);
                }
            });
        default:
            break;
    }
    Device* device = volumes_.find(VolumeNumber{packet.header.volume});
    if (device == nullptr && command == proto::Command::StateChgReply) {
        return {};  // it was asked before the volume was removed
    }
    if (device == nullptr) {
        return base::Error{base::ErrorCode::Invalid, "an ack for a volume that is not configured"};
    }
    return handle_ack(packet, *device);
}

base::Result<void> Connection::handle_ack(const Packet& packet, Device& device) {
    const auto command = static_cast<proto::Command>(packet.header.command);
    if (command == proto::Command::StateChgReply) {
        return with(proto::decode_state_chg_reply(packet.body),
                    [&](const auto& p) { device.peer.on_state_reply(p); });
    }
    const base::Result<proto::BlockAck> decoded = proto::decode_block_ack(packet.body);
    if (!decoded) {
        return decoded.error();
    }
    const proto::BlockAck& ack = *decoded;
    if (!device.covers(ack.sector, ack.size)) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("an ack for %u bytes at sector %llu, which are not on the "
                                        "device",
                                        ack.size,
                                        static_cast<unsigned long long>(ack.sector.value))};
    }
    const bool resync = ack.block_id == proto::kIdSyncer;
    switch (command) {
        case proto::Command::RecvAck:
            return device.requests.on_ack(Requests::Ack::Received, ack);
        case proto::Command::WriteAck:
            return device.requests.on_ack(Requests::Ack::Written, ack);
        case proto::Command::RsWriteAck:
            if (resync) {
                device.peer.on_resync_write_acked(ack, true);
                return {};
            }
            return device.requests.on_ack(Requests::Ack::InSync, ack);
        case proto::Command::NegAck:
            if (resync) {
                device.peer.on_resync_write_acked(ack, false);
                return {};
            }
            return device.requests.on_ack(Requests::Ack::Negative, ack);
        case proto::Command::NegDreply:
            return device.requests.reads.on_refused(ack);
        case proto::Command::NegRsDreply:
            if (!device.peer.verify_source.on_refused(ack)) {
                device.peer.target.on_refused(ack, true);
            }
            return {};
        case proto::Command::OvResult:
            device.peer.verify_target.on_result(ack);
            return {};
        case proto::Command::RsCancel:
            device.peer.target.on_refused(ack, false);
            return {};
        case proto::Command::RsIsInSync:
            device.peer.target.on_in_sync(ack);
            return {};
        default:
            return base::Error{base::ErrorCode::Invalid, "unexpected on the meta socket"};
    }
}

base::Result<void> Connection::on_barrier_ack(base::ConstBytes body) {
    const base::Result<proto::BarrierAck> ack = proto::decode_barrier_ack(body);
    if (!ack) {
        return ack.error();
    }
    const base::Result<std::vector<TransferLog::Entry>> writes = transfer_log.on_barrier_ack(*ack);
    if (!writes) {
        return writes.error();
    }
    for (const TransferLog::Entry& entry : *writes) {
        entry.device->requests.on_barrier_acked(entry.key);
    }
    return {};
}

base::Result<void> Connection::on_conn_state_request(base::ConstBytes body) {
    const base::Result<proto::StateChgReq> request = proto::decode_state_chg_req(body);
    if (!request) {
        return request.error();
    }
    StateCode code = StateCode::Success;
    Outdating outdating;
    for (const auto& device : volumes_) {
        const VolumeState own = device->state();
        VolumeState next = apply_peer_request(own, request->mask, request->value);
        if (next.disk == DiskState::Outdated && own.disk <= DiskState::Outdated) {
            next.disk = own.disk;
        }
        outdating.own |= next.disk == DiskState::Outdated && next.disk != own.disk;
        outdating.peer |= next.pdsk == DiskState::Outdated && next.pdsk != own.pdsk;
        const StateCode here =
            check_change(own, sanitise(next), in_handshake(), core_.settings.state_policy());
        code = succeeded(here) ? code : here;
    }
    const bool tear_down =
        (request->mask & 31u << 4) == 31u << 4 &&
        (request->value >> 4 & 31) == static_cast<std::uint32_t>(ConnState::Disconnecting);
    if (!peer_may_ask(request->mask, request->value) || (succeeded(code) && !tear_down)) {
        code = StateCode::NotSupported;
    }
    std::vector<std::uint8_t> reply(proto::StateChgReply::kSize);
    proto::encode(proto::StateChgReply{static_cast<std::int32_t>(code)}, reply);
    send_meta(proto::Command::ConnStChgReply, VolumeNumber{}, reply);
    if (succeeded(code)) {
        close_after_sending_ = true;
        drop(ConnState::TearDown, "");
        drop_->outdating = outdating;
    }
    return {};
}

}  // namespace engine
