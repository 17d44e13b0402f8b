#include "proto/packets.h"
#include "tests/unit/proto/hex.h"
#include "tests/unit/proto/roundtrip.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

using proto::Command;

// A body that its decoder takes.
test::ByteVector good_body(Command command) {
    const auto number = static_cast<std::uint16_t>(command);
    switch (command) {
        case Command::Protocol:
        case Command::ProtocolUpdate:
            return test::encoded(proto::Protocol{}, proto::Protocol{}.size());
        case Command::Trim:
        case Command::Zeroes:
            return test::encoded(proto::Trim{.data = {}, .size = 4096}, proto::Trim::kSize);
        case Command::DataRequest:
        case Command::RsDataRequest:
        case Command::OvRequest:
        case Command::OvReply:
        case Command::CsumRsRequest:
        case Command::RsThinReq:
            return test::encoded(proto::BlockReq{.sector = {}, .size = 4096},
                                 proto::BlockReq::kSize);
        default:
            return test::ByteVector(proto::body_shape(number)->fixed);
    }
}

bool has_codec(Command command) {
    static const std::set<Command> without{Command::Bitmap,
                                           Command::CompressedBitmap,
                                           Command::UnplugRemote,
                                           Command::AuthChallenge,
                                           Command::AuthResponse,
                                           Command::Ping,
                                           Command::PingAck,
                                           Command::DelayProbe,
                                           Command::InitialMeta,
                                           Command::InitialData};
    return !without.contains(command);
}

class PacketSizes : public testing::TestWithParam<std::uint16_t> {};

TEST_P(PacketSizes, AnyOtherSizeThanTheLayoutsIsRefused) {
    const auto good = good_body(static_cast<Command>(GetParam()));
    std::set<std::size_t> allowed{good.size()};
    if (static_cast<Command>(GetParam()) == Command::Sizes) {
        allowed.insert(proto::Sizes::kSizeWithLimits);
    }
    auto in = good;
    in.resize(200);
    for (std::size_t size = 0; size <= in.size(); ++size) {
        const auto result = test::roundtrip(GetParam(), base::ConstBytes(in).first(size));
        ASSERT_EQ(result.has_value(), allowed.contains(size)) << size << " bytes";
        if (!result) {
            EXPECT_EQ(result.error().code, base::ErrorCode::Invalid);
            EXPECT_FALSE(result.error().text.empty());
        }
    }
}

TEST_P(PacketSizes, EveryByteIsWritten) {
    const auto good = good_body(static_cast<Command>(GetParam()));
    const auto again = test::roundtrip(GetParam(), good);
    ASSERT_TRUE(again);
    EXPECT_EQ(test::hex(*again), test::hex(good));
}

std::vector<std::uint16_t> commands_with_codec() {
    std::vector<std::uint16_t> out;
    for (std::uint32_t number = 0; number <= 0xffff; ++number) {
        const auto command = static_cast<std::uint16_t>(number);
        if (proto::body_shape(command) && has_codec(static_cast<Command>(command))) {
            out.push_back(command);
        }
    }
    return out;
}

INSTANTIATE_TEST_SUITE_P(Commands,
                         PacketSizes,
                         testing::ValuesIn(commands_with_codec()),
                         [](const auto& param) {
                             return std::string(proto::command_name(param.param));
                         });

}  // namespace
