// What a client learns about the volume, and what the handshake settles for the rest of a
// connection.
#pragma once

#include "drbdd/io/block_device.h"
#include "nbd-backend/protocol.h"

#include <cstdint>
#include <string>

namespace nbd {

struct Export {
    std::string name;  // "drbd0"; the empty name means it too
    std::string description;
    std::uint64_t size_bytes = 0;
    std::uint32_t block_bytes = 512;  // announced as the minimum; a power of two
    std::uint32_t preferred_bytes = 4096;
    bool read_only = false;
    bool rotational = false;
    bool can_discard = true;
    bool fast_zeroes = false;
    bool has_bitmap = false;  // what is out of sync may be asked
};

Export describe(const io::BlockDeviceInfo& device, bool read_only);

// Everything that the transmission phase needs to know from the handshake.
struct Session {
    Export volume;
    bool structured_replies = false;
    bool extended_headers = false;  // then structured_replies, too
    bool base_allocation = false;   // contexts that BLOCK_STATUS tells of
    bool out_of_sync = false;
};

std::uint16_t transmission_flags(const Session& session);

}  // namespace nbd
