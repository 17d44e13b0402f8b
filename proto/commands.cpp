// The packet table (2.2) for protocol 100 and 101: names, and what may follow each header.
#include "proto/codec.h"
#include "proto/packets.h"

#include <algorithm>

namespace proto {
namespace {

struct Entry {
    Command command{};
    const char* name = nullptr;
    BodyShape shape;
    const char* refused = nullptr;  // why a peer at protocol 100 must not send it
};

constexpr std::uint32_t kMaxAlgorithmBytes = 64;  // name and NUL
constexpr std::uint32_t kMaxDigestBytes = 64;     // sha512
constexpr std::uint32_t kMaxAuthBytes = 128;

constexpr BodyShape fixed(std::size_t size, std::size_t max_payload = 0) {
    return {static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(max_payload), false};
}

constexpr BodyShape kBulk{Data::kSize, kMaxDataBytes, true};

constexpr Entry kEntries[] = {
    {Command::Data, "Data", kBulk},
    {Command::DataReply, "DataReply", kBulk},
    {Command::RsDataReply, "RsDataReply", kBulk},
    {Command::Barrier, "Barrier", fixed(Barrier::kSize)},
    {Command::Bitmap, "Bitmap", fixed(0, kMaxBitmapPacketBytes)},
    {Command::UnplugRemote, "UnplugRemote", fixed(0)},
    {Command::DataRequest, "DataRequest", fixed(BlockReq::kSize)},
    {Command::RsDataRequest, "RsDataRequest", fixed(BlockReq::kSize)},
    {Command::SyncParam, "SyncParam", {}, "it ended with protocol 88"},
    {Command::Protocol, "Protocol", fixed(Protocol::kFixedSize, kMaxAlgorithmBytes)},
    {Command::Uuids, "Uuids", fixed(Uuids::kSize)},
    {Command::Sizes, "Sizes", fixed(Sizes::kSize, Sizes::kSizeWithLimits - Sizes::kSize)},
    {Command::State, "State", fixed(State::kSize)},
    {Command::SyncUuid, "SyncUuid", fixed(SyncUuid::kSize)},
    {Command::AuthChallenge, "AuthChallenge", fixed(0, kMaxAuthBytes)},
    {Command::AuthResponse, "AuthResponse", fixed(0, kMaxAuthBytes)},
    {Command::StateChgReq, "StateChgReq", fixed(StateChgReq::kSize)},
    {Command::Ping, "Ping", fixed(0)},
    {Command::PingAck, "PingAck", fixed(0)},
    {Command::RecvAck, "RecvAck", fixed(BlockAck::kSize)},
    {Command::WriteAck, "WriteAck", fixed(BlockAck::kSize)},
    {Command::RsWriteAck, "RsWriteAck", fixed(BlockAck::kSize)},
    {Command::Superseded, "Superseded", fixed(BlockAck::kSize)},
    {Command::NegAck, "NegAck", fixed(BlockAck::kSize)},
    {Command::NegDreply, "NegDreply", fixed(BlockAck::kSize)},
    {Command::NegRsDreply, "NegRsDreply", fixed(BlockAck::kSize)},
    {Command::BarrierAck, "BarrierAck", fixed(BarrierAck::kSize)},
    {Command::StateChgReply, "StateChgReply", fixed(StateChgReply::kSize)},
    {Command::OvRequest, "OvRequest", fixed(BlockReq::kSize)},
    {Command::OvReply, "OvReply", fixed(BlockReq::kSize, kMaxDigestBytes)},
    {Command::OvResult, "OvResult", fixed(BlockAck::kSize)},
    {Command::CsumRsRequest, "CsumRsRequest", fixed(BlockReq::kSize, kMaxDigestBytes)},
    {Command::RsIsInSync, "RsIsInSync", fixed(BlockAck::kSize)},
    {Command::SyncParam89, "SyncParam89", fixed(SyncParam89::kSize)},
    {Command::CompressedBitmap, "CompressedBitmap", fixed(0, kMaxBitmapPacketBytes)},
    {Command::DelayProbe, "DelayProbe", fixed(8)},
    {Command::OutOfSync, "OutOfSync", fixed(BlockDesc::kSize)},
    {Command::RsCancel, "RsCancel", fixed(BlockAck::kSize)},
    {Command::ConnStChgReq, "ConnStChgReq", fixed(StateChgReq::kSize)},
    {Command::ConnStChgReply, "ConnStChgReply", fixed(StateChgReply::kSize)},
    {Command::RetryWrite, "RetryWrite", fixed(BlockAck::kSize)},
    {Command::ProtocolUpdate, "ProtocolUpdate", fixed(Protocol::kFixedSize, kMaxAlgorithmBytes)},
    {Command::Trim, "Trim", fixed(Trim::kSize)},
    {Command::RsThinReq, "RsThinReq", fixed(BlockReq::kSize)},
    {Command::RsDeallocated, "RsDeallocated", fixed(BlockDesc::kSize)},
    {Command::Wsame, "Wsame", {}, "nobody sends WRITE SAME any more"},
    {Command::Zeroes, "Zeroes", fixed(Trim::kSize)},
    {Command::InitialMeta, "InitialMeta", fixed(0)},
    {Command::InitialData, "InitialData", fixed(0)},
    {Command::ConnectionFeatures, "ConnectionFeatures", fixed(ConnectionFeatures::kSize)},
};

const Entry* find(std::uint16_t command) {
    const auto entry = std::ranges::find(kEntries, static_cast<Command>(command), &Entry::command);
    return entry == std::end(kEntries) ? nullptr : entry;
}

}  // namespace

const char* command_name(std::uint16_t command) {
    const Entry* entry = find(command);
    return entry == nullptr ? "unknown" : entry->name;
}

base::Result<BodyShape> body_shape(std::uint16_t command) {
    const Entry* entry = find(command);
    if (entry == nullptr) {
        return base::Error{
            base::ErrorCode::Unsupported,
            "packet number " + std::to_string(command) + " is not part of DRBD 8.4's protocol"};
    }
    if (entry->refused != nullptr) {
        return base::Error{base::ErrorCode::Unsupported,
                           std::string("packet ") + entry->name + " is refused: " + entry->refused};
    }
    return entry->shape;
}

}  // namespace proto
