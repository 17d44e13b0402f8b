// The packets of DRBD 8.4's wire protocol (protocol 100 and 101) as values, and their codecs.
// Wire specification, sections 2.1 to 2.5. All integers are big-endian except the opaque block ids
// and barrier numbers, which a peer echoes byte for byte.
//
// decode_*() checks all that can be wrong without knowing the device, and fails with Invalid: exact
// length, NUL-terminated strings, sectors below 2^54 (so that `sector * 512 + size` cannot
// overflow), block sizes of whole sectors (requests: 1 sector to 1 MiB; discards: not 0; acks: also
// 0, that of a flush). Whether a sector lies on the device is the caller's business. Pads are
// ignored: the kernel sends stale bytes in those of BlockReq and BlockDesc. encode() appends to
// nothing: it fills `out`, which is exactly the size that the packet says; pads become zero.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

#include <array>
#include <cstdint>
#include <string>

namespace proto {

inline constexpr std::uint32_t kProtocolMin = 100;
inline constexpr std::uint32_t kProtocolMax = 101;

// Limits of protocol 100 and later (2.5).
inline constexpr std::uint32_t kMaxDataBytes = 1u << 20;
inline constexpr std::uint32_t kMaxBitmapPacketBytes = 4080;
inline constexpr std::uint64_t kIdSyncer = ~0ull;
// Of OvResult: 4711 and 4712, big-endian as no other block id is.
inline constexpr std::uint64_t kIdInSync = 0x6712000000000000ull;
inline constexpr std::uint64_t kIdOutOfSync = 0x6812000000000000ull;

enum class Command : std::uint16_t {
    Data = 0x00,
    DataReply = 0x01,
    RsDataReply = 0x02,
    Barrier = 0x03,
    Bitmap = 0x04,
    UnplugRemote = 0x07,
    DataRequest = 0x08,
    RsDataRequest = 0x09,
    SyncParam = 0x0a,
    Protocol = 0x0b,
    Uuids = 0x0c,
    Sizes = 0x0d,
    State = 0x0e,
    SyncUuid = 0x0f,
    AuthChallenge = 0x10,
    AuthResponse = 0x11,
    StateChgReq = 0x12,
    Ping = 0x13,
    PingAck = 0x14,
    RecvAck = 0x15,
    WriteAck = 0x16,
    RsWriteAck = 0x17,
    Superseded = 0x18,
    NegAck = 0x19,
    NegDreply = 0x1a,
    NegRsDreply = 0x1b,
    BarrierAck = 0x1c,
    StateChgReply = 0x1d,
    OvRequest = 0x1e,
    OvReply = 0x1f,
    OvResult = 0x20,
    CsumRsRequest = 0x21,
    RsIsInSync = 0x22,
    SyncParam89 = 0x23,
    CompressedBitmap = 0x24,
    DelayProbe = 0x27,
    OutOfSync = 0x28,
    RsCancel = 0x29,
    ConnStChgReq = 0x2a,
    ConnStChgReply = 0x2b,
    RetryWrite = 0x2c,
    ProtocolUpdate = 0x2d,
    Trim = 0x31,
    RsThinReq = 0x32,
    RsDeallocated = 0x33,
    Wsame = 0x34,
    Zeroes = 0x36,
    InitialMeta = 0xfff1,
    InitialData = 0xfff2,
    ConnectionFeatures = 0xfffe,
};

// "Data", "RsWriteAck" ... as in this enumeration; "unknown" for a number that is not in it.
const char* command_name(std::uint16_t command);

// --- Headers (2.1) ---

enum class HeaderKind : std::uint8_t { H80, H95, H100 };

inline constexpr std::size_t kHeader80Size = 8;
inline constexpr std::size_t kHeader100Size = 16;

struct Header {
    HeaderKind kind = HeaderKind::H100;
    std::uint16_t command = 0;  // not an enumerator: a peer may send any number
    std::uint16_t volume = 0;
    std::uint32_t length = 0;  // bytes after the header
};

// Size of the header that starts with these 4 bytes, told by its magic; Invalid for a foreign
// magic.
base::Result<HeaderKind> header_kind(base::ConstBytes first_four);

inline constexpr std::size_t header_size(HeaderKind kind) {
    return kind == HeaderKind::H100 ? kHeader100Size : kHeader80Size;
}

// `in` is exactly header_size(kind) long. Refuses a pad that is not zero.
base::Result<Header> decode_header(base::ConstBytes in);
// `out` is exactly header_size(header.kind) long; H80 needs length <= 65535.
void encode(const Header& header, base::Bytes out);

// How the body of a command is laid out, so that a receiver can put payload into a buffer of its
// own.
struct BodyShape {
    std::uint32_t fixed = 0;        // bytes of the fixed part
    std::uint32_t max_payload = 0;  // bytes that may follow it (0: none may)
    bool bulk = false;  // what follows the fixed part is data for a disk or an application
};

// Shapes for protocol 100/101 without data-integrity digests: with one, the fixed part of Data,
// DataReply and RsDataReply is followed by it. Unsupported for a number
// that is not in the table and for packets that no peer at protocol 100 may send (SyncParam,
// Wsame).
base::Result<BodyShape> body_shape(std::uint16_t command);

// --- Handshake ---

enum Feature : std::uint32_t {
    kFeatureTrim = 1,
    kFeatureThinResync = 2,
    kFeatureWsame = 4,
    kFeatureWzeroes = 8,
    // Ours, unknown to the kernel, which ignores it: this node sends an explicit flush for every
    // flush of the application, and acks a barrier only when its writes are on stable storage.
    kFeatureExplicitFlush = 1u << 31,
};

struct ConnectionFeatures {
    static constexpr std::size_t kSize = 72;
    std::uint32_t protocol_min = kProtocolMin;
    std::uint32_t feature_flags = 0;
    std::uint32_t protocol_max = kProtocolMax;
};

enum ConnFlag : std::uint32_t {
    kConnDiscardMyData = 1,
    kConnDryRun = 2,
    // Ours, of P_PROTOCOL_UPDATE, and only for a peer with kFeatureExplicitFlush: nobody has
    // changed anything here, our own digests follow what the peer has told.
    kConnFollows = 1u << 31,
};

struct Protocol {
    static constexpr std::size_t kFixedSize = 24;  // then the name of the algorithm, NUL-terminated
    std::uint32_t protocol = 3;                    // 1 A, 2 B, 3 C
    std::uint32_t after_sb_0p = 0;
    std::uint32_t after_sb_1p = 0;
    std::uint32_t after_sb_2p = 0;
    std::uint32_t conn_flags = 0;
    std::uint32_t two_primaries = 0;
    std::string integrity_alg;

