#include "heartbeat/agents/address/address_agent.h"

#include <gtest/gtest.h>

namespace {

using namespace hb;

const MacAddress kMac = {0x02, 0x42, 0xac, 0x11, 0x00, 0x02};

IpAddress ip(const std::string& text) {
    return parse_ip(text).value();
}

AddressSpec spec_of(const std::string& word) {
    return parse_address(word).value();
}

TEST(AddressSpec, TakesAllPartsOfTheWord) {
    const AddressSpec spec = spec_of("10.0.0.17/24/eth0:1/10.0.0.127");
    EXPECT_EQ(to_text(spec.ip), "10.0.0.17");
    EXPECT_EQ(spec.prefix, 24U);
    EXPECT_EQ(spec.interface, "eth0");
    EXPECT_EQ(spec.label, "1");
    EXPECT_EQ(to_text(spec.broadcast.value()), "10.0.0.127");
}

TEST(AddressSpec, ThirdPartThatBeginsWithADigitIsTheBroadcast) {
    const AddressSpec spec = spec_of("10.0.0.17/255.255.255.0/10.0.0.255");
    EXPECT_EQ(spec.prefix, 24U);
    EXPECT_EQ(spec.interface, "");
    EXPECT_EQ(to_text(spec.broadcast.value()), "10.0.0.255");
}

TEST(AddressSpec, LeavesOpenWhatIsNotWritten) {
    const AddressSpec spec = spec_of("10.0.0.17");
    EXPECT_FALSE(spec.prefix);
    EXPECT_FALSE(spec.broadcast);
    EXPECT_EQ(spec.interface + spec.label, "");
    EXPECT_EQ(spec_of("fd00::5/64/eth1").interface, "eth1");
}

TEST(AddressSpec, NamesThePartThatIsWrong) {
    for (const char* word : {"192.268.149.17",
                             "10.0.0.17/33",
                             "10.0.0.17/255.0.255.0",
                             "10.0.0.17/24/eth0/10.0.0.999",
                             "10.0.0.17/24/:1",
                             "10.0.0.17/24/an-interface-with-a-long-name",
                             "10.0.0.17/24/eth0/10.0.0.255/x",
                             "fd00::5/129",
                             ""}) {
        EXPECT_FALSE(parse_address(word)) << word;
    }
    EXPECT_NE(parse_address("10.0.0.17/33").error().text.find("33"), std::string::npos);
    EXPECT_FALSE(parse_announcement("10.0.0.17"));
    EXPECT_EQ(parse_announcement("10.0.0.17/eth0").value().interface, "eth0");
}

TEST(AddressSpec, BroadcastHasAllBitsBehindThePrefix) {
    EXPECT_EQ(to_text(broadcast_of(ip("10.0.0.17"), 24)), "10.0.0.255");
    EXPECT_EQ(to_text(broadcast_of(ip("124.42.61.106"), 27)), "124.42.61.127");
    EXPECT_EQ(to_text(broadcast_of(ip("10.0.0.17"), 32)), "10.0.0.17");
}

TEST(LinkPackets, GratuitousArpHasTheLayoutOfTheOriginal) {
    const Frame request = arp_announce_request(ip("10.0.0.17"), kMac);
    const Frame wanted = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x42, 0xac, 0x11, 0x00,
                          0x02, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
                          0x02, 0x42, 0xac, 0x11, 0x00, 0x02, 10,   0,    0,    17,   0,
                          0,    0,    0,    0,    0,    10,   0,    0,    17};
    EXPECT_EQ(request, wanted);
    Frame reply = wanted;
    reply[21] = 2;
    std::copy(kMac.begin(), kMac.end(), reply.begin() + 32);
    EXPECT_EQ(arp_announce_reply(ip("10.0.0.17"), kMac), reply);
}

TEST(LinkPackets, ProbeClaimsNothing) {
    const Frame probe = arp_probe(ip("10.0.0.17"), kMac);
    EXPECT_EQ(Frame(probe.begin() + 28, probe.begin() + 32), Frame(4, 0));
    EXPECT_FALSE(claim_in(probe));
    EXPECT_FALSE(claim_in(neighbour_probe(ip("fd00::5"), kMac)));
}

TEST(LinkPackets, AdvertisementIsForAllNodesAndOverrides) {
    const Frame frame = neighbour_advertisement(ip("fd00::5"), kMac);
    ASSERT_EQ(frame.size(), 14U + 40U + 32U);
    EXPECT_EQ(Frame(frame.begin(), frame.begin() + 6), (Frame{0x33, 0x33, 0, 0, 0, 1}));
    EXPECT_EQ(frame[14 + 7], 255);
    EXPECT_EQ(frame[54], 136);
    EXPECT_EQ(frame[58], 0x20);
    EXPECT_EQ(frame[78], 2);
    // The sum over the packet and its pseudo header, checksum included, is all ones.
    std::uint32_t sum = 58 + 32;
    for (std::size_t at = 14 + 8; at < frame.size(); at += 2) {
        sum += static_cast<std::uint32_t>(frame[at] << 8 | frame[at + 1]);
    }
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffU);
}

TEST(LinkPackets, SolicitationGoesToTheGroupOfTheAddress) {
    const Frame frame = neighbour_probe(ip("fd00::1:2:3"), kMac);
    EXPECT_EQ(Frame(frame.begin(), frame.begin() + 6), (Frame{0x33, 0x33, 0xff, 2, 0, 3}));
    EXPECT_EQ(frame.size(), 14U + 40U + 24U);  // without option, as its source is unspecified
}

