#include "tests/unit/proto/roundtrip.h"

#include "proto/packets.h"

#include <algorithm>

namespace test {
namespace {

using proto::Command;

template <auto decode>
base::Result<std::vector<std::uint8_t>> through(base::ConstBytes in) {
    const auto packet = decode(in);
    if (!packet) {
        return packet.error();
    }
    std::vector<std::uint8_t> out(in.size(), 0xcc);
    encode(*packet, out);
    return out;
}

bool has_variable_layout(Command command) {
    return command == Command::Protocol || command == Command::ProtocolUpdate ||
           command == Command::Sizes;
}

}  // namespace

std::size_t codec_size(std::uint16_t command, std::size_t length) {
    const auto shape = proto::body_shape(command);
    if (!shape || has_variable_layout(static_cast<Command>(command))) {
        return length;
    }
    return std::min<std::size_t>(shape->fixed, length);
}

base::Result<std::vector<std::uint8_t>> roundtrip(std::uint16_t command, base::ConstBytes in) {
    const auto shape = proto::body_shape(command);
    if (!shape) {
        return shape.error();
    }
    switch (static_cast<Command>(command)) {
        case Command::Data:
        case Command::DataReply:
        case Command::RsDataReply:
            return through<proto::decode_data>(in);
        case Command::Barrier:
            return through<proto::decode_barrier>(in);
        case Command::DataRequest:
        case Command::RsDataRequest:
        case Command::OvRequest:
        case Command::OvReply:
        case Command::CsumRsRequest:
        case Command::RsThinReq:
            return through<proto::decode_block_req>(in);
        case Command::Protocol:
        case Command::ProtocolUpdate:
            return through<proto::decode_protocol>(in);
        case Command::Uuids:
            return through<proto::decode_uuids>(in);
        case Command::Sizes:
            return through<proto::decode_sizes>(in);
        case Command::State:
            return through<proto::decode_state>(in);
        case Command::SyncUuid:
            return through<proto::decode_sync_uuid>(in);
        case Command::StateChgReq:
        case Command::ConnStChgReq:
            return through<proto::decode_state_chg_req>(in);
        case Command::StateChgReply:
        case Command::ConnStChgReply:
            return through<proto::decode_state_chg_reply>(in);
        case Command::RecvAck:
        case Command::WriteAck:
        case Command::RsWriteAck:
        case Command::Superseded:
        case Command::NegAck:
        case Command::NegDreply:
        case Command::NegRsDreply:
        case Command::OvResult:
        case Command::RsIsInSync:
        case Command::RsCancel:
        case Command::RetryWrite:
            return through<proto::decode_block_ack>(in);
        case Command::BarrierAck:
            return through<proto::decode_barrier_ack>(in);
        case Command::SyncParam89:
            return through<proto::decode_sync_param89>(in);
        case Command::OutOfSync:
        case Command::RsDeallocated:
            return through<proto::decode_block_desc>(in);
        case Command::Trim:
        case Command::Zeroes:
            return through<proto::decode_trim>(in);
        case Command::ConnectionFeatures:
            return through<proto::decode_connection_features>(in);
        default:
            return std::vector<std::uint8_t>(in.begin(), in.end());
    }
}

}  // namespace test
