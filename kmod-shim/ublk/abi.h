// What the kernel's ublk driver and its servers exchange. Our own words for it, since the headers
// of older kernels lack half of it. Block front ends specification, 3.2 to 3.4.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shim::ublk {

inline constexpr const char* kControlPath = "/dev/ublk-control";
inline constexpr std::uint32_t kAnyDevice = 0xffffffff;
inline constexpr std::uint16_t kNoQueue = 0xffff;
inline constexpr std::uint64_t kSectorBytes = 512;  // whatever the logical block size is

// What the driver knows, and what a device was granted.
inline constexpr std::uint64_t kUserRecovery = 1u << 3;
inline constexpr std::uint64_t kRecoveryReissue = 1u << 4;  // what was delivered is sent again
inline constexpr std::uint64_t kIoctlEncoding = 1u << 6;
inline constexpr std::uint64_t kUpdateSize = 1u << 10;

enum class DeviceState : std::uint16_t { Dead = 0, Live = 1, Quiesced = 2, FailIo = 3 };

struct ControlCommand {
    std::uint32_t device = 0;
    std::uint16_t queue = kNoQueue;
    std::uint16_t length = 0;   // of the buffer
    std::uint64_t address = 0;  // of the buffer
    std::uint64_t data = 0;
    std::uint16_t path_length = 0;
    std::uint16_t padding = 0;
    std::uint32_t reserved = 0;
};

static_assert(sizeof(ControlCommand) == 32);

struct DeviceInfo {
    std::uint16_t queues = 0;
    std::uint16_t depth = 0;
    std::uint16_t state = 0;
    std::uint16_t padding0 = 0;
    std::uint32_t request_bytes_max = 0;
    std::uint32_t device = 0;
    std::int32_t server_pid = 0;
    std::uint32_t padding1 = 0;
    std::uint64_t flags = 0;
    std::uint64_t server_flags = 0;  // the server's own: our token
    std::uint32_t owner_uid = 0;
    std::uint32_t owner_gid = 0;
    std::uint64_t reserved[2] = {};
};

static_assert(sizeof(DeviceInfo) == 64);
static_assert(offsetof(DeviceInfo, flags) == 24);

inline constexpr std::uint32_t kHasBasic = 1u << 0;
inline constexpr std::uint32_t kHasDiscard = 1u << 1;

inline constexpr std::uint32_t kRotational = 1u << 1;
inline constexpr std::uint32_t kVolatileCache = 1u << 2;
inline constexpr std::uint32_t kFua = 1u << 3;

struct Parameters {
    std::uint32_t length = 0;
    std::uint32_t types = 0;

    std::uint32_t attributes = 0;
    std::uint8_t logical_shift = 0;
    std::uint8_t physical_shift = 0;
    std::uint8_t optimal_shift = 0;
    std::uint8_t minimal_shift = 0;
    std::uint32_t sectors_max = 0;  // of one request
    std::uint32_t chunk_sectors = 0;
    std::uint64_t device_sectors = 0;
    std::uint64_t boundary_mask = 0;

    std::uint32_t discard_alignment = 0;
    std::uint32_t discard_granularity = 0;
    std::uint32_t discard_sectors_max = 0;
    std::uint32_t zero_sectors_max = 0;
    std::uint16_t discard_segments_max = 0;
    std::uint16_t padding = 0;
    std::uint32_t rest = 0;  // of the alignment
};

// As the kernel lays them out: length and types, 32 bytes of basics, 20 bytes of discard.
inline constexpr std::uint32_t kParameterBytes = 60;
static_assert(offsetof(Parameters, device_sectors) == 24);
static_assert(offsetof(Parameters, discard_alignment) == 40);
static_assert(offsetof(Parameters, rest) == kParameterBytes);

// What is asked of the server: one for each tag, in memory that the kernel writes.
struct IoDescriptor {
    std::uint32_t operation = 0;  // the lowest byte; flags above
    std::uint32_t sectors = 0;
    std::uint64_t first_sector = 0;
    std::uint64_t address = 0;
};

static_assert(sizeof(IoDescriptor) == 24);

inline constexpr std::uint32_t kOperationMask = 0xff;
inline constexpr std::uint32_t kDurable = 1u << 13;
inline constexpr std::uint32_t kKeepAllocated = 1u << 15;

enum class Operation : std::uint8_t {
    Read = 0,
    Write = 1,
    Flush = 2,
    Discard = 3,
    WriteZeroes = 5
};

struct IoCommand {
    std::uint16_t queue = 0;
    std::uint16_t tag = 0;
    std::int32_t result = 0;
    std::uint64_t address = 0;  // of the tag's buffer
};

static_assert(sizeof(IoCommand) == 16);

inline constexpr std::uint32_t kDepthMax = 4096;  // the queues' descriptors lie that far apart

}  // namespace shim::ublk
