#include "config/lexer.h"

#include <gtest/gtest.h>

namespace {

using config::Lexer;
using config::Token;
using Kind = config::Token::Kind;

Token first(const std::string& text) {
    return Lexer(text).next();
}

TEST(Lexer, TellsIntegersAddressesAndWordsApart) {
    EXPECT_EQ(first("12345678").kind, Kind::Integer);
    EXPECT_EQ(first("123456789").kind, Kind::Word);  // nine digits are no integer
    EXPECT_EQ(first("40M").kind, Kind::Integer);
    EXPECT_EQ(first("512k").kind, Kind::Word);
    EXPECT_EQ(first("10.9.9.1").kind, Kind::Ipv4);
    EXPECT_EQ(first("10.9.9").kind, Kind::Word);
    EXPECT_EQ(first("10.9.9.1234").kind, Kind::Word);
    EXPECT_EQ(first("fd00::1").kind, Kind::Ipv6);
    EXPECT_EQ(first("::ffff:10.9.9.1]").text, "::ffff:10.9.9.1");
    EXPECT_EQ(first("fe80::1%eth0]").text, "fe80::1%eth0");
    EXPECT_EQ(first("on2").text, "on2");
    EXPECT_EQ(first(":7788").kind, Kind::Operator);
    EXPECT_EQ(first("=").kind, Kind::Garbage);
}

TEST(Lexer, CutsAnAddressFromItsPort) {
    Lexer lexer("10.9.9.1:7788;");
    EXPECT_EQ(lexer.next().text, "10.9.9.1");
    EXPECT_TRUE(lexer.next().is(':'));
    EXPECT_EQ(lexer.next().text, "7788");
    EXPECT_TRUE(lexer.next().is(';'));
    EXPECT_EQ(lexer.next().kind, Kind::End);
}

TEST(Lexer, CountsLinesAndSkipsComments) {
    Lexer lexer("# one\n\n  two # three\nfour");
    EXPECT_EQ(lexer.next().line, 3);
    EXPECT_EQ(lexer.next().line, 4);
    EXPECT_EQ(lexer.next().kind, Kind::End);
}

TEST(Lexer, ResolvesEscapesInStringsWhichAreNeverKeywords) {
    const Token token = first("\"a \\\"b\\\" # {c}\"");
    EXPECT_EQ(token.kind, Kind::Quoted);
    EXPECT_EQ(token.text, "a \"b\" # {c}");
    EXPECT_FALSE(first("\"on\"").is("on"));
}

TEST(Lexer, RefusesWhatIsTooLongOrUnfinished) {
    EXPECT_EQ(first(std::string(128, 'a')).kind, Kind::Word);
    EXPECT_EQ(first(std::string(129, 'a')).kind, Kind::Bad);
    EXPECT_EQ(first('"' + std::string(255, 'a') + '"').kind, Kind::Quoted);
    EXPECT_EQ(first('"' + std::string(256, 'a') + '"').kind, Kind::Bad);
    EXPECT_EQ(first("\"abc\ndef\"").kind, Kind::Bad);
    EXPECT_EQ(first("\"abc").kind, Kind::Bad);
    EXPECT_EQ(first("\"abc\\").kind, Kind::Bad);
}

}  // namespace
