// The words of a dump, and the pieces of its grammar that the versions share. The first error stays
// and everything after it does nothing, so that a grammar reads as a list. Metadata specification,
// sections 11 and 19.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace meta {

class DumpReader {
public:
    DumpReader(std::string_view text, std::uint64_t max_bitmap_bytes);

    bool failed() const { return !error_.text.empty(); }

    const base::Error& error() const { return error_; }

    void fail(base::Error error);

    std::string_view token() const { return token_; }

    bool at_end() const { return token_.empty(); }

    void word(std::string_view wanted);
    // `version "v08";`; another version is Unsupported.
    void version(std::string_view wanted);
    // `KEYWORD NUMBER;`
    void setting(std::string_view keyword, std::uint32_t& value);
    void setting(std::string_view keyword,
                 std::uint64_t& value,
                 std::uint64_t limit = std::numeric_limits<std::int64_t>::max());
    void setting(std::string_view keyword, std::int32_t& value);  // may be negative
    // `KEYWORD 0x...;`
    void hex_setting(std::string_view keyword, std::uint64_t& value);
    void hex_setting(std::string_view keyword, std::uint32_t& value);
    std::uint64_t number(std::uint64_t limit);
    std::uint64_t hex(std::size_t digits);
    // `KEYWORD { ... }`, up to the end of the file; the bytes as on disk, not padded.
    std::vector<std::uint8_t> last_bitmap(std::string_view keyword);

private:
    static bool is_sign(char c) { return c == '{' || c == '}' || c == ';'; }

    void next();
    void skip_blanks();
    std::size_t word_length() const;
    base::Error expected(const std::string& what) const;
    void bitmap_words(std::vector<std::uint8_t>& bitmap);

    std::string_view text_;
    std::string_view token_;
    std::size_t line_ = 1;
    std::uint64_t max_bitmap_bytes_;
    base::Error error_;
};

// What every version says of the device and its log, in one order, between the identifiers and the
// bitmap.
template <typename Superblock>
void read_sizes(DumpReader& in, Superblock& sb) {
    in.setting("la-size-sect", sb.la_size_sectors);
    in.setting("bm-byte-per-bit", sb.bm_bytes_per_bit);
    in.hex_setting("device-uuid", sb.device_uuid);
    in.setting("la-peer-max-bio-size", sb.la_peer_max_bio_size);
    in.setting("al-stripes", sb.al_stripes);
    in.setting("al-stripe-size-4k", sb.al_stripe_size_4k);
}

}  // namespace meta
