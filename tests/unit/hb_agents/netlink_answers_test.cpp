#include "heartbeat/agents/address/netlink_answers.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace {

using namespace hb;
using Bytes = std::vector<std::uint8_t>;

constexpr NetlinkQuestion kQuestion{7, 4242};

template <typename T>
Bytes bytes_of(const T& value) {
    Bytes out(sizeof value);
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

void append(Bytes& out, const Bytes& more) {
    out.insert(out.end(), more.begin(), more.end());
    out.resize((out.size() + 3) / 4 * 4);
}

Bytes attribute(std::uint16_t type, const Bytes& value) {
    const nlattr head{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type};
    Bytes out = bytes_of(head);
    append(out, value);
    return out;
}

Bytes message(std::uint16_t type, const Bytes& body, std::uint16_t flags = NLM_F_MULTI) {
    const nlmsghdr head{static_cast<std::uint32_t>(sizeof(nlmsghdr) + body.size()),
                        type,
                        flags,
                        kQuestion.sequence,
                        kQuestion.port};
    Bytes out = bytes_of(head);
    append(out, body);
    return out;
}

Bytes address(const std::vector<Bytes>& attributes,
              unsigned prefix = 24,
              unsigned family = AF_INET) {
    ifaddrmsg head{};
    head.ifa_family = static_cast<std::uint8_t>(family);
    head.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
    head.ifa_index = 3;
    Bytes body = bytes_of(head);
    for (const Bytes& one : attributes) {
        append(body, one);
    }
    return message(RTM_NEWADDR, body);
}

Bytes route(const std::vector<Bytes>& attributes, unsigned prefix, unsigned type = RTN_UNICAST) {
    rtmsg head{};
    head.rtm_family = AF_INET;
    head.rtm_dst_len = static_cast<std::uint8_t>(prefix);
    head.rtm_type = static_cast<std::uint8_t>(type);
    Bytes body = bytes_of(head);
    for (const Bytes& one : attributes) {
        append(body, one);
    }
    return message(RTM_NEWROUTE, body);
}

Bytes done() {
    return message(NLMSG_DONE, bytes_of(std::int32_t{0}));
}

NetlinkAnswer taken(const std::vector<Bytes>& datagrams) {
    NetlinkAnswer answer;
    for (const Bytes& datagram : datagrams) {
        take_netlink_answer(datagram, kQuestion, answer);
    }
    return answer;
}

const Bytes kLocal = {10, 0, 0, 17};
const Bytes kPartner = {10, 0, 0, 18};

TEST(NetlinkAnswers, AnAddressIsOursAndNotThePartnersOfTheLink) {
    for (const bool local_first : {true, false}) {
        std::vector<Bytes> attributes = {attribute(IFA_LOCAL, kLocal),
                                         attribute(IFA_ADDRESS, kPartner)};
        if (!local_first) {
            std::swap(attributes[0], attributes[1]);
        }
        attributes.push_back(attribute(IFA_LABEL, {'e', 't', 'h', '0', ':', '1', 0}));
        const NetlinkAnswer answer = taken({address(attributes), done()});
        ASSERT_EQ(answer.addresses.size(), 1U);
        EXPECT_EQ(to_text(answer.addresses[0].ip), "10.0.0.17");
        EXPECT_EQ(answer.addresses[0].prefix, 24U);
        EXPECT_EQ(answer.addresses[0].interface_index, 3U);
        EXPECT_EQ(answer.addresses[0].label, "eth0:1");
        EXPECT_TRUE(answer.ended);
        EXPECT_EQ(answer.error, 0);
    }
}

TEST(NetlinkAnswers, RoutesAreThoseThatLeadSomewhere) {
    const Bytes out = attribute(RTA_OIF, bytes_of(std::uint32_t{5}));
    const NetlinkAnswer answer =
        taken({route({attribute(RTA_DST, {10, 0, 0, 0}), out}, 24),
               route({out}, 0),
               route({attribute(RTA_DST, {10, 1, 0, 0})}, 16),                      // nowhere
               route({out}, 16),                                                    // of no network
               route({attribute(RTA_DST, {10, 2, 0, 0}), out}, 16, RTN_BLACKHOLE),  //
               done()});
    ASSERT_EQ(answer.routes.size(), 2U);
    EXPECT_EQ(to_text(answer.routes[0].network), "10.0.0.0");
    EXPECT_EQ(answer.routes[0].interface_index, 5U);
    EXPECT_EQ(answer.routes[1].prefix, 0U);
}

TEST(NetlinkAnswers, TheKernelsRefusalIsItsErrno) {
    const NetlinkAnswer refused = taken({message(NLMSG_ERROR, bytes_of(std::int32_t{-EPERM}), 0)});
    EXPECT_TRUE(refused.ended);
    EXPECT_EQ(refused.error, EPERM);
    EXPECT_EQ(taken({message(NLMSG_ERROR, bytes_of(std::int32_t{0}), 0)}).error, 0);
    EXPECT_EQ(taken({message(NLMSG_ERROR, {1, 2}, 0)}).error, EPROTO);
    EXPECT_EQ(taken({message(NLMSG_ERROR, bytes_of(std::int32_t{17}), 0)}).error, EPROTO);
}

// Otherwise the rest of the list is taken for the answer to the next question.
TEST(NetlinkAnswers, AListThatChangesIsReadToItsEnd) {
    Bytes changed = address({attribute(IFA_LOCAL, kLocal)});
    changed[offsetof(nlmsghdr, nlmsg_flags)] |= NLM_F_DUMP_INTR;
    NetlinkAnswer answer = taken({changed});
    EXPECT_FALSE(answer.ended);
    answer = taken({changed, done()});
    EXPECT_TRUE(answer.ended);
    EXPECT_EQ(answer.error, EINTR);
}

TEST(NetlinkAnswers, WhatAnswersAnotherQuestionIsLeftOut) {
    Bytes other = address({attribute(IFA_LOCAL, kLocal)});
    other[offsetof(nlmsghdr, nlmsg_seq)] = 6;
    Bytes others = done();
    others[offsetof(nlmsghdr, nlmsg_pid)] ^= 1;
    const NetlinkAnswer answer = taken({other, others});
    EXPECT_TRUE(answer.addresses.empty());
    EXPECT_FALSE(answer.ended);
}

TEST(NetlinkAnswers, NothingIsTakenThatDoesNotFit) {
    const Bytes local = attribute(IFA_LOCAL, kLocal);
    EXPECT_TRUE(taken({address({local}, 33), done()}).addresses.empty());
    EXPECT_TRUE(taken({address({local}, 64, AF_INET6), done()}).addresses.empty());
    EXPECT_TRUE(taken({address({local}, 24, AF_PACKET), done()}).addresses.empty());
    EXPECT_TRUE(taken({address({attribute(IFA_LOCAL, {10, 0})}), done()}).addresses.empty());
    EXPECT_TRUE(taken({address({}), done()}).addresses.empty());
    EXPECT_TRUE(taken({message(RTM_NEWADDR, {2}), done()}).addresses.empty());
    // A label without an end is as long as its attribute.
    EXPECT_EQ(taken({address({local, attribute(IFA_LABEL, {'e', 't', 'h', '0'})}), done()})
                  .addresses.at(0)
                  .label,
              "eth0");
    Bytes longer = address({local});
    longer[sizeof(nlmsghdr) + sizeof(ifaddrmsg)] = 200;  // the attribute goes beyond its message
    EXPECT_TRUE(taken({longer, done()}).addresses.empty());
}

TEST(NetlinkAnswers, WhatIsCutEndsTheAnswer) {
    const Bytes whole = address({attribute(IFA_LOCAL, kLocal)});
    for (std::size_t size = 1; size < whole.size(); ++size) {
        const NetlinkAnswer answer =
            taken({Bytes(whole.begin(), whole.begin() + static_cast<long>(size))});
        EXPECT_TRUE(answer.ended) << size;
        EXPECT_EQ(answer.error, EPROTO) << size;
        EXPECT_TRUE(answer.addresses.empty()) << size;
    }
    Bytes without_end = done();
    without_end[0] = 0;  // a message of no length would be met again and again
    EXPECT_EQ(taken({without_end}).error, EPROTO);
}

}  // namespace
