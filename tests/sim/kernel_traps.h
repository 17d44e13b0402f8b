// What must never be said to a kernel's DRBD, since it does not stand it: with data-integrity-alg a
// flush without data (it crashes), and P_ZEROES (it stalls). Wire specification, sections 6.4 and
// 6.6. And a read of what was sent to it and may not be written yet: it orders the two in no way. A
// peer that offers no explicit flushes counts as one.
#pragma once

#include "base/bytes.h"
#include "proto/packets.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace sim {

class KernelTraps {
public:
    void arrived(const proto::Header& header, base::ConstBytes body);
    // What it was, or nothing.
    const char* sent(const proto::Header& header,
                     base::ConstBytes body,
                     std::uint64_t payload_bytes);

private:
    // On its way to the peer's disk, or in its memory.
    struct Unwritten {
        std::uint64_t sector = 0;
        std::uint64_t bytes = 0;
        std::optional<std::uint32_t> barrier;  // that ended its epoch
    };

    bool to_kernel() const { return !(own_explicit_flush_ && peers_explicit_flush_); }

    void note_write(std::uint16_t volume, const proto::Data& data, std::uint64_t bytes);
    bool reads_unwritten(std::uint16_t volume, const proto::BlockReq& request) const;

    bool own_explicit_flush_ = false;
    bool peers_explicit_flush_ = false;
    bool digests_ = false;
    std::map<std::pair<std::uint16_t, std::uint64_t>, Unwritten> unwritten_;  // by volume, block id
};

}  // namespace sim
