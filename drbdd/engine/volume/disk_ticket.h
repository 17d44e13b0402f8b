// What an operation on the backing disk is for, so that its completion finds the part that waits.
#pragma once

#include "drbdd/io/disk.h"
#include "drbdd/io/time.h"

#include <cstdint>

namespace engine {

enum class DiskUser : std::uint8_t {
    AppWrite,
    AppRead,
    AppFlush,
    PeerWrite,
    PeerFlush,
    PeerRead,
    ResyncRead,
    ResyncWrite,
    VerifyRead,        // of a verify that this node has begun
    VerifyAnswerRead,  // of one that the peer has begun
    MetaStore,
    MetaMove,
    Attach,
};

struct DiskTicket {
    DiskUser user = DiskUser::Attach;
    std::uint64_t key = 0;  // of the user's own
    io::DiskOp op;
    io::Instant issued{};
};

inline bool is_aligned(const io::DiskOp& op, std::uint64_t block) {
    return base::to_bytes(op.sector) % block == 0 && op.length % block == 0;
}

}  // namespace engine