    std::size_t size() const { return kFixedSize + integrity_alg.size() + 1; }
};

struct SyncParam89 {
    static constexpr std::size_t kSize = 148;
    std::uint32_t resync_rate = 250;  // KiB/s
    std::string verify_alg;           // at most 63 bytes, as all names of algorithms
    std::string csums_alg;
    std::uint32_t c_plan_ahead = 20;    // 0.1 s
    std::uint32_t c_delay_target = 10;  // 0.1 s
    std::uint32_t c_fill_target = 100;  // sectors
    std::uint32_t c_max_rate = 102400;  // KiB/s
};

enum SizesFlag : std::uint16_t {
    kSizesForced = 1,
    kSizesNoResync = 2,
    kSizesAskedFor = kSizesForced | kSizesNoResync,
    // Ours, never told to a kernel: who answers a resize says whose new blocks are copied.
    kSizesCopyFromSender = 0x4000,
    kSizesCopyToSender = 0x8000,
};

struct Sizes {
    static constexpr std::size_t kSize = 32;
    static constexpr std::size_t kSizeWithLimits = 56;  // when kFeatureWsame was agreed
    std::uint64_t d_size = 0;                           // sectors
    std::uint64_t u_size = 0;
    std::uint64_t c_size = 0;
    std::uint32_t max_bio_size = kMaxDataBytes;  // bytes
    std::uint16_t queue_order_type = 0;
    std::uint16_t dds_flags = 0;

    bool has_limits = true;  // the fields below are present
    std::uint32_t physical_block_size = 512;
    std::uint32_t logical_block_size = 512;
    std::uint32_t alignment_offset = 0;
    std::uint32_t io_min = 512;
    std::uint32_t io_opt = 0;
    std::uint8_t discard_enabled = 1;
    std::uint8_t discard_zeroes_data = 0;
    std::uint8_t write_same_capable = 0;

