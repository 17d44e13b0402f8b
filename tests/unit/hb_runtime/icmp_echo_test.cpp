#include "heartbeat/runtime/icmp_echo.h"

#include <gtest/gtest.h>

namespace {

using hb::IcmpFamily;

std::string with_ip_header(std::string packet) {
    packet[0] = '\0';  // the reply to a request
    return std::string(1, '\x45') + std::string(19, '\0') + packet;
}

TEST(IcmpEcho, RequestHasTheInternetChecksum) {
    // RFC 1071: the sum over a packet with its checksum is all ones.
    const std::string packet = hb::encode_echo_request(IcmpFamily::V4, {0x1234, 7, "odd"});
    unsigned sum = 0;
    for (std::size_t i = 0; i < packet.size(); i += 2) {
        sum += static_cast<unsigned>(static_cast<unsigned char>(packet[i])) << 8;
        sum += i + 1 < packet.size() ? static_cast<unsigned char>(packet[i + 1]) : 0u;
    }
    EXPECT_EQ((sum & 0xffffu) + (sum >> 16), 0xffffu);
    EXPECT_EQ(packet.substr(0, 2), std::string("\x08\x00", 2));
}

TEST(IcmpEcho, ReplyGivesBackWhatWasSent) {
    const std::string packet = hb::encode_echo_request(IcmpFamily::V4, {0x1234, 7, "data"});
    const auto echo = hb::decode_echo_reply(IcmpFamily::V4, with_ip_header(packet));
    ASSERT_TRUE(echo);
    EXPECT_EQ(echo->id, 0x1234);
    EXPECT_EQ(echo->sequence, 7);
    EXPECT_EQ(echo->data, "data");
}

TEST(IcmpEcho, Version6HasNoIpHeader) {
    std::string packet = hb::encode_echo_request(IcmpFamily::V6, {1, 2, "six"});
    EXPECT_FALSE(hb::decode_echo_reply(IcmpFamily::V6, packet));
    packet[0] = static_cast<char>(129);
    EXPECT_EQ(hb::decode_echo_reply(IcmpFamily::V6, packet)->data, "six");
}

TEST(IcmpEcho, RefusesRequestsAndShortPackets) {
    const std::string request = hb::encode_echo_request(IcmpFamily::V4, {1, 2, "x"});
    EXPECT_FALSE(hb::decode_echo_reply(IcmpFamily::V4,
                                       std::string(1, '\x45') + std::string(19, '\0') + request));
    const std::string reply = with_ip_header(request);
    for (std::size_t length = 0; length < 28; ++length) {
        EXPECT_FALSE(hb::decode_echo_reply(IcmpFamily::V4, reply.substr(0, length)));
    }
    EXPECT_FALSE(hb::decode_echo_reply(IcmpFamily::V4, std::string(1, '\x4f') + "short"));
}

}  // namespace
