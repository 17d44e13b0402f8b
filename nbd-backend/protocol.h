// Numbers of the NBD protocol, fixed newstyle. All integers on the wire are big-endian.
// Block front ends specification, sections 1.1 and 1.3 to 1.5.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nbd {

inline constexpr std::uint64_t kGreetingMagic = 0x4e42444d41474943;  // "NBDMAGIC"
inline constexpr std::uint64_t kOptionMagic = 0x49484156454f5054;    // "IHAVEOPT"
inline constexpr std::uint64_t kOptionReplyMagic = 0x0003e889045565a9;
inline constexpr std::uint32_t kRequestMagic = 0x25609513;
inline constexpr std::uint32_t kSimpleReplyMagic = 0x67446698;
inline constexpr std::uint32_t kChunkMagic = 0x668e33ef;
inline constexpr std::uint32_t kExtendedRequestMagic = 0x21e41c71;
inline constexpr std::uint32_t kExtendedChunkMagic = 0x6e8a278c;

inline constexpr std::size_t kOptionHeaderBytes = 16;
inline constexpr std::size_t kOptionReplyHeaderBytes = 20;
inline constexpr std::size_t kRequestBytes = 28;
inline constexpr std::size_t kSimpleReplyBytes = 16;
inline constexpr std::size_t kChunkHeaderBytes = 20;
inline constexpr std::size_t kExtendedRequestBytes = 32;
inline constexpr std::size_t kExtendedChunkHeaderBytes = 32;

// The protocol's own default, and ours: clients that never ask for block sizes rely on it.
inline constexpr std::uint32_t kMaxPayloadBytes = 32u << 20;

// Handshake flags, both directions.
inline constexpr std::uint32_t kFixedNewstyle = 1u << 0;
inline constexpr std::uint32_t kNoZeroes = 1u << 1;

enum class Option : std::uint32_t {
    ExportName = 1,
    Abort = 2,
    List = 3,
    StartTls = 5,
    Info = 6,
    Go = 7,
    StructuredReply = 8,
    ListMetaContext = 9,
    SetMetaContext = 10,
    ExtendedHeaders = 11,
};

enum class OptionReply : std::uint32_t {
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    ErrUnsup = 0x80000001,
    ErrPolicy = 0x80000002,
    ErrInvalid = 0x80000003,
    ErrTlsReqd = 0x80000005,
    ErrUnknown = 0x80000006,
    ErrTooBig = 0x80000009,
    ErrExtHeaderReqd = 0x8000000a,
};

enum class InfoId : std::uint16_t { Export = 0, Name = 1, Description = 2, BlockSize = 3 };

// Transmission flags.
inline constexpr std::uint16_t kHasFlags = 1u << 0;
inline constexpr std::uint16_t kReadOnly = 1u << 1;
inline constexpr std::uint16_t kSendFlush = 1u << 2;
inline constexpr std::uint16_t kSendFua = 1u << 3;
inline constexpr std::uint16_t kRotational = 1u << 4;
inline constexpr std::uint16_t kSendTrim = 1u << 5;
inline constexpr std::uint16_t kSendWriteZeroes = 1u << 6;
inline constexpr std::uint16_t kSendDf = 1u << 7;
inline constexpr std::uint16_t kCanMultiConn = 1u << 8;
inline constexpr std::uint16_t kSendCache = 1u << 10;
inline constexpr std::uint16_t kSendFastZero = 1u << 11;

enum class Command : std::uint16_t {
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
    Trim = 4,
    Cache = 5,
    WriteZeroes = 6,
    BlockStatus = 7,
};

// Command flags.
inline constexpr std::uint16_t kFua = 1u << 0;
inline constexpr std::uint16_t kNoHole = 1u << 1;
inline constexpr std::uint16_t kDontFragment = 1u << 2;
inline constexpr std::uint16_t kRequestOne = 1u << 3;
inline constexpr std::uint16_t kFastZero = 1u << 4;
inline constexpr std::uint16_t kPayloadLength = 1u << 5;  // with extended headers: data follow

enum class Chunk : std::uint16_t {
    None = 0,
    OffsetData = 1,
    BlockStatus = 5,
    BlockStatusExtended = 6,
    Error = 0x8001,
};
inline constexpr std::uint16_t kChunkDone = 1u << 0;

// Errors on the wire. They happen to be Linux's numbers, but only these may be sent.
enum class WireError : std::uint32_t {
    None = 0,
    Perm = 1,
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
    NotSupported = 95,  // only for WRITE_ZEROES with FAST_ZERO
    Shutdown = 108,
};

// What BLOCK_STATUS tells of, and the numbers under which its chunks carry that. The second one is
// ours: flag kOutOfSync where the volume's bitmap marks a block.
inline constexpr char kBaseAllocation[] = "base:allocation";
inline constexpr std::uint32_t kBaseAllocationId = 1;
inline constexpr std::uint32_t kHole = 1u << 0;
inline constexpr std::uint32_t kReadsAsZero = 1u << 1;
inline constexpr char kOutOfSyncContext[] = "x-drbd:out-of-sync";
inline constexpr std::uint32_t kOutOfSyncId = 2;
inline constexpr std::uint32_t kOutOfSync = 1u << 0;

}  // namespace nbd
