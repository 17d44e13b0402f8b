#include "proto/bitmap_code.h"

#include "base/prng.h"
#include "proto/packets.h"
#include "tests/unit/proto/hex.h"
#include "tests/unit/proto/run_bits.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using test::bytes;
using test::hex;
using test::Run;
using test::Runs;

std::string encode_all(const Runs& runs, std::uint64_t end) {
    std::uint64_t position = 0;
    const auto body = proto::encode_bitmap_runs(test::source_of(runs), end, position);
    EXPECT_EQ(position, end);
    return hex(body);
}

bool decodes(std::string_view body, std::uint64_t position, std::uint64_t end) {
    Runs runs;
    return proto::decode_bitmap_runs(bytes(body), position, end, test::collect_into(runs))
        .has_value();
}

// The worked packets of the specification (7.4) and one of 13.1.
struct Example {
    const char* body;
    std::uint64_t end;
    Runs runs;
};

const Example kExamples[] = {
    {"b2 7f cf de 00", 65536, {{0, 65536}}},
    {"b2 3f cf 0e", 4096, {{0, 4096}}},
    {"32 3f cf 0e", 4096, {}},
    {"b2 3f c5 0e", 4086, {{0, 4086}}},
    {"32 3f c5 0e", 4086, {}},
    {"32 df be 3f 97 0d", 4086, {{300, 2}}},
    {"e2 3f cf e2 a7 58 01", 4086, {{0, 1024}}},
    {"72 f0 33 ec 00", 4086, {{1, 1}}},
    {"22 ef fa 95 de 7f 6a 1b", 4086, {{40, 2}, {256, 16}}},
    {"52 df b3 3f b5 81 9f 4f c3 4f c5 00", 4096, {{256, 2}, {1000, 1}, {3001, 1}}},
};

TEST(BitmapCode, EncodesTheWorkedPackets) {
    for (const Example& example : kExamples) {
        EXPECT_EQ(encode_all(example.runs, example.end), hex(bytes(example.body)));
    }
}

TEST(BitmapCode, DecodesTheWorkedPackets) {
    for (const Example& example : kExamples) {
        SCOPED_TRACE(example.body);
        Runs runs;
        const auto reached = proto::decode_bitmap_runs(
            bytes(example.body), 0, example.end, test::collect_into(runs));
        ASSERT_TRUE(reached);
        EXPECT_EQ(*reached, example.end);
        EXPECT_EQ(runs, example.runs);
    }
}

// Both ends of each level of the code, and one below and above.
TEST(BitmapCode, RoundTripsTheBordersOfEveryLevel) {
    for (const std::uint64_t border : {1ull,
                                       2ull,
                                       4ull,
                                       8ull,
                                       16ull,
                                       48ull,
                                       304ull,
                                       8496ull,
                                       2105648ull,
                                       17181974832ull,
                                       72057611219902767ull}) {
        for (const std::uint64_t run : {border, border + 1}) {
            SCOPED_TRACE(run);
            const Runs runs{{0, run}, {run + 1000000, 1000000}};
            const std::uint64_t end = run + 2000000;
            Runs read;
            const auto body = bytes(encode_all(runs, end));
            const auto reached = proto::decode_bitmap_runs(body, 0, end, test::collect_into(read));
            ASSERT_TRUE(reached);
            EXPECT_EQ(*reached, end);
            EXPECT_EQ(read, runs);
        }
    }
}

TEST(BitmapCode, GivesUpWhereThePlainBitsAreShorter) {
    Runs runs;
    for (std::uint64_t bit = 0; bit < 4096; bit += 4) {
        runs.push_back({bit, 2});  // two set, two clear: 2 bits of code for every 2 bits
    }
    std::uint64_t position = 0;
    const auto even = proto::encode_bitmap_runs(test::source_of(runs), 4096, position);
    EXPECT_EQ(even.size(), 1 + 512u) << "no more bytes than the plain bits: sent";
    EXPECT_EQ(position, 4096u);

    runs.clear();
    for (std::uint64_t bit = 0; bit < 4096; bit += 2) {
        runs.push_back({bit, 1});
    }
    position = 0;
    EXPECT_TRUE(proto::encode_bitmap_runs(test::source_of(runs), 4096, position).empty());
    EXPECT_EQ(position, 0u) << "the position stays";
}

TEST(BitmapCode, GivesUpOnATailShorterThanItsByte) {
    std::uint64_t position = 64;
    EXPECT_TRUE(proto::encode_bitmap_runs(test::source_of({}), 67, position).empty());
    EXPECT_EQ(position, 64u);
}