TEST(LinkPackets, ClaimsAreReadBack) {
    const AddressClaim wanted{ip("10.0.0.17"), kMac};
    EXPECT_EQ(claim_in(arp_announce_request(wanted.ip, kMac)), wanted);
    EXPECT_EQ(claim_in(arp_announce_reply(wanted.ip, kMac)), wanted);
    const AddressClaim wanted6{ip("fd00::5"), kMac};
    EXPECT_EQ(claim_in(neighbour_advertisement(wanted6.ip, kMac)), wanted6);
}

TEST(LinkPackets, ShortAndForeignFramesClaimNothing) {
    for (const Frame& whole : {arp_announce_reply(ip("10.0.0.17"), kMac),
                               neighbour_advertisement(ip("fd00::5"), kMac)}) {
        const std::size_t needed = whole[12] == 0x08 ? whole.size() : 14 + 40 + 24;
        for (std::size_t size = 0; size < needed; ++size) {
            EXPECT_FALSE(claim_in(std::span(whole).first(size))) << size;
        }
        Frame other = whole;
        other[13] = 0x99;
        EXPECT_FALSE(claim_in(other));
    }
    Frame routed = neighbour_advertisement(ip("fd00::5"), kMac);
    routed[14 + 7] = 64;
    EXPECT_FALSE(claim_in(routed));
}

TEST(AddressAgent, UnderstandsItsArguments) {
    const auto command =
        parse_address_command("IPaddr", {"10.0.0.17/24/eth0", "refuse", "start"}).value();
    EXPECT_TRUE(command.refuse_duplicate);
    EXPECT_EQ(command.operation, "start");
    EXPECT_FALSE(
        parse_address_command("IPaddr", {"10.0.0.17", "force", "stop"}).value().refuse_duplicate);
    EXPECT_FALSE(parse_address_command("IPaddr", {"10.0.0.17"}));
    EXPECT_FALSE(parse_address_command("IPaddr", {"10.0.0.17", "restart"}));
    EXPECT_FALSE(parse_address_command("IPaddr", {"10.0.0.17", "maybe", "start"}));
    EXPECT_FALSE(parse_address_command("IPaddr", {"fd00::5", "start"}));
    EXPECT_FALSE(parse_address_command("IPv6addr", {"10.0.0.17", "start"}));
    EXPECT_FALSE(parse_address_command("SendArp", {"10.0.0.17", "start"}));
    EXPECT_FALSE(parse_address_command("Filesystem", {"10.0.0.17", "start"}));
}

HeldAddress place(const std::string& agent,
                  const std::string& word,
                  const std::vector<HeldAddress>& held,
                  const std::vector<Route>& routes) {
    const auto command = parse_address_command(agent, {word, "start"}).value();
    return place_address(command, held, routes).value();
}

TEST(AddressAgent, HonoursTheLabelThatIsAskedFor) {
    EXPECT_EQ(place("IPaddr", "10.0.0.17/24/eth0:7", {}, {}).label, "eth0:7");
    EXPECT_EQ(place("IPaddr2", "10.0.0.17/24/eth0:7", {}, {}).label, "eth0:7");
}

TEST(AddressAgent, ChoosesTheFirstFreeLabelOnlyForIPaddr) {
    const std::vector<HeldAddress> held = {{ip("10.0.0.5"), 24, 2, "eth0", "eth0"},
                                           {ip("10.0.0.6"), 24, 2, "eth0", "eth0:0"},
                                           {ip("10.0.0.7"), 24, 2, "eth0", "eth0:2"}};
    EXPECT_EQ(place("IPaddr", "10.0.0.17/24/eth0", held, {}).label, "eth0:1");
    EXPECT_EQ(place("IPaddr2", "10.0.0.17/24/eth0", held, {}).label, "");
}

TEST(AddressAgent, TakesMaskFromTheMostSpecificRoute) {
    const std::vector<Route> routes = {{ip("0.0.0.0"), 0, 1},
                                       {ip("10.0.0.0"), 8, 1},
                                       {ip("10.0.0.0"), 24, 1},
                                       {ip("10.0.1.0"), 25, 1}};
    EXPECT_EQ(place("IPaddr2", "10.0.0.17", {}, routes).prefix, 24U);
    EXPECT_EQ(place("IPaddr2", "10.9.0.17", {}, routes).prefix, 8U);
    // Over the default route only, nothing is known about the address's own network.
    EXPECT_EQ(place("IPaddr2", "192.0.2.1", {}, routes).prefix, 32U);
}

TEST(AddressAgent, RefusesAnAddressThatNoRouteLeadsTo) {
    const auto command = parse_address_command("IPaddr", {"10.0.0.17", "start"}).value();
    const auto placed = place_address(command, {}, {});
    ASSERT_FALSE(placed);
    EXPECT_NE(placed.error().text.find("10.0.0.17"), std::string::npos);
}

TEST(Announcer, AlternatesRequestAndReply) {
    EXPECT_EQ(announcement(ip("10.0.0.17"), kMac, 0)[21], 1);
    EXPECT_EQ(announcement(ip("10.0.0.17"), kMac, 1)[21], 2);
    EXPECT_EQ(announcement(ip("10.0.0.17"), kMac, 2)[21], 1);
    EXPECT_EQ(plan_of(AddressAgent::IPaddr).packets * plan_of(AddressAgent::IPaddr).step,
              std::chrono::seconds(5));
}

}  // namespace
