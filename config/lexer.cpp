#include "config/lexer.h"

#include <algorithm>
#include <cctype>

namespace config {

namespace {

constexpr std::size_t kMaxBareLength = 128;
constexpr std::size_t kMaxQuotedLength = 255;
constexpr std::size_t kMaxIntegerDigits = 8;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_bare(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '_' ||
           c == '-';
}

bool is_hex_or_colon(char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':';
}

bool is_integer(std::string_view word) {
    const auto digits = static_cast<std::size_t>(
        std::find_if_not(word.begin(), word.end(), is_digit) - word.begin());
    if (digits == 0 || digits > kMaxIntegerDigits) {
        return false;
    }
    const std::string_view unit = word.substr(digits);
    return unit.empty() || unit == "M" || unit == "K" || unit == "G" || unit == "s";
}

// Four groups of one to three digits; their range is not the lexer's business.
bool is_ipv4(std::string_view word) {
    int groups = 1;
    std::size_t digits = 0;
    for (const char c : word) {
        if (c == '.' && digits != 0) {
            ++groups;
            digits = 0;
        } else if (!is_digit(c) || ++digits > 3) {
            return false;
        }
    }
    return groups == 4 && digits != 0;
}

}  // namespace

Token Lexer::next() {
    skip_blanks_and_comments();
    if (text_.empty()) {
        return {Token::Kind::End, "", line_};
    }
    const char c = text_.front();
    if (c == '"') {
        return quoted();
    }
    if (const std::size_t length = ipv6_length(); length != 0) {
        return make(Token::Kind::Ipv6, length);
    }
    if (std::string_view("{};[]:").find(c) != std::string_view::npos) {
        return make(Token::Kind::Operator, 1);
    }
    return is_bare(c) ? bare() : make(Token::Kind::Garbage, 1);
}

void Lexer::skip_blanks_and_comments() {
    while (!text_.empty()) {
        const char c = text_.front();
        if (c == '#') {
            text_.remove_prefix(std::min(text_.find('\n'), text_.size()));
        } else if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
            line_ += c == '\n' ? 1 : 0;
            text_.remove_prefix(1);
        } else {
            return;
        }
    }
}

Token Lexer::make(Token::Kind kind, std::size_t length) {
    Token token{kind, std::string(text_.substr(0, length)), line_};
    text_.remove_prefix(length);
    return token;
}

Token Lexer::bare() {
    const auto length = static_cast<std::size_t>(
        std::find_if_not(text_.begin(), text_.end(), is_bare) - text_.begin());
    const std::string_view word = text_.substr(0, length);
    if (length > kMaxBareLength) {
        return {Token::Kind::Bad,
                "Token too long >>>" + std::string(word.substr(0, kMaxBareLength)) + "...<<<",
                line_};
    }
    const Token::Kind kind = is_integer(word) ? Token::Kind::Integer
                             : is_ipv4(word)  ? Token::Kind::Ipv4
                                              : Token::Kind::Word;
    return make(kind, length);
}

Token Lexer::quoted() {
    Token token{Token::Kind::Quoted, "", line_};
    for (std::size_t at = 1; at < text_.size() && text_[at] != '\n'; ++at) {
        if (text_[at] == '"') {
            text_.remove_prefix(at + 1);
            return token;
        }
        if (text_[at] == '\\' && at + 1 < text_.size() && text_[at + 1] != '\n') {
            ++at;
        }
        token.text += text_[at];
        if (token.text.size() > kMaxQuotedLength) {
            return {Token::Kind::Bad,
                    "Double quoted string too long >>>" +
                        std::string(text_.substr(0, kMaxQuotedLength)) + "...<<<",
                    line_};
        }
    }
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    return {Token::Kind::Bad,
            "Unterminated double quoted string\n  we don't allow embedded newlines\n  >>>" +
                std::string(text_.substr(0, end)) + "\n...<<<",
            line_};
}

// At least two colons tell an address from a word and the colon before a port. An address mapped
// from IPv4 ends in dotted digits, a link-local one may have a scope.
std::size_t Lexer::ipv6_length() const {
    std::size_t length = 0;
    std::size_t colons = 0;
    while (length < text_.size() && is_hex_or_colon(text_[length])) {
        colons += text_[length] == ':' ? 1 : 0;
        ++length;
    }
    if (colons < 2) {
        return 0;
    }
    while (length < text_.size() && (is_digit(text_[length]) || text_[length] == '.')) {
        ++length;
    }
    if (length < text_.size() && text_[length] == '%') {
        ++length;
        while (length < text_.size() && is_bare(text_[length])) {
            ++length;
        }
    }
    return std::min(length, kMaxBareLength);
}

}  // namespace config
