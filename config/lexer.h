// Tokens of drbd.conf. Longest match; names are compared by the parser, which knows where a word is
// a keyword. Configuration specification, section 2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace config {

struct Token {
    enum class Kind {
        Operator,  // one of { } ; [ ] :
        Word,      // bare; a keyword where the grammar wants one
        Quoted,    // text without the quotes and with the escapes resolved: never a keyword
        Integer,   // 1 to 8 digits and perhaps a unit; more digits are a Word
        Ipv4,
        Ipv6,  // without brackets
        Garbage,
        End,
        Bad,  // text is the message; nothing sensible follows
    };
    Kind kind = Kind::End;
    std::string text;
    int line = 1;

    bool is(char op) const { return kind == Kind::Operator && text[0] == op; }

    bool is(std::string_view word) const { return kind == Kind::Word && text == word; }

    // Something that can be a value: a word, a string, a number, an address.
    bool is_value() const {
        return kind == Kind::Word || kind == Kind::Quoted || kind == Kind::Integer ||
               kind == Kind::Ipv4 || kind == Kind::Ipv6;
    }

    bool is_name() const { return kind == Kind::Word || kind == Kind::Quoted; }
};

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Token next();

private:
    void skip_blanks_and_comments();
    Token quoted();
    Token bare();
    std::size_t ipv6_length() const;
    Token make(Token::Kind kind, std::size_t length);

    std::string_view text_;  // what is left
    int line_ = 1;
};

}  // namespace config
