#include "proto/packets.h"
#include "tests/unit/proto/hex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace {

using test::bytes;
using test::encoded;
using test::hex;

std::string zeros(std::size_t count) {
    return std::string(2 * count, '0');
}

TEST(ConnectionFeatures, HasThreeNumbersAndZeros) {
    const proto::ConnectionFeatures features{
        .protocol_min = 86, .feature_flags = 0x0000000f, .protocol_max = 101};
    const std::string layout = "00000056 0000000f 00000065" + zeros(60);
    EXPECT_EQ(hex(encoded(features, features.kSize)), hex(bytes(layout)));

    const auto read = proto::decode_connection_features(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->protocol_min, 86u);
    EXPECT_EQ(read->feature_flags, 15u);
    EXPECT_EQ(read->protocol_max, 101u);
}

TEST(ConnectionFeatures, IgnoresWhatLaterVersionsPutIntoTheReservedPart) {
    EXPECT_TRUE(proto::decode_connection_features(
        bytes("00000056 8000000f 00000079" + std::string(120, 'f'))));
}

const char* const kProtocolFixed = "00000002 00000001 00000002 00000008 00000003 00000001";

TEST(Protocol, CarriesTheAlgorithmWithItsNul) {
    const proto::Protocol protocol{.protocol = 2,
                                   .after_sb_0p = 1,
                                   .after_sb_1p = 2,
                                   .after_sb_2p = 8,
                                   .conn_flags = proto::kConnDiscardMyData | proto::kConnDryRun,
                                   .two_primaries = 1,
                                   .integrity_alg = "crc32c"};
    const auto layout = bytes(std::string(kProtocolFixed) + "637263333263 00");
    ASSERT_EQ(protocol.size(), 31u);
    EXPECT_EQ(hex(encoded(protocol, protocol.size())), hex(layout));

    const auto read = proto::decode_protocol(layout);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->protocol, 2u);
    EXPECT_EQ(read->after_sb_0p, 1u);
    EXPECT_EQ(read->after_sb_1p, 2u);
    EXPECT_EQ(read->after_sb_2p, 8u);
    EXPECT_EQ(read->conn_flags, 3u);
    EXPECT_EQ(read->two_primaries, 1u);
    EXPECT_EQ(read->integrity_alg, "crc32c");
}

TEST(Protocol, RefusesStringsThatAreNotOneTerminatedName) {
    const std::string fixed = kProtocolFixed;
    const std::string name63(2 * 63, '6');
    EXPECT_TRUE(proto::decode_protocol(bytes(fixed + "00")));
    EXPECT_TRUE(proto::decode_protocol(bytes(fixed + name63 + "00")));
    EXPECT_FALSE(proto::decode_protocol(bytes(fixed))) << "as before protocol 87";
    EXPECT_FALSE(proto::decode_protocol(bytes(fixed + "61"))) << "no NUL";
    EXPECT_FALSE(proto::decode_protocol(bytes(fixed + "61 00 61"))) << "bytes behind the NUL";
    EXPECT_FALSE(proto::decode_protocol(bytes(fixed + "61 00 00"))) << "two NULs";
    EXPECT_FALSE(proto::decode_protocol(bytes(fixed + "66" + name63 + "00"))) << "64 characters";
}

TEST(Protocol, KnowsThreeReplicationProtocols) {
    for (std::uint32_t letter = 0; letter <= 5; ++letter) {
        auto in = bytes(std::string(kProtocolFixed) + "00");
        base::put_be32(in, 0, letter);
        EXPECT_EQ(proto::decode_protocol(in).has_value(), letter >= 1 && letter <= 3) << letter;
    }
}

TEST(ProtocolDeathTest, NamesOfAlgorithmsAreShorterThanTheirField) {
    const proto::Protocol protocol{.integrity_alg = std::string(64, 'a')};
    EXPECT_DEATH(encoded(protocol, protocol.size()), "integrity_alg");
}

TEST(SyncParam89, HasTwoNamesInFieldsOf64Bytes) {
    const proto::SyncParam89 param{.resync_rate = 0x01020304,
                                   .verify_alg = "sha1",
                                   .csums_alg = "md5",
                                   .c_plan_ahead = 5,
                                   .c_delay_target = 6,
                                   .c_fill_target = 7,
                                   .c_max_rate = 0x08090a0b};
    const auto layout = bytes("01020304 73686131" + zeros(60) + "6d6435" + zeros(61) +
                              "00000005 00000006 00000007 08090a0b");
    EXPECT_EQ(hex(encoded(param, param.kSize)), hex(layout));

    const auto read = proto::decode_sync_param89(layout);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->resync_rate, 0x01020304u);
    EXPECT_EQ(read->verify_alg, "sha1");
    EXPECT_EQ(read->csums_alg, "md5");
    EXPECT_EQ(read->c_plan_ahead, 5u);
    EXPECT_EQ(read->c_delay_target, 6u);
    EXPECT_EQ(read->c_fill_target, 7u);
    EXPECT_EQ(read->c_max_rate, 0x08090a0bu);
}

