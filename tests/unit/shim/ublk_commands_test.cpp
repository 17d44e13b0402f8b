#include "kmod-shim/carrier.h"
#include "kmod-shim/ublk/commands.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

namespace {

using shim::ublk::Control;
using shim::ublk::decode;
using shim::ublk::Encoding;
using shim::ublk::Io;
using shim::ublk::IoDescriptor;
using shim::ublk::known_to_crash;
using shim::ublk::opcode;
using shim::ublk::Operation;

constexpr std::uint64_t kBytes = 1u << 20;
constexpr std::uint32_t kRequestBytes = 256u << 10;

TEST(UblkCommands, HaveThePlainNumbersOfOldKernelsAndThoseOfIoctls) {
    EXPECT_EQ(opcode(Control::AddDevice, Encoding::Plain), 0x04u);
    EXPECT_EQ(opcode(Io::CommitAndFetch, Encoding::Plain), 0x21u);
    // _IOR('u', 0x13, 32 bytes), _IOWR('u', 0x04, 32 bytes), _IOWR('u', 0x20, 16 bytes)
    EXPECT_EQ(opcode(Control::GetFeatures, Encoding::Ioctl), 0x80207513u);
    EXPECT_EQ(opcode(Control::GetDeviceInfo, Encoding::Ioctl), 0x80207502u);
    EXPECT_EQ(opcode(Control::AddDevice, Encoding::Ioctl), 0xc0207504u);
    EXPECT_EQ(opcode(Control::UpdateSize, Encoding::Ioctl), 0xc0207515u);
    EXPECT_EQ(opcode(Io::Fetch, Encoding::Ioctl), 0xc0107520u);
}

// A device that loses requests with its server is none that we offer.
TEST(UblkCommands, NeedTheRecoveryOfAllRequests) {
    using namespace shim::ublk;
    EXPECT_TRUE(check_features(kUserRecovery | kRecoveryReissue | kIoctlEncoding));
    EXPECT_FALSE(check_features(kUserRecovery));
    EXPECT_FALSE(check_features(kRecoveryReissue));
    EXPECT_FALSE(check_features(0));
}

TEST(UblkCommands, AreNotTriedOnKernelsThatCrash) {
    for (const char* bad : {"6.17.0-35-generic",
                            "6.17.0-40-generic",
                            "6.17.0-37",
                            "6.18.4",
                            "6.18.5-arch1-1",
                            "6.18.5-200.fc43.x86_64"}) {
        const auto reason = known_to_crash(bad);
        ASSERT_TRUE(reason) << bad;
        EXPECT_NE(reason->find(bad), std::string::npos) << *reason;
    }
    for (const char* good : {"6.17.0-34-generic",
                             "6.17.0-41-generic",
                             "6.17.0",
                             "6.17.35",
                             "6.18.3",
                             "6.18.6",
                             "6.18.45",
                             "6.18",
                             "6.12.117+deb12-amd64",
                             "6.1.0-37-amd64",
                             "",
                             "unknown",
                             "6.17.0-generic"}) {
        EXPECT_FALSE(known_to_crash(good)) << good;
    }
}

TEST(UblkParameters, FollowTheExport) {
    shim::ublk::Geometry geometry;
    geometry.size_bytes = kBytes;
    geometry.block_bytes = 512;
    geometry.request_bytes_max = kRequestBytes;
    geometry.fua = geometry.discard = geometry.zeroes = true;
    auto parameters = shim::ublk::parameters_for(geometry);
    EXPECT_EQ(parameters.length, 60u);
    EXPECT_EQ(parameters.types, shim::ublk::kHasBasic | shim::ublk::kHasDiscard);
    EXPECT_EQ(parameters.attributes, shim::ublk::kVolatileCache | shim::ublk::kFua);
    EXPECT_EQ(parameters.logical_shift, 9);
    EXPECT_EQ(parameters.physical_shift, 12);
    EXPECT_EQ(parameters.sectors_max, kRequestBytes / 512);
    EXPECT_EQ(parameters.device_sectors, kBytes / 512);
    EXPECT_EQ(parameters.discard_granularity, 4096u);
    EXPECT_GT(parameters.discard_sectors_max, 0u);
    EXPECT_GT(parameters.zero_sectors_max, 0u);

    geometry.block_bytes = 4096;
    geometry.rotational = true;
    geometry.fua = geometry.discard = geometry.zeroes = false;
    parameters = shim::ublk::parameters_for(geometry);
    EXPECT_EQ(parameters.types, shim::ublk::kHasBasic);
    EXPECT_EQ(parameters.attributes, shim::ublk::kVolatileCache | shim::ublk::kRotational);
    EXPECT_EQ(parameters.logical_shift, 12);
    EXPECT_EQ(parameters.physical_shift, 12);
}

TEST(UblkRequests, AreInBytes) {
    const auto write = decode({1u | shim::ublk::kDurable, 8, 16, 0}, kBytes, kRequestBytes);
    ASSERT_TRUE(write);
    EXPECT_EQ(write->operation, Operation::Write);
    EXPECT_EQ(write->offset, 8192u);
    EXPECT_EQ(write->length, 4096u);
    EXPECT_TRUE(write->durable);
    EXPECT_FALSE(write->keep_allocated);

    const auto zero = decode({5u | shim::ublk::kKeepAllocated, 2048, 0, 0}, kBytes, kRequestBytes);
    ASSERT_TRUE(zero);
    EXPECT_EQ(zero->operation, Operation::WriteZeroes);
    EXPECT_EQ(zero->length, kBytes);  // longer than any buffer: it has no payload
    EXPECT_TRUE(zero->keep_allocated);
}

TEST(UblkRequests, AFlushHasNoPlace) {
    const auto flush = decode({2u, ~0u, ~0ull, 0}, kBytes, kRequestBytes);
    ASSERT_TRUE(flush);
    EXPECT_EQ(flush->operation, Operation::Flush);
    EXPECT_EQ(flush->length, 0u);
}

TEST(UblkRequests, BeyondTheDeviceOrTheBufferAreRefused) {
    const std::vector<IoDescriptor> bad{{0u, 1, kBytes / 512, 0},
                                        {1u, 8, kBytes / 512 - 7, 0},
                                        {0u, 1, ~0ull, 0},
                                        {3u, ~0u, 1, 0},
                                        {0u, kRequestBytes / 512 + 1, 0, 0}};
    for (const IoDescriptor& descriptor : bad) {
        const auto asked = decode(descriptor, kBytes, kRequestBytes);
        ASSERT_FALSE(asked);
        EXPECT_EQ(asked.error().code, base::ErrorCode::Invalid);
    }
    EXPECT_TRUE(decode({1u, 8, kBytes / 512 - 8, 0}, kBytes, kRequestBytes));
    for (const std::uint32_t unknown : {4u, 6u, 255u}) {
        EXPECT_EQ(decode({unknown, 8, 0, 0}, kBytes, kRequestBytes).error().code,
                  base::ErrorCode::Unsupported);
    }
}

TEST(UblkToken, TellsTheMinorAndIsNobodyElses) {
    using namespace shim::ublk;
    const std::uint64_t token = make_token(1048575, 0x123456789abcdefull);
    EXPECT_EQ(minor_of_token(token), 1048575u);
    EXPECT_EQ(minor_of_token(make_token(0, 0)), 0u);
    EXPECT_NE(make_token(3, 1), make_token(3, 2));
    EXPECT_FALSE(minor_of_token(0));
    EXPECT_FALSE(minor_of_token(~0ull));
    EXPECT_EQ(parse_token(token_text(token) + "\n"), token);
    EXPECT_FALSE(parse_token(""));
    EXPECT_FALSE(parse_token("0000000000000001"));
    EXPECT_FALSE(parse_token(token_text(token) + "0"));
    EXPECT_FALSE(parse_token("dbdd00000000000x"));
}

TEST(UblkNames, AreThoseOfWholeDevices) {
    EXPECT_EQ(shim::ublk::index_of("ublkb12", "ublkb"), 12u);
    EXPECT_FALSE(shim::ublk::index_of("ublkb12p1", "ublkb"));
    EXPECT_FALSE(shim::ublk::index_of("ublkb", "ublkb"));
    EXPECT_FALSE(shim::ublk::index_of("ublkc1", "ublkb"));
    EXPECT_FALSE(shim::ublk::index_of("nbd1", "ublkb"));
}

TEST(Carriers, AreTriedTheBestFirst) {
    const std::vector<std::string> order(std::begin(shim::kBestFirst), std::end(shim::kBestFirst));
    EXPECT_EQ(order, (std::vector<std::string>{"ublk", "nbd", "fuse"}));
    const auto all = shim::make_carriers({});
    ASSERT_EQ(all.size(), order.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i]->name(), order[i]);
    }
}

}  // namespace