TEST(BitmapCode, HasNothingToSayAtTheEnd) {
    std::uint64_t position = 100;
    EXPECT_TRUE(proto::encode_bitmap_runs(test::source_of({}), 100, position).empty());
    EXPECT_EQ(position, 100u);
}

TEST(BitmapCode, StartsTheNextPacketWithANewRunWhereTheLastOneEnded) {
    Runs runs;
    for (std::uint64_t i = 0; i < 20000; ++i) {
        runs.push_back({i * 40 + 7, 20});
    }
    const std::uint64_t end = 20000 * 40 + 3;
    Runs read;
    std::uint64_t position = 0;
    std::uint64_t packets = 0;
    while (position < end) {
        const std::uint64_t before = position;
        const auto body = proto::encode_bitmap_runs(test::source_of(runs), end, position);
        ASSERT_FALSE(body.empty());
        ASSERT_LE(body.size(), proto::kMaxBitmapPacketBytes);
        const auto reached = proto::decode_bitmap_runs(body, before, end, test::collect_into(read));
        ASSERT_TRUE(reached);
        ASSERT_EQ(*reached, position);
        ++packets;
        if (position < end) {
            EXPECT_GT(body.size(), proto::kMaxBitmapPacketBytes - 3)
                << "packets are filled greedily";
        }
    }
    EXPECT_GT(packets, 5u);
    EXPECT_EQ(read, runs);
}

TEST(BitmapCode, RoundTripsRandomBitmaps) {
    base::Prng random(1);
    for (int round = 0; round < 300; ++round) {
        Runs runs;
        std::uint64_t bit = random.next() % 100;
        const auto length = [&random] { return 1 + (random.next() >> (random.next() % 40 + 24)); };
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t count = length();
            runs.push_back({bit, count});
            bit += count + length();
        }
        std::uint64_t position = 0;
        const auto body = proto::encode_bitmap_runs(test::source_of(runs), bit, position);
        if (body.empty()) {
            continue;
        }
        Runs read;
        const auto reached = proto::decode_bitmap_runs(body, 0, bit, test::collect_into(read));
        ASSERT_TRUE(reached);
        ASSERT_EQ(*reached, bit);
        ASSERT_EQ(read, runs);
    }
}

TEST(BitmapCode, RefusesRunsBeyondTheEnd) {
    EXPECT_TRUE(decodes("b2 3f cf 0e", 0, 4096));
    EXPECT_FALSE(decodes("b2 3f cf 0e", 0, 4095)) << "set bits";
    EXPECT_FALSE(decodes("32 3f cf 0e", 0, 4095)) << "clear bits";
    EXPECT_FALSE(decodes("b2 3f cf 0e", 1, 4096)) << "from a later position";
    EXPECT_FALSE(decodes("b2 3f cf 0e", 4096, 4096)) << "nothing is left";
    EXPECT_FALSE(decodes("82 ff ffffffffffffff", 0, 1ull << 40)) << "the longest run of all";
    EXPECT_FALSE(decodes("82 ff ffffffffffffff", ~0ull - 5, ~0ull)) << "no sum overflows";
}

TEST(BitmapCode, RefusesUnknownEncodings) {
    for (unsigned code = 0; code < 16; ++code) {
        auto body = bytes("b0 3f cf 0e");
        body[0] = static_cast<std::uint8_t>(body[0] | code);
        EXPECT_EQ(decodes(hex(body), 0, 4096), code == 2) << code;
    }
}

TEST(BitmapCode, RefusesBodiesTooShortOrTooLong) {
    EXPECT_FALSE(decodes("", 0, 4096));
    EXPECT_FALSE(decodes("b2", 0, 4096));
    test::ByteVector body(proto::kMaxBitmapPacketBytes, 0);  // runs of one bit each
    body[0] = 0x02;
    EXPECT_TRUE(decodes(hex(body), 0, 1 << 20));
    body.push_back(0);
    EXPECT_FALSE(decodes(hex(body), 0, 1 << 20));
}

TEST(BitmapCode, RefusesALastRunThatIsCutOff) {
    for (const Example& example : kExamples) {
        const auto body = bytes(example.body);
        const base::ConstBytes cut(body.data(), body.size() - 1);
        EXPECT_FALSE(decodes(hex(cut), 0, 1ull << 60)) << example.body;
    }
    EXPECT_FALSE(decodes("72 00", 0, 4096)) << "a single bit is no code word";
}

TEST(BitmapCode, RefusesUnusedBitsThatAreSet) {
    EXPECT_TRUE(decodes("62 02", 0, 4096));
    for (const char* body : {"62 06", "62 82", "62 42"}) {
        EXPECT_FALSE(decodes(body, 0, 4096)) << body;
    }
}

}  // namespace
