#include "proto/packets.h"
#include "tests/unit/proto/hex.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using test::bytes;
using test::encoded;
using test::hex;

TEST(Data, HasSectorCookieSequenceAndFlags) {
    const std::string layout = "0000000000000800 a0a1a2a3a4a5a6a7 01020304 00000112";
    const auto read = proto::decode_data(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sector, base::Sector{2048});
    EXPECT_EQ(read->sequence, 0x01020304u);
    EXPECT_TRUE(read->has(proto::kDataRwSync));
    EXPECT_TRUE(read->has(proto::kDataFua));
    EXPECT_TRUE(read->has(proto::kDataSendWriteAck));
    EXPECT_FALSE(read->has(proto::kDataFlush));
    EXPECT_EQ(hex(encoded(*read, read->kSize)), hex(bytes(layout)));
}

TEST(Data, KeepsFlagsThatItDoesNotKnow) {
    const auto read =
        proto::decode_data(bytes("0000000000000000 0000000000000000 00000000 f0000809"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->flags, 0xf0000809u);
}

TEST(Trim, IsDataAndASize) {
    const std::string layout = "0000000000000008 a0a1a2a3a4a5a6a7 00000007 00000142 00ff6000";
    const auto read = proto::decode_trim(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->data.sector, base::Sector{8});
    EXPECT_EQ(read->data.sequence, 7u);
    EXPECT_TRUE(read->data.has(proto::kDataDiscard));
    EXPECT_EQ(read->size, 16736256u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), hex(bytes(layout)));
}

TEST(BlockReq, HasSectorCookieAndSize) {
    const std::string layout = "0000000000000008 ffffffffffffffff 00100000 00000000";
    const auto read = proto::decode_block_req(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sector, base::Sector{8});
    EXPECT_EQ(read->block_id, proto::kIdSyncer);
    EXPECT_EQ(read->size, 1048576u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), hex(bytes(layout)));
}

TEST(BlockReq, IgnoresTheStalePadAndSendsZero) {
    const auto read =
        proto::decode_block_req(bytes("0000000000000008 ffffffffffffffff 00001000 00000102"));
    ASSERT_TRUE(read);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "0000000000000008ffffffffffffffff0000100000000000");
}

TEST(BlockAck, HasSectorCookieSizeAndSequence) {
    const std::string layout = "0000000000000800 a0a1a2a3a4a5a6a7 00001000 01020304";
    const auto read = proto::decode_block_ack(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sector, base::Sector{2048});
    EXPECT_EQ(read->size, 4096u);
    EXPECT_EQ(read->sequence, 0x01020304u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), hex(bytes(layout)));
}

TEST(Barrier, EchoesTheBytesOfItsNumber) {
    const auto barrier = proto::decode_barrier(bytes("01020304 00000000"));
    ASSERT_TRUE(barrier);
    EXPECT_EQ(hex(encoded(*barrier, barrier->kSize)), "0102030400000000");

    const proto::BarrierAck ack{.number = barrier->number, .set_size = 2048};
    EXPECT_EQ(hex(encoded(ack, ack.kSize)), "0102030400000800");
    const auto read = proto::decode_barrier_ack(bytes("01020304 00000800"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, barrier->number);
    EXPECT_EQ(read->set_size, 2048u);
}

TEST(BlockDesc, IgnoresTheStalePadAndSendsZero) {
    const auto read = proto::decode_block_desc(bytes("0000000000000010 00001000 80895fff"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sector, base::Sector{16});
    EXPECT_EQ(read->size, 4096u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "00000000000000100000100000000000");
}

// --- Hostile numbers ---

template <typename Decode>
bool accepts_sector(Decode decode, std::string_view layout, std::uint64_t sector) {
    auto in = bytes(layout);
    base::put_be64(in, 0, sector);
    return decode(in).has_value();
}

TEST(DataPackets, RefuseSectorsWhoseByteOffsetOverflows) {
    const auto check = [](auto decode, std::string_view layout) {
        EXPECT_TRUE(accepts_sector(decode, layout, 0));
        EXPECT_TRUE(accepts_sector(decode, layout, (1ull << 54) - 1));
        EXPECT_FALSE(accepts_sector(decode, layout, 1ull << 54));
        EXPECT_FALSE(accepts_sector(decode, layout, 1ull << 63));
        EXPECT_FALSE(accepts_sector(decode, layout, ~0ull));
    };
    const std::string rest = "0000000000000000 0000000000000000 00001000 00000000";
    check(proto::decode_data, rest);
    check(proto::decode_trim, rest + "00001000");
    check(proto::decode_block_req, rest);
    check(proto::decode_block_ack, rest);
    check(proto::decode_block_desc, "0000000000000000 00001000 00000000");
}

struct SizeCase {
    std::uint32_t size;
    bool trim, request, ack, desc;
};

constexpr SizeCase kSizeCases[] = {
    {0, false, false, true, true},
    {1, false, false, false, false},
    {511, false, false, false, false},
    {512, true, true, true, true},
    {513, false, false, false, false},
    {1u << 20, true, true, true, true},
    {(1u << 20) + 512, true, false, true, true},
    {1u << 27, true, false, true, true},
    {0xfffffe00, true, false, true, true},
    {0xffffffff, false, false, false, false},
};

TEST(DataPackets, RefuseSizesThatTheirKindDoesNotAllow) {
    for (const SizeCase& c : kSizeCases) {
        SCOPED_TRACE(c.size);
        std::vector<std::uint8_t> in(28);
        const base::ConstBytes body(in);
        base::put_be32(in, 24, c.size);
        EXPECT_EQ(proto::decode_trim(body).has_value(), c.trim);
        base::put_be32(in, 16, c.size);
        EXPECT_EQ(proto::decode_block_req(body.first(24)).has_value(), c.request);
        EXPECT_EQ(proto::decode_block_ack(body.first(24)).has_value(), c.ack);
        base::put_be32(in, 8, c.size);
        EXPECT_EQ(proto::decode_block_desc(body.first(16)).has_value(), c.desc);
    }
}

}  // namespace
