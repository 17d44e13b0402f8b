#include "proto/packets.h"
#include "tests/unit/proto/hex.h"

#include <gtest/gtest.h>

namespace {

using proto::Header;
using proto::HeaderKind;
using test::bytes;
using test::hex;

struct HeaderExample {
    const char* hex;
    Header header;
};

const HeaderExample kHeaders[] = {
    {"83740267 fffe 0048", {HeaderKind::H80, 0xfffe, 0, 72}},
    {"83740267 0000 ffff", {HeaderKind::H80, 0, 0, 65535}},
    {"835a 0002 00020018", {HeaderKind::H95, 2, 0, 131096}},
    {"835a ffff ffffffff", {HeaderKind::H95, 0xffff, 0, 0xffffffff}},
    {"8620ec20 0000 0003 00000008 00000000", {HeaderKind::H100, 3, 0, 8}},
    {"8620ec20 0102 0304 05060708 00000000", {HeaderKind::H100, 0x0304, 0x0102, 0x05060708}},
};

TEST(Header, EncodesEachKindAsLaidOut) {
    for (const HeaderExample& example : kHeaders) {
        const auto out = test::encoded(example.header, proto::header_size(example.header.kind));
        EXPECT_EQ(hex(out), hex(bytes(example.hex)));
    }
}

TEST(Header, DecodesEachKindByItsMagic) {
    for (const HeaderExample& example : kHeaders) {
        SCOPED_TRACE(example.hex);
        const auto in = bytes(example.hex);
        ASSERT_TRUE(proto::header_kind(base::ConstBytes(in).first(4)));
        const auto header = proto::decode_header(in);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->kind, example.header.kind);
        EXPECT_EQ(header->command, example.header.command);
        EXPECT_EQ(header->volume, example.header.volume);
        EXPECT_EQ(header->length, example.header.length);
    }
}

TEST(Header, RefusesEveryOtherLength) {
    for (const HeaderExample& example : kHeaders) {
        auto in = bytes(example.hex);
        const std::size_t right = in.size();
        in.resize(40);
        for (std::size_t size = 0; size <= in.size(); ++size) {
            EXPECT_EQ(proto::decode_header(base::ConstBytes(in).first(size)).has_value(),
                      size == right)
                << example.hex << " as " << size << " bytes";
        }
    }
}

TEST(Header, RefusesForeignMagics) {
    for (const char* foreign : {"47455420",
                                "00000000",
                                "ffffffff",
                                "83740268",
                                "83750267",
                                "8620ec21",
                                "6702 7483",
                                "20ec2086",
                                "5a83 0000",
                                "8620 0000"}) {
        auto in = bytes(foreign);
        EXPECT_FALSE(proto::header_kind(in)) << foreign;
        for (const std::size_t size : {8u, 16u}) {
            in.resize(size);
            EXPECT_FALSE(proto::decode_header(in)) << foreign;
        }
    }
}

TEST(Header, NamesAForeignMagicInHexadecimal) {
    EXPECT_NE(proto::header_kind(bytes("47455420")).error().text.find("0x47455420"),
              std::string::npos);
}

TEST(Header, WantsExactlyTheMagicToTellTheKind) {
    EXPECT_FALSE(proto::header_kind({}));
    EXPECT_FALSE(proto::header_kind(bytes("8620ec")));
    EXPECT_FALSE(proto::header_kind(bytes("8620ec2000")));
}

TEST(Header, RefusesAnyBitInThePadOfHeader100) {
    for (std::size_t i = 12; i < 16; ++i) {
        auto in = bytes("8620ec20 0000 0003 00000008 00000000");
        in[i] = 1;
        EXPECT_FALSE(proto::decode_header(in));
    }
}

TEST(HeaderDeathTest, Header80HasNoRoomForLongBodies) {
    const Header header{.kind = HeaderKind::H80, .length = 65536};
    EXPECT_DEATH(test::encoded(header, proto::kHeader80Size), "length <= 0xffff");
}

}  // namespace