TEST(SyncParam89, RefusesANameThatFillsItsField) {
    for (const std::size_t field : {4u, 68u}) {
        auto in = encoded(proto::SyncParam89{}, proto::SyncParam89::kSize);
        std::fill_n(in.begin() + static_cast<std::ptrdiff_t>(field), 63, 'a');
        EXPECT_TRUE(proto::decode_sync_param89(in));
        in[field + 63] = 'a';
        EXPECT_FALSE(proto::decode_sync_param89(in));
    }
}

const char* const kSizes32 =
    "0000000000007fb0 0000000000001000 0000000000007fa8 00100000 0001 0002";

TEST(Sizes, Has32BytesWithoutQueueLimits) {
    const proto::Sizes sizes{.d_size = 32688,
                             .u_size = 4096,
                             .c_size = 32680,
                             .max_bio_size = 1 << 20,
                             .queue_order_type = 1,
                             .dds_flags = 2,
                             .has_limits = false};
    ASSERT_EQ(sizes.size(), 32u);
    EXPECT_EQ(hex(encoded(sizes, sizes.size())), hex(bytes(kSizes32)));

    const auto read = proto::decode_sizes(bytes(kSizes32));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->d_size, 32688u);
    EXPECT_EQ(read->u_size, 4096u);
    EXPECT_EQ(read->c_size, 32680u);
    EXPECT_EQ(read->max_bio_size, 1048576u);
    EXPECT_EQ(read->queue_order_type, 1u);
    EXPECT_EQ(read->dds_flags, 2u);
    EXPECT_FALSE(read->has_limits);
}

TEST(Sizes, Has56BytesWithQueueLimits) {
    const std::string layout =
        std::string(kSizes32) + "00001000 00000200 00000003 00002000 00004000 01 02 03 00";
    const auto read = proto::decode_sizes(bytes(layout));
    ASSERT_TRUE(read);
    ASSERT_TRUE(read->has_limits);
    EXPECT_EQ(read->physical_block_size, 4096u);
    EXPECT_EQ(read->logical_block_size, 512u);
    EXPECT_EQ(read->alignment_offset, 3u);
    EXPECT_EQ(read->io_min, 8192u);
    EXPECT_EQ(read->io_opt, 16384u);
    EXPECT_EQ(read->discard_enabled, 1u);
    EXPECT_EQ(read->discard_zeroes_data, 2u);
    EXPECT_EQ(read->write_same_capable, 3u);
    EXPECT_EQ(hex(encoded(*read, read->size())), hex(bytes(layout)));
}

TEST(Sizes, RefusesSizesWhoseByteCountOverflows) {
    for (const std::size_t field : {0u, 8u, 16u}) {
        auto in = bytes(kSizes32);
        base::put_be64(in, field, 1ull << 54);
        EXPECT_TRUE(proto::decode_sizes(in));
        base::put_be64(in, field, (1ull << 54) + 1);
        EXPECT_FALSE(proto::decode_sizes(in));
        base::put_be64(in, field, ~0ull);
        EXPECT_FALSE(proto::decode_sizes(in));
    }
}

TEST(Uuids, HasSixNumbers) {
    const std::string layout =
        "1111111111111111 0000000000000004 2222222222222222 3333333333333333 0000000000001000 "
        "0000000000000005";
    const auto read = proto::decode_uuids(bytes(layout));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->current, 0x1111111111111111u);
    EXPECT_EQ(read->bitmap, 4u);
    EXPECT_EQ(read->history[0], 0x2222222222222222u);
    EXPECT_EQ(read->history[1], 0x3333333333333333u);
    EXPECT_EQ(read->dirty_bits, 4096u);
    EXPECT_EQ(read->flags, proto::kUuidDiscardMyData | proto::kUuidInconsistent);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), hex(bytes(layout)));
}

TEST(State, KeepsBitsThatItDoesNotKnow) {
    const auto read = proto::decode_state(bytes("ff00d082"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->value, 0xff00d082u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "ff00d082");
}

TEST(SyncUuid, IsOneNumber) {
    const auto read = proto::decode_sync_uuid(bytes("0102030405060708"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->uuid, 0x0102030405060708u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "0102030405060708");
}

TEST(StateChgReq, IsMaskAndValue) {
    const auto read = proto::decode_state_chg_req(bytes("00000003 00000001"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->mask, 3u);
    EXPECT_EQ(read->value, 1u);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "0000000300000001");
}

TEST(StateChgReply, IsSigned) {
    const auto read = proto::decode_state_chg_reply(bytes("fffffff2"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->code, -14);
    EXPECT_EQ(hex(encoded(*read, read->kSize)), "fffffff2");
}

}  // namespace
