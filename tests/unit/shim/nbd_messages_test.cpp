#include "kmod-shim/nbd/messages.h"
#include "kmod-shim/nbd/nbd_device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace {

using shim::netlink::Message;
using shim::netlink::parse_reply;

constexpr std::uint16_t kFamily = 0x1c;
constexpr std::uint32_t kSequence = 7;

void append(Message& out, const void* data, std::size_t bytes) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    out.insert(out.end(), first, first + bytes);
    out.resize((out.size() + 3) / 4 * 4);
}

Message attribute(std::uint16_t type, const void* data, std::size_t bytes) {
    const nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + bytes), type};
    Message out;
    append(out, &header, sizeof header);
    append(out, data, bytes);
    return out;
}

Message message(std::uint16_t type, const Message& payload, std::uint32_t sequence = kSequence) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    Message out;
    append(out, &header, sizeof header);
    append(out, payload.data(), payload.size());
    return out;
}

Message generic(std::uint16_t type, const Message& attributes) {
    const genlmsghdr header{1, 1, 0};
    Message payload;
    append(payload, &header, sizeof header);
    append(payload, attributes.data(), attributes.size());
    return message(type, payload);
}

Message ack(int error) {
    nlmsgerr body{};
    body.error = error;
    Message payload;
    append(payload, &body, sizeof body);
    return message(NLMSG_ERROR, payload);
}

TEST(NbdMessages, ConnectCarriesTheSocketInItsNests) {
    shim::netlink::NbdRequest request;
    request.size_bytes = 1u << 20;
    request.backend = "drbdd:1:/run/drbdd/drbd0";
    request.socket = 9;
    const Message bytes = shim::netlink::nbd_request(request, kFamily, kSequence);
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    EXPECT_EQ(header.nlmsg_len, bytes.size());
    EXPECT_EQ(header.nlmsg_type, kFamily);
    EXPECT_EQ(header.nlmsg_seq, kSequence);
    // SOCKETS (7) holds one item (1), that holds FD (1) = 9; all of them are at the end.
    const std::uint32_t fd = 9;
    const Message inner = attribute(1, &fd, sizeof fd);
    const Message item = attribute(0x8001, inner.data(), inner.size());
    const Message sockets = attribute(0x8007, item.data(), item.size());
    ASSERT_GT(bytes.size(), sockets.size());
    EXPECT_EQ(Message(bytes.end() - static_cast<std::ptrdiff_t>(sockets.size()), bytes.end()),
              sockets);
    // INDEX was not asked for: the kernel picks one.
    EXPECT_EQ(bytes[sizeof(nlmsghdr) + sizeof(genlmsghdr) + 2], 2);  // SIZE_BYTES comes first
}

TEST(NbdMessages, AnswersAreTakenFromTheMessagesOfTheRequest) {
    const std::uint16_t family = 0x2a;
    const auto found = parse_reply(
        generic(GENL_ID_CTRL, attribute(CTRL_ATTR_FAMILY_ID, &family, 2)), 0, kSequence);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->family, family);
    EXPECT_FALSE(found->error);

    const std::uint32_t index = 3;
    Message both = generic(kFamily, attribute(1, &index, 4));
    const Message end = ack(0);
    both.insert(both.end(), end.begin(), end.end());
    const auto connected = parse_reply(both, kFamily, kSequence);
    ASSERT_TRUE(connected);
    EXPECT_EQ(connected->index, 3u);
    EXPECT_EQ(connected->error, 0);

    EXPECT_EQ(parse_reply(ack(-EBUSY), kFamily, kSequence)->error, EBUSY);
    EXPECT_FALSE(parse_reply(ack(-EBUSY), kFamily, kSequence + 1)->error) << "of another request";
}

TEST(NbdMessages, DamagedAnswersSayNothing) {
    const std::uint32_t index = 3;
    const Message whole = generic(kFamily, attribute(1, &index, 4));
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        const auto reply = parse_reply(base::ConstBytes(whole).first(bytes), kFamily, kSequence);
        EXPECT_FALSE(reply && reply->index) << bytes;
    }
    const std::uint8_t narrow = 3;  // an index of one byte
    EXPECT_FALSE(
        parse_reply(generic(kFamily, attribute(1, &narrow, 1)), kFamily, kSequence)->index);
    EXPECT_FALSE(parse_reply(message(kFamily, {}), kFamily, kSequence)->index);
    EXPECT_FALSE(parse_reply(message(NLMSG_ERROR, {}), kFamily, kSequence)->error);
    Message longer = generic(kFamily, attribute(1, &index, 4));
    longer[sizeof(nlmsghdr) + sizeof(genlmsghdr)] = 200;  // the attribute says so, the message ends
    EXPECT_FALSE(parse_reply(longer, kFamily, kSequence)->index);
}

TEST(NbdDevice, IsRecognisedByItsName) {
    EXPECT_EQ(shim::index_of_nbd("nbd0"), 0u);
    EXPECT_EQ(shim::index_of_nbd("nbd17"), 17u);
    for (const char* other : {"nbd", "nbd0p1", "nbdx", "loop0", "nbd99999999"}) {
        EXPECT_FALSE(shim::index_of_nbd(other)) << other;
    }
}

}  // namespace
