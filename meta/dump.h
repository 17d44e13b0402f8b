// Metadata as text: what dump-md prints and restore-md reads. Metadata specification, section 11.
// Unlike drbd-utils 9.22, which always prints 0, the real flags are printed.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "meta/superblock.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace meta {

using TextSink = std::function<void(std::string_view)>;

// Bytes of bitmap that a dump shows: those for the last agreed size, as far as the device has room.
std::uint64_t dumped_bitmap_bytes(const Superblock& superblock, std::uint64_t superblock_byte);

// All from `version` to the line before the bitmap. Unclean metadata gets a word in it that makes a
// restore fail.
std::string dump_head(const Superblock& superblock, std::uint64_t superblock_byte);

// Prints the bitmap as it is handed over, equal lines as one "N times".
class BitmapText {
public:
    explicit BitmapText(TextSink sink);

    void append(base::ConstBytes bitmap);  // a multiple of 32 bytes: whole lines
    void finish();                         // the closing brace and the number of bits set

private:
    void flush();

    TextSink sink_;
    std::uint64_t position_ = 0;  // lines handed over
    std::uint64_t bits_set_ = 0;
    std::vector<std::uint8_t> pending_;  // a line that may begin a run; empty: none
    std::uint64_t pending_count_ = 0;
    std::uint64_t pending_position_ = 0;
};

struct Dump {
    // With the striping, but without offsets: they follow from the device that it is restored to.
    Superblock superblock;
    std::vector<std::uint8_t> bitmap;  // as on disk, not padded
};

// `max_bitmap_bytes`: the room on the device; a dump that needs more is an error. Errors name the
// line.
base::Result<Dump> parse_dump(std::string_view text, std::uint64_t max_bitmap_bytes);

}  // namespace meta
