#include "nbd-backend/export.h"

#include "base/log.h"

#include <algorithm>
#include <bit>

namespace nbd {

namespace {

constexpr std::uint32_t kLargestBlock = 65536;  // the protocol's limit for the minimum block

}  // namespace

Export describe(const io::BlockDeviceInfo& device, bool read_only) {
    Export volume;
    volume.name = device.name;
    volume.description = base::format("DRBD resource %s volume %u, minor %u",
                                      device.resource.c_str(),
                                      device.volume,
                                      device.minor);
    volume.size_bytes = device.size_bytes;
    volume.block_bytes = device.block_bytes;
    REQUIRE(std::has_single_bit(volume.block_bytes) && volume.block_bytes <= kLargestBlock);
    // A power of two, and neither below a block nor above what one request may carry.
    const std::uint32_t wanted =
        std::has_single_bit(device.preferred_bytes) ? device.preferred_bytes : 4096;
    volume.preferred_bytes = std::clamp(wanted, std::max(device.block_bytes, 512u), kLargestBlock);
    volume.read_only = read_only;
    volume.rotational = device.rotational;
    volume.can_discard = device.can_discard;
    volume.fast_zeroes = device.fast_zeroes;
    volume.has_bitmap = device.has_bitmap;
    return volume;
}

std::uint16_t transmission_flags(const Session& session) {
    // FLUSH on one connection covers the writes of all: they meet in one engine, hence multi-conn.
    unsigned flags = kHasFlags | kSendFlush | kSendFua | kSendWriteZeroes | kCanMultiConn |
                     kSendCache | kSendFastZero;
    if (session.volume.read_only) {
        flags |= kReadOnly;
    }
    if (session.volume.rotational) {
        flags |= kRotational;
    }
    if (session.volume.can_discard) {
        flags |= kSendTrim;
    }
    if (session.structured_replies) {
        flags |= kSendDf;
    }
    return static_cast<std::uint16_t>(flags);
}

}  // namespace nbd
