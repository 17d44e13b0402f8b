// The compressed bitmap (P_COMPRESSED_BITMAP): run lengths in a variable-length integer code.
// Wire specification, section 7.4. Pure; hostile input gives an error, never a run past the end.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace proto {

// Reads the bit at a position; and: number of the first bit >= from that differs from `value`, at
// most `end`. The bitmap's owner implements the second efficiently.
struct BitSource {
    std::function<bool(std::uint64_t bit)> test;
    std::function<std::uint64_t(std::uint64_t from, std::uint64_t end, bool value)> run_end;
};

// Body of one packet (encoding byte and code, at most kMaxBitmapPacketBytes) that starts at
// `position` of a bitmap of `end` bits. `position` moves behind the last bit covered. Returns an
// empty body, and leaves `position`, when the code would need more bytes than the plain bits it
// covers: the caller then rounds the position down to a word and sends a plain chunk from there.
std::vector<std::uint8_t> encode_bitmap_runs(const BitSource& bits,
                                             std::uint64_t end,
                                             std::uint64_t& position);

// Calls `set(first, count)` for each run of set bits, in order; returns the position behind the
// last bit. Any run beyond `end` is an error (Invalid); `set` may have seen runs before it by then,
// which is harmless: the connection drops, and a bit set too many is only copied once more.
base::Result<std::uint64_t> decode_bitmap_runs(
    base::ConstBytes body,
    std::uint64_t position,
    std::uint64_t end,
    const std::function<void(std::uint64_t first, std::uint64_t count)>& set);

}  // namespace proto