    std::size_t size() const { return has_limits ? kSizeWithLimits : kSize; }
};

enum UuidFlag : std::uint64_t {
    kUuidDiscardMyData = 1,
    kUuidCrashedPrimary = 2,
    kUuidInconsistent = 4,
    kUuidSkipInitialSync = 8,
};

struct Uuids {
    static constexpr std::size_t kSize = 48;
    std::uint64_t current = 0;
    std::uint64_t bitmap = 0;
    std::array<std::uint64_t, 2> history{};
    std::uint64_t dirty_bits = 0;
    std::uint64_t flags = 0;
};

struct State {
    static constexpr std::size_t kSize = 4;
    std::uint32_t value = 0;  // drbd_state, 4.1; unknown bits are kept
};

struct SyncUuid {
    static constexpr std::size_t kSize = 8;
    std::uint64_t uuid = 0;
};

struct StateChgReq {  // also ConnStChgReq
    static constexpr std::size_t kSize = 8;
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
};

struct StateChgReply {  // also ConnStChgReply
    static constexpr std::size_t kSize = 4;
    std::int32_t code = 0;
};

// --- Data ---

enum DataFlag : std::uint32_t {
    kDataRwSync = 2,
    kDataMaySetInSync = 4,
    kDataFua = 16,
    kDataFlush = 32,
    kDataDiscard = 64,
    kDataSendReceiveAck = 128,  // protocol B
    kDataSendWriteAck = 256,    // protocol C
    kDataWsame = 512,
    kDataZeroes = 1024,
};

// Data, DataReply, RsDataReply: the payload follows and is no business of this codec.
struct Data {
    static constexpr std::size_t kSize = 24;
    base::Sector sector;
    std::uint64_t block_id = 0;  // opaque
    std::uint32_t sequence = 0;
    std::uint32_t flags = 0;  // unknown bits are kept, so that a trace shows what was sent

    bool has(DataFlag flag) const { return (flags & flag) != 0; }
};

struct Trim {  // Trim, Zeroes
    static constexpr std::size_t kSize = 28;
    Data data;
    std::uint32_t size = 0;  // bytes
};

struct BlockReq {  // DataRequest, RsDataRequest, OvRequest, RsThinReq; CsumRsRequest, OvReply +
                   // digest
    static constexpr std::size_t kSize = 24;
    base::Sector sector;
    std::uint64_t block_id = 0;  // opaque
    std::uint32_t size = 0;      // bytes
};

struct BlockAck {
    static constexpr std::size_t kSize = 24;
    base::Sector sector;
    std::uint64_t block_id = 0;  // opaque
    std::uint32_t size = 0;      // bytes
    std::uint32_t sequence = 0;
};

struct Barrier {
    static constexpr std::size_t kSize = 8;
    std::uint32_t number = 0;  // opaque
};

struct BarrierAck {
    static constexpr std::size_t kSize = 8;
    std::uint32_t number = 0;  // opaque
    std::uint32_t set_size = 0;
};

struct BlockDesc {  // OutOfSync, RsDeallocated
    static constexpr std::size_t kSize = 16;
    base::Sector sector;
    std::uint32_t size = 0;  // bytes
};

void encode(const ConnectionFeatures&, base::Bytes out);
void encode(const Protocol&, base::Bytes out);
void encode(const SyncParam89&, base::Bytes out);
void encode(const Sizes&, base::Bytes out);
void encode(const Uuids&, base::Bytes out);
void encode(const State&, base::Bytes out);
void encode(const SyncUuid&, base::Bytes out);
void encode(const StateChgReq&, base::Bytes out);
void encode(const StateChgReply&, base::Bytes out);
void encode(const Data&, base::Bytes out);
void encode(const Trim&, base::Bytes out);
void encode(const BlockReq&, base::Bytes out);
void encode(const BlockAck&, base::Bytes out);
void encode(const Barrier&, base::Bytes out);
void encode(const BarrierAck&, base::Bytes out);
void encode(const BlockDesc&, base::Bytes out);

base::Result<ConnectionFeatures> decode_connection_features(base::ConstBytes in);
base::Result<Protocol> decode_protocol(base::ConstBytes in);
base::Result<SyncParam89> decode_sync_param89(base::ConstBytes in);
base::Result<Sizes> decode_sizes(base::ConstBytes in);  // both sizes; has_limits says which
base::Result<Uuids> decode_uuids(base::ConstBytes in);
base::Result<State> decode_state(base::ConstBytes in);
base::Result<SyncUuid> decode_sync_uuid(base::ConstBytes in);
base::Result<StateChgReq> decode_state_chg_req(base::ConstBytes in);
base::Result<StateChgReply> decode_state_chg_reply(base::ConstBytes in);
base::Result<Data> decode_data(base::ConstBytes in);
base::Result<Trim> decode_trim(base::ConstBytes in);
base::Result<BlockReq> decode_block_req(base::ConstBytes in);
base::Result<BlockAck> decode_block_ack(base::ConstBytes in);
base::Result<Barrier> decode_barrier(base::ConstBytes in);
base::Result<BarrierAck> decode_barrier_ack(base::ConstBytes in);
base::Result<BlockDesc> decode_block_desc(base::ConstBytes in);

}  // namespace proto
