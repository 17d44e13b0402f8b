#include "proto/packets.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

using proto::Command;

struct Expected {
    std::uint16_t number;
    const char* name;
    std::uint32_t fixed;
    std::uint32_t max_payload;
    bool bulk;
};

// The packet table of the specification (2.2), for protocol 100 and later.
constexpr Expected kTable[] = {
    {0x00, "Data", 24, 1048576, true},
    {0x01, "DataReply", 24, 1048576, true},
    {0x02, "RsDataReply", 24, 1048576, true},
    {0x03, "Barrier", 8, 0, false},
    {0x04, "Bitmap", 0, 4080, false},
    {0x07, "UnplugRemote", 0, 0, false},
    {0x08, "DataRequest", 24, 0, false},
    {0x09, "RsDataRequest", 24, 0, false},
    {0x0b, "Protocol", 24, 64, false},
    {0x0c, "Uuids", 48, 0, false},
    {0x0d, "Sizes", 32, 24, false},
    {0x0e, "State", 4, 0, false},
    {0x0f, "SyncUuid", 8, 0, false},
    {0x10, "AuthChallenge", 0, 128, false},
    {0x11, "AuthResponse", 0, 128, false},
    {0x12, "StateChgReq", 8, 0, false},
    {0x13, "Ping", 0, 0, false},
    {0x14, "PingAck", 0, 0, false},
    {0x15, "RecvAck", 24, 0, false},
    {0x16, "WriteAck", 24, 0, false},
    {0x17, "RsWriteAck", 24, 0, false},
    {0x18, "Superseded", 24, 0, false},
    {0x19, "NegAck", 24, 0, false},
    {0x1a, "NegDreply", 24, 0, false},
    {0x1b, "NegRsDreply", 24, 0, false},
    {0x1c, "BarrierAck", 8, 0, false},
    {0x1d, "StateChgReply", 4, 0, false},
    {0x1e, "OvRequest", 24, 0, false},
    {0x1f, "OvReply", 24, 64, false},
    {0x20, "OvResult", 24, 0, false},
    {0x21, "CsumRsRequest", 24, 64, false},
    {0x22, "RsIsInSync", 24, 0, false},
    {0x23, "SyncParam89", 148, 0, false},
    {0x24, "CompressedBitmap", 0, 4080, false},
    {0x27, "DelayProbe", 8, 0, false},
    {0x28, "OutOfSync", 16, 0, false},
    {0x29, "RsCancel", 24, 0, false},
    {0x2a, "ConnStChgReq", 8, 0, false},
    {0x2b, "ConnStChgReply", 4, 0, false},
    {0x2c, "RetryWrite", 24, 0, false},
    {0x2d, "ProtocolUpdate", 24, 64, false},
    {0x31, "Trim", 28, 0, false},
    {0x32, "RsThinReq", 24, 0, false},
    {0x33, "RsDeallocated", 16, 0, false},
    {0x36, "Zeroes", 28, 0, false},
    {0xfff1, "InitialMeta", 0, 0, false},
    {0xfff2, "InitialData", 0, 0, false},
    {0xfffe, "ConnectionFeatures", 72, 0, false},
};

TEST(BodyShape, FollowsThePacketTable) {
    for (const Expected& expected : kTable) {
        SCOPED_TRACE(expected.name);
        const auto shape = proto::body_shape(expected.number);
        ASSERT_TRUE(shape);
        EXPECT_EQ(shape->fixed, expected.fixed);
        EXPECT_EQ(shape->max_payload, expected.max_payload);
        EXPECT_EQ(shape->bulk, expected.bulk);
        EXPECT_STREQ(proto::command_name(expected.number), expected.name);
    }
}

TEST(BodyShape, RefusesEveryOtherNumber) {
    std::set<std::uint16_t> known;
    for (const Expected& expected : kTable) {
        known.insert(expected.number);
    }
    for (std::uint32_t number = 0; number <= 0xffff; ++number) {
        const auto command = static_cast<std::uint16_t>(number);
        const auto shape = proto::body_shape(command);
        ASSERT_EQ(shape.has_value(), known.contains(command)) << number;
        if (!shape) {
            EXPECT_EQ(shape.error().code, base::ErrorCode::Unsupported);
        }
    }
}

TEST(BodyShape, NamesThePacketsThatItRefusesOnPurpose) {
    for (const Command command : {Command::SyncParam, Command::Wsame}) {
        const auto number = static_cast<std::uint16_t>(command);
        const std::string text = proto::body_shape(number).error().text;
        EXPECT_NE(text.find(proto::command_name(number)), std::string::npos) << text;
    }
    EXPECT_STREQ(proto::command_name(0x0a), "SyncParam");
    EXPECT_STREQ(proto::command_name(0x34), "Wsame");
}

TEST(CommandName, SaysUnknownForNumbersOutsideTheTable) {
    constexpr std::uint16_t kUnused[] = {0x05, 0x06, 0x25, 0x2e, 0x35, 0x40, 0x100, 0xfff0, 0xffff};
    for (const std::uint16_t number : kUnused) {
        EXPECT_STREQ(proto::command_name(number), "unknown") << number;
    }
}

}  // namespace
