// A device that has grown has its metadata where it ended before, and nothing at its new end. The
// old size is written nowhere, so the likely ones are tried. Metadata specification, sections 2.1
// and 13.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace meta {

// Where the superblock may lie, in bytes from the start; the likeliest first, about a thousand.
std::vector<std::uint64_t> old_superblock_bytes(std::uint64_t device_bytes);

// The size of the device that ended here, in bytes rounded down to whole blocks; nothing if `block`
// is not the superblock of internal metadata at exactly this place.
std::optional<std::uint64_t> size_that_ended_here(base::ConstBytes block,
                                                  std::uint64_t superblock_byte);

}  // namespace meta
