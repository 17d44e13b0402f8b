// The activity log of DRBD 8.3 and older: 64 sectors of 512 bytes. Only ever read, when metadata of
// such a driver is upgraded; after that the ring is written in the present format. Metadata
// specification, section 6.4.
#pragma once

#include "base/bytes.h"
#include "base/units.h"

#include <cstdint>
#include <vector>

namespace meta {

inline constexpr std::uint32_t kLegacyAlMagic = 0x83740267;
inline constexpr std::size_t kLegacyAlBytes = 32768;

struct LegacyAlReplay {
    std::vector<base::AlExtent> active;  // ascending, distinct
    std::uint32_t transactions = 0;      // none is not an error
};

// `log` is kLegacyAlBytes long.
LegacyAlReplay replay_legacy(base::ConstBytes log, std::uint32_t al_nr_extents);

}  // namespace meta
