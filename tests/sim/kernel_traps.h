// What must never be said to a kernel's DRBD, since it does not stand it: with data-integrity-alg a
// flush without data (it crashes), and P_ZEROES (it stalls). Wire specification, sections 6.4 and
// 6.6. A peer that offers no explicit flushes counts as one.
#pragma once

#include "base/bytes.h"
#include "proto/packets.h"

namespace sim {

class KernelTraps {
public:
    void arrived(const proto::Header& header, base::ConstBytes body);
    // What it was, or nothing.
    const char* sent(const proto::Header& header,
                     base::ConstBytes body,
                     std::uint64_t payload_bytes);

private:
    bool own_explicit_flush_ = false;
    bool peers_explicit_flush_ = false;
    bool digests_ = false;
};

}  // namespace sim
