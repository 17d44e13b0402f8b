#include "base/log.h"
#include "meta/dump.h"
#include "meta/gi.h"

#include <array>
#include <limits>

namespace meta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kMaxStringLength = 20;
constexpr std::size_t kMaxNumberDigits = 19;

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Splits the text into words and the signs { } ;, and keeps the line number for error texts.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) { next(); }

    std::string_view token() const { return token_; }

    bool at_end() const { return token_.empty(); }

    void next() {
        skip_blanks();
        std::size_t length = 0;
        if (!text_.empty()) {
            length = is_sign(text_[0]) ? 1 : word_length();
        }
        token_ = text_.substr(0, length);
        text_.remove_prefix(length);
    }

    Error expected(const std::string& what) const {
        const std::string found =
            at_end() ? "the file ends" : "found '" + std::string(token_.substr(0, 64)) + "'";
        return {ErrorCode::Invalid,
                base::format("Parse error in line %llu: %s expected, but %s",
                             static_cast<unsigned long long>(line_),
                             what.c_str(),
                             found.c_str())};
    }

    std::size_t line() const { return line_; }

private:
    static bool is_sign(char c) { return c == '{' || c == '}' || c == ';'; }

    void skip_blanks() {
        bool comment = false;
        while (!text_.empty() && (comment || is_space(text_[0]) || text_[0] == '#')) {
            comment = text_[0] == '\n' ? false : comment || text_[0] == '#';
            line_ += text_[0] == '\n' ? 1 : 0;
            text_.remove_prefix(1);
        }
    }

    std::size_t word_length() const {
        std::size_t length = 0;
        while (length < text_.size() && !is_space(text_[length]) && !is_sign(text_[length]) &&
               text_[length] != '#') {
            ++length;
        }
        return length;
    }

    std::string_view text_;
    std::string_view token_;
    std::size_t line_ = 1;
};

// One dump, top to bottom. The first error stays and everything after it does nothing, so that the
// grammar below reads as a list.
class Parser {
public:
    Parser(std::string_view text, std::uint64_t max_bitmap_bytes)
        : in_(text), max_bitmap_bytes_(max_bitmap_bytes) {}

    Result<Dump> parse() {
        version();
        uuids();
        Superblock& sb = dump_.superblock;
        word("la-size-sect");
        sb.la_size_sectors = number(std::numeric_limits<std::int64_t>::max());
        word(";");
        setting("bm-byte-per-bit", sb.bm_bytes_per_bit);
        word("device-uuid");
        sb.device_uuid = hex(16);
        word(";");
        setting("la-peer-max-bio-size", sb.la_peer_max_bio_size);
        setting("al-stripes", sb.al_stripes);
        setting("al-stripe-size-4k", sb.al_stripe_size_4k);
        word("bm");
        word("{");
        while (!failed() && in_.token() != "}") {
            bitmap_words();
        }
        word("}");
        if (!failed() && !in_.at_end()) {
            fail(in_.expected("the end of the file"));
        }
        if (failed()) {
            return error_;
        }
        return std::move(dump_);
    }

private:
    bool failed() const { return !error_.text.empty(); }

    void fail(Error error) {
        if (!failed()) {
            error_ = std::move(error);
        }
    }

    void word(std::string_view wanted) {
        if (failed()) {
            return;
        }
        if (in_.token() != wanted) {
            fail(in_.expected("'" + std::string(wanted) + "'"));
            return;
        }
        in_.next();
    }

    void version() {
        word("version");
        const std::string_view found = in_.token();
        const bool quoted = found.size() > 2 && found.size() <= kMaxStringLength + 2 &&
                            found.front() == '"' && found.back() == '"';
        if (!failed() && !quoted) {
            fail(in_.expected("a version in double quotes"));
        } else if (!failed() && found != "\"v08\"") {
            fail({ErrorCode::Unsupported,
                  "dump is '" + std::string(found.substr(1, found.size() - 2)) +
                      "' you requested 'v08'."});
        }
        in_.next();
        word(";");
    }

    void uuids() {
        Superblock& sb = dump_.superblock;
        word("uuid");
        word("{");
        for (std::uint64_t* uuid : std::array<std::uint64_t*, 4>{
                 &sb.current_uuid, &sb.bitmap_uuid, &sb.history_uuids[0], &sb.history_uuids[1]}) {
            *uuid = hex(16);
            word(";");
        }
        word("flags");
        sb.flags = static_cast<std::uint32_t>(hex(8));
        word(";");
        word("}");
    }

    void setting(std::string_view keyword, std::uint32_t& value) {
        word(keyword);
        value = static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max()));
        word(";");
    }

    std::uint64_t number(std::uint64_t limit) {
        if (failed()) {
            return 0;
        }
        const std::string_view digits = in_.token();
        std::uint64_t value = 0;
        bool valid = !digits.empty() && digits.size() <= kMaxNumberDigits;
        for (const char c : digits) {
            valid = valid && is_digit(c);
            value = valid ? value * 10 + static_cast<std::uint64_t>(c - '0') : 0;
        }
        if (!valid || value > limit) {
            fail(in_.expected("a number not above " + std::to_string(limit)));
            return 0;
        }
        in_.next();
        return value;
    }

    std::uint64_t hex(std::size_t digits) {
        if (failed()) {
            return 0;
        }
        const std::string_view found = in_.token();
        const bool shaped = found.size() == digits + 2 && found.substr(0, 2) == "0x";
        const Result<std::uint64_t> value = parse_hex64(shaped ? found.substr(2) : "");
        if (!value) {
            fail(in_.expected("a " + std::to_string(digits) + "-digit hex number"));
            return 0;
        }
        in_.next();
        return *value;
    }

    // "0x...;" or "N times 0x...;". N is whatever the file says: the room on the device bounds it.
    void bitmap_words() {
        std::uint64_t times = 1;
        if (!in_.at_end() && is_digit(in_.token().front()) && in_.token().substr(0, 2) != "0x") {
            times = number(std::numeric_limits<std::uint64_t>::max());
            word("times");
        }
        const std::uint64_t value = hex(16);
        word(";");
        if (failed()) {
            return;
        }
        const std::uint64_t room = (max_bitmap_bytes_ - dump_.bitmap.size()) / sizeof value;
        if (times > room) {
            fail({ErrorCode::TooBig,
                  base::format("line %llu: the bitmap of this dump is larger than the bitmap area "
                               "of the device (%llu bytes)",
                               static_cast<unsigned long long>(in_.line()),
                               static_cast<unsigned long long>(max_bitmap_bytes_))});
            return;
        }
        const std::size_t at = dump_.bitmap.size();
        dump_.bitmap.resize(at + times * sizeof value);
        for (std::uint64_t i = 0; i < times; ++i) {
            base::put_le64(dump_.bitmap, at + i * sizeof value, value);
        }
    }

    Reader in_;
    std::uint64_t max_bitmap_bytes_;
    Dump dump_;
    Error error_;
};

}  // namespace

Result<Dump> parse_dump(std::string_view text, std::uint64_t max_bitmap_bytes) {
    return Parser(text, max_bitmap_bytes).parse();
}

}  // namespace meta
