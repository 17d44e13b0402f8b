#include "heartbeat/wire/base64.h"
#include "heartbeat/wire/digest.h"
#include "heartbeat/wire/message.h"
#include "heartbeat/wire/netstring.h"
#include "heartbeat/wire/text_framer.h"
#include "tests/unit/hb_wire/captures.h"

#include <gtest/gtest.h>

namespace {

using base::ErrorCode;
using hb::wire::Field;
using hb::wire::FieldType;
using hb::wire::Message;

const config::AuthKey kMd5{3, config::AuthMethod::Md5, "Hello!"};

config::Authkeys two_keys() {
    return {1, {test::sha1_key(), kMd5}};
}

// A frame with a digest that is right, whatever its fields are.
std::string signed_frame(const std::string& fields) {
    std::string out = "###\n" + fields + "%%%\n";
    hb::wire::put_netstring(out, hb::wire::sign(two_keys(), out));
    return out;
}

std::string netstring(const std::string& bytes) {
    std::string out;
    hb::wire::put_netstring(out, bytes);
    return out;
}

ErrorCode refusal(const std::string& bytes) {
    const auto message = hb::wire::decode(bytes, two_keys());
    EXPECT_FALSE(message) << bytes.substr(0, 200);
    return message ? ErrorCode::State : message.error().code;
}

std::string structure(const std::vector<Field>& fields) {
    return hb::wire::netstring_frame(fields);
}

std::string nested(int levels) {
    std::string inner = structure({{"leaf", FieldType::string, "one\ntwo"}});
    for (int i = 1; i < levels; ++i) {
        inner = structure({{"n", FieldType::structure, inner}});
    }
    return inner;
}

Message every_type() {
    Message message("resource");
    message.set("info", "first\nsecond = third").set("empty", "");
    message.set_binary("srcuuid", std::string("\0\xff\n,%%%\n", 8));
    message.set_field({"items", FieldType::list, netstring("a") + netstring("b\nc")});
    message.set_field({"deep", FieldType::structure, nested(hb::wire::kMaxNesting)});
    return message;
}

TEST(Message, KeepsOrderAndReplacesInPlace) {
    Message message("status");
    message.set("st", "up").set("dt", "7d0").set("st", "active");
    ASSERT_EQ(message.fields().size(), 3u);
    EXPECT_EQ(message.type(), "status");
    EXPECT_EQ(message.fields()[1], (Field{"st", FieldType::string, "active"}));
    EXPECT_TRUE(message.has("dt"));
    EXPECT_FALSE(message.has("seq"));
    EXPECT_EQ(message.get("seq"), "");
}

TEST(Digest, IsThatOfTheStandards) {
    using config::AuthMethod;
    const std::string data = "what do ya want for nothing?";  // RFC 2202 and RFC 4231, case 2
    EXPECT_EQ(hb::wire::digest({0, AuthMethod::Md5, "Jefe"}, data),
              "750c783e6ab0b503eaa86e310a5db738");
    EXPECT_EQ(hb::wire::digest({0, AuthMethod::Sha1, "Jefe"}, data),
              "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    EXPECT_EQ(hb::wire::digest({0, AuthMethod::Sha256, "Jefe"}, data),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Codec, CarriesEveryTypeInBothForms) {
    const Message message = every_type();
    const auto netstrings =
        hb::wire::decode(encode_netstring(message, two_keys(), true), two_keys());
    ASSERT_TRUE(netstrings) << netstrings.error().text;
    EXPECT_EQ(*netstrings, message);
    const auto text = hb::wire::decode(encode_text(message, two_keys()), two_keys());
    ASSERT_TRUE(text) << text.error().text;
    EXPECT_EQ(*text, message);
    const auto local = hb::wire::decode_local(encode_local(message));
    ASSERT_TRUE(local) << local.error().text;
    EXPECT_EQ(*local, message);
}

TEST(Codec, AcceptsEachKeyOfAuthkeysButNoOther) {
    const Message message("status");
    EXPECT_TRUE(
        hb::wire::decode(encode_netstring(message, test::authkeys(kMd5), false), two_keys()));
    EXPECT_TRUE(hb::wire::decode(encode_text(message, test::authkeys(kMd5)), two_keys()));
    const auto unknown = test::authkeys({7, config::AuthMethod::Crc, ""});
    EXPECT_EQ(refusal(encode_netstring(message, unknown, false)), ErrorCode::Permission);
    EXPECT_EQ(refusal(encode_text(message, unknown)), ErrorCode::Permission);
    const auto other_key = test::authkeys({1, config::AuthMethod::Sha1, "guess"});
    EXPECT_EQ(refusal(encode_netstring(message, other_key, true)), ErrorCode::Permission);
    EXPECT_EQ(refusal(encode_text(message, other_key)), ErrorCode::Permission);
}

TEST(Codec, RefusesWhatIsNotSigned) {
    const std::string bare = structure({{"t", FieldType::string, "status"}});
    EXPECT_EQ(refusal(bare), ErrorCode::Permission);
    EXPECT_EQ(refusal(bare + "0:,"), ErrorCode::Permission);
    EXPECT_EQ(refusal(bare + "1:1,"), ErrorCode::Permission);
    EXPECT_EQ(refusal(bare + "2:1 ,"), ErrorCode::Permission);
    EXPECT_EQ(refusal(bare + "4:-1 0,"), ErrorCode::Permission);
    EXPECT_EQ(refusal(bare + "24:99999999999999999999 abc,"), ErrorCode::Permission);
    EXPECT_EQ(refusal(">>>\nt=status\n<<<\n"), ErrorCode::Permission);
    EXPECT_EQ(refusal(">>>\nt=status\nauth=\n<<<\n"), ErrorCode::Permission);
}

TEST(Codec, TheTextFormsDigestCoversEveryOtherLine) {
    std::string block = encode_text(every_type(), two_keys());
    const std::size_t auth = block.find("auth=");
    for (std::size_t at = 0; at < auth; ++at) {
        std::string forged = block;
        forged[at] = static_cast<char>(forged[at] ^ 1);
        EXPECT_FALSE(hb::wire::decode(forged, two_keys())) << at;
    }
    EXPECT_FALSE(hb::wire::decode(block + "auth=1 00\n", two_keys()));
}

TEST(Codec, TheDigestFieldMayStandAnywhereInText) {
    const std::string lines = "t=status\nst=up\n";
    const std::string block =
        ">>>\nauth=" + hb::wire::sign(two_keys(), lines) + "\n" + lines + "<<<\n";
    const auto message = hb::wire::decode(block, two_keys());
    ASSERT_TRUE(message) << message.error().text;
    EXPECT_EQ(*message, Message("status").set("st", "up"));
}

TEST(Codec, RefusesMalformedFieldsEvenWhenSigned) {
    const std::string type = netstring("(0)t=status");
    ASSERT_TRUE(hb::wire::decode(signed_frame(type), two_keys()));
    for (const std::string field : {"",
                                    "(0)",
                                    "(0)x",
                                    "0)xx=1",
                                    "(9)x=1",
                                    "(0)=value",
                                    "(0)a b=1",
                                    "(0)a\n=1",
                                    "(2)x=",
                                    "(2)x=###\n",
                                    "(2)x=###\n%%%\nmore",
                                    "(2)x=###\n3:abc,%%%\n",
                                    "(3)x=1:a",
                                    "(3)x=abc",
                                    "(1)auth=1 0"}) {
        EXPECT_EQ(refusal(signed_frame(type + netstring(field))), ErrorCode::Invalid) << field;
    }
    EXPECT_EQ(refusal(signed_frame(type + netstring("(4)x=abc"))), ErrorCode::Unsupported);
    EXPECT_EQ(refusal(signed_frame(type + netstring("(5)x=abc"))), ErrorCode::Unsupported);
    EXPECT_EQ(refusal(signed_frame(type + type)), ErrorCode::Invalid);
    EXPECT_EQ(refusal(signed_frame(netstring("(0)st=up"))), ErrorCode::Invalid);
    EXPECT_EQ(refusal(signed_frame(type + netstring(std::string("(0)x=a\0b", 8)))),
              ErrorCode::Invalid);
    EXPECT_EQ(refusal(signed_frame(type + netstring("(0)" + std::string(256, 'n') + "=1"))),
              ErrorCode::TooBig);
}

TEST(Codec, RefusesLengthsThatLie) {
    for (const std::string frame : {"",
                                    "###",
                                    "###\n",
                                    "###\n%%%",
                                    "###\n5",
                                    "###\n5:",
                                    "###\n5:(0)t=,%%%\n",
                                    "###\n99:(0)t=x,%%%\n",
                                    "###\n-1:,%%%\n",
                                    "###\n+5:(0)t=,%%%\n",
                                    "###\n05:(0)t=,%%%\n",
                                    "###\n18446744073709551615:(0)t=,%%%\n",
                                    "###\n99999999:x,%%%\n",
                                    ">>>",
                                    ">>>\n",
                                    ">>>\nt=x\n",
                                    ">>>\nt=x\n<<",
                                    "\0\0\0",
                                    "<<<\n"}) {
        const auto message = hb::wire::decode(frame, two_keys());
        EXPECT_FALSE(message) << frame;
    }
}

TEST(Codec, HasLimits) {
    const std::string type = netstring("(0)t=status");
    std::string many = type;
    for (std::size_t i = 1; i < hb::wire::kMaxFields; ++i) {
        many += netstring("(0)f" + std::to_string(i) + "=");
    }
    EXPECT_TRUE(hb::wire::decode(signed_frame(many), two_keys()));
    EXPECT_EQ(refusal(signed_frame(many + netstring("(0)more="))), ErrorCode::TooBig);
    EXPECT_EQ(refusal(signed_frame(type + netstring("(2)n=" + nested(hb::wire::kMaxNesting + 1)))),
              ErrorCode::TooBig);
    const std::string big(hb::wire::kMaxMessageBytes, 'x');
    EXPECT_EQ(refusal(signed_frame(type + netstring("(0)x=" + big))), ErrorCode::TooBig);
    EXPECT_EQ(refusal(">>>\nt=" + big + "\n<<<\n"), ErrorCode::TooBig);
}

TEST(Codec, TextLinesMustBeOfTheGrammar) {
    for (const std::string line : {"novalue",
                                   "=x",
                                   "(0)x=1",
                                   "(4)x=1",
                                   "(1)x=A",
                                   "(1)x=AA=A",
                                   "(1)x=AAA*",
                                   "(1)x=AB==",
                                   "(2)x=",
                                   "(2)x=>>>\x14<<",
                                   "(3)x=5:a,",
                                   "t=again",
                                   "(",
                                   "()",
                                   "a b=1"}) {
        EXPECT_FALSE(hb::wire::decode_local(">>>\nt=x\n" + line + "\n<<<\n")) << line;
    }
    EXPECT_TRUE(hb::wire::decode_local(">>>\nt=x\n<<<"));
    EXPECT_FALSE(hb::wire::decode_local(">>>\nst=up\n<<<\n"));
}

TEST(Base64, IsReadOnlyAsItIsWritten) {
    for (const std::string bytes : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc"}) {
        const auto again = hb::wire::from_base64(hb::wire::to_base64(bytes));
        ASSERT_TRUE(again);
        EXPECT_EQ(*again, bytes);
    }
    EXPECT_EQ(hb::wire::to_base64("Hello!!"), "SGVsbG8hIQ==");
}

TEST(TextFramer, FindsBlocksAmongNoise) {
    hb::wire::TextFramer framer;
    const auto blocks = framer.feed(
        std::string_view("noise\nmore<<<\n<<<\n>>>\nt=a\n<<<\n\0>>>\nt=lost\n>>>\nt=b\n<<<\n", 54));
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_EQ(blocks[0], ">>>\nt=a\n<<<\n");
    EXPECT_EQ(blocks[1], ">>>\nt=b\n<<<\n");
    EXPECT_EQ(framer.discarded_bytes(), 29u);
}

TEST(TextFramer, NeverHoldsMoreThanAMessage) {
    hb::wire::TextFramer framer;
    const std::string line(1000, 'x');
    EXPECT_TRUE(framer.feed(">>>\n").empty());
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(framer.feed(line + "\n").empty());
    }
    EXPECT_TRUE(framer.feed(std::string(2 * hb::wire::kMaxMessageBytes, 'y')).empty());
    EXPECT_GE(framer.discarded_bytes(), std::uint64_t{1000} * 1000);
    EXPECT_EQ(framer.feed("\n>>>\nt=a\n<<<\n").size(), 1u);
}

}  // namespace
