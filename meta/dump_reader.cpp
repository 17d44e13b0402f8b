#include "meta/dump_reader.h"

#include "base/bytes.h"
#include "base/log.h"
#include "meta/gi.h"

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

}  // namespace

DumpReader::DumpReader(std::string_view text, std::uint64_t max_bitmap_bytes)
    : text_(text), max_bitmap_bytes_(max_bitmap_bytes) {
    next();
}

void DumpReader::next() {
    skip_blanks();
    std::size_t length = 0;
    if (!text_.empty()) {
        length = is_sign(text_[0]) ? 1 : word_length();
    }
    token_ = text_.substr(0, length);
    text_.remove_prefix(length);
}

void DumpReader::skip_blanks() {
    bool comment = false;
    while (!text_.empty() && (comment || is_space(text_[0]) || text_[0] == '#')) {
        comment = text_[0] == '\n' ? false : comment || text_[0] == '#';
        line_ += text_[0] == '\n' ? 1 : 0;
        text_.remove_prefix(1);
    }
}

std::size_t DumpReader::word_length() const {
    std::size_t length = 0;
    while (length < text_.size() && !is_space(text_[length]) && !is_sign(text_[length]) &&
           text_[length] != '#') {
        ++length;
    }
    return length;
}

Error DumpReader::expected(const std::string& what) const {
    const std::string found =
        at_end() ? "the file ends" : "found '" + std::string(token_.substr(0, 64)) + "'";
    return {ErrorCode::Invalid,
            base::format("Parse error in line %llu: %s expected, but %s",
                         static_cast<unsigned long long>(line_),
                         what.c_str(),
                         found.c_str())};
}

void DumpReader::fail(Error error) {
    if (!failed()) {
        error_ = std::move(error);
    }
}

void DumpReader::word(std::string_view wanted) {
    if (failed()) {
        return;
    }
    if (token_ != wanted) {
        fail(expected("'" + std::string(wanted) + "'"));
        return;
    }
    next();
}

void DumpReader::version(std::string_view wanted) {
    word("version");
    const std::string_view found = token_;
    const bool quoted = found.size() > 2 && found.size() <= kMaxStringLength + 2 &&
                        found.front() == '"' && found.back() == '"';
    if (!failed() && !quoted) {
        fail(expected("a version in double quotes"));
    } else if (!failed() && found.substr(1, found.size() - 2) != wanted) {
        fail({ErrorCode::Unsupported,
              "dump is '" + std::string(found.substr(1, found.size() - 2)) + "' you requested '" +
                  std::string(wanted) + "'."});
    }
    next();
    word(";");
}

void DumpReader::setting(std::string_view keyword, std::uint32_t& value) {
    std::uint64_t wide = 0;
    setting(keyword, wide, std::numeric_limits<std::uint32_t>::max());
    value = static_cast<std::uint32_t>(wide);
}

void DumpReader::setting(std::string_view keyword, std::uint64_t& value, std::uint64_t limit) {
    word(keyword);
    value = number(limit);
    word(";");
}

void DumpReader::setting(std::string_view keyword, std::int32_t& value) {
    word(keyword);
    const bool negative = !failed() && token_.starts_with('-');
    if (negative) {
        token_.remove_prefix(1);
    }
    const std::int64_t magnitude =
        static_cast<std::int64_t>(number(std::numeric_limits<std::int32_t>::max()));
    value = static_cast<std::int32_t>(negative ? -magnitude : magnitude);
    word(";");
}

void DumpReader::hex_setting(std::string_view keyword, std::uint64_t& value) {
    word(keyword);
    value = hex(16);
    word(";");
}

void DumpReader::hex_setting(std::string_view keyword, std::uint32_t& value) {
    word(keyword);
    value = static_cast<std::uint32_t>(hex(8));
    word(";");
}

std::uint64_t DumpReader::number(std::uint64_t limit) {
    if (failed()) {
        return 0;
    }
    std::uint64_t value = 0;
    bool valid = !token_.empty() && token_.size() <= kMaxNumberDigits;
    for (const char c : token_) {
        valid = valid && is_digit(c);
        value = valid ? value * 10 + static_cast<std::uint64_t>(c - '0') : 0;
    }
    if (!valid || value > limit) {
        fail(expected("a number not above " + std::to_string(limit)));
        return 0;
    }
    next();
    return value;
}

std::uint64_t DumpReader::hex(std::size_t digits) {
    if (failed()) {
        return 0;
    }
    const bool shaped = token_.size() == digits + 2 && token_.substr(0, 2) == "0x";
    const Result<std::uint64_t> value = parse_hex64(shaped ? token_.substr(2) : "");
    if (!value) {
        fail(expected("a " + std::to_string(digits) + "-digit hex number"));
        return 0;
    }
    next();
    return *value;
}

std::vector<std::uint8_t> DumpReader::last_bitmap(std::string_view keyword) {
    std::vector<std::uint8_t> bitmap;
    word(keyword);
    word("{");
    while (!failed() && token_ != "}") {
        bitmap_words(bitmap);
    }
    word("}");
    if (!failed() && !at_end()) {
        fail(expected("the end of the file"));
    }
    return bitmap;
}

// "0x...;" or "N times 0x...;". N is whatever the file says: the room on the device bounds it.
void DumpReader::bitmap_words(std::vector<std::uint8_t>& bitmap) {
    std::uint64_t times = 1;
    if (!at_end() && is_digit(token_.front()) && token_.substr(0, 2) != "0x") {
        times = number(std::numeric_limits<std::uint64_t>::max());
        word("times");
    }
    const std::uint64_t value = hex(16);
    word(";");
    if (failed()) {
        return;
    }
    const std::uint64_t room = (max_bitmap_bytes_ - bitmap.size()) / sizeof value;
    if (times > room) {
        fail({ErrorCode::TooBig,
              base::format("line %llu: the bitmap of this dump is larger than the bitmap area "
                           "of the device (%llu bytes)",
                           static_cast<unsigned long long>(line_),
                           static_cast<unsigned long long>(max_bitmap_bytes_))});
        return;
    }
    const std::size_t at = bitmap.size();
    bitmap.resize(at + times * sizeof value);
    for (std::uint64_t i = 0; i < times; ++i) {
        base::put_le64(bitmap, at + i * sizeof value, value);
    }
}

}  // namespace meta
