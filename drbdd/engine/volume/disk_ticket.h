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
    ResyncCompare,     // of what may be equal at the source already
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

inline io::DiskOp read_of(io::BufferPool& pool, base::Sector sector, std::uint64_t bytes) {
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Read;
    op.sector = sector;
    op.length = bytes;
    op.buffer = pool.allocate_slice(bytes);
    return op;
}

inline bool is_aligned(const io::DiskOp& op, std::uint64_t block) {
    return base::to_bytes(op.sector) % block == 0 && op.length % block == 0;
}

}  // namespace engine
