// What a UDP port reads when strangers flood it: by a clock of the test's own, and by a real
// socket.
#include "heartbeat/runtime/flood_gate.h"

#include "heartbeat/runtime/source_filter.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using hb::FloodGate;
using hb::SourceAddress;
using namespace std::chrono_literals;

SourceAddress address(const std::string& text) {
    sockaddr_storage storage{};
    if (text.find(':') != text.npos) {
        auto& six = reinterpret_cast<sockaddr_in6&>(storage);
        six.sin6_family = AF_INET6;
        EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1);
    } else {
        auto& four = reinterpret_cast<sockaddr_in&>(storage);
        four.sin_family = AF_INET;
        EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &four.sin_addr), 1);
    }
    return hb::source_of(storage);
}

void flood(FloodGate& gate, int times, FloodGate::Time now) {
    for (int i = 0; i < times; ++i) {
        gate.note(address("10.0.0.66"), false, 200, now);
    }
}

TEST(FloodGate, ClosesForStrangersAndOpensAgain) {
    FloodGate gate;
    gate.expect(address("10.0.0.2"));
    flood(gate, 999, 1000ms);
    EXPECT_TRUE(gate.only(1000ms).empty());
    flood(gate, 1, 1001ms);
    ASSERT_EQ(gate.only(1001ms).size(), 1u);
    const SourceAddress peer = address("10.0.0.2");
    EXPECT_EQ(std::memcmp(&gate.only(1001ms).front(), &peer, sizeof peer), 0);
    EXPECT_EQ(gate.only(11'000ms).size(), 1u);
    EXPECT_TRUE(gate.only(11'001ms).empty());
    flood(gate, 999, 11'002ms);
    EXPECT_TRUE(gate.only(11'003ms).empty());
}

TEST(FloodGate, AFewOfThemAreNoFlood) {
    FloodGate gate;
    gate.expect(address("10.0.0.2"));
    for (auto now = 1000ms; now < 60s; now += 1000ms) {
        flood(gate, 900, now);
        EXPECT_TRUE(gate.only(now).empty());
        EXPECT_EQ(gate.pause(now), 0ms);
    }
}

// Broadcasts: who is ours is known by the signature alone.
TEST(FloodGate, KnowsOursByTheirSignature) {
    FloodGate gate;
    flood(gate, 2000, 1000ms);
    EXPECT_TRUE(gate.only(1000ms).empty());  // nobody would be heard
    gate.note(address("10.0.0.2"), true, 200, 3000ms);
    gate.note(address("fd00::2"), true, 200, 3000ms);
    flood(gate, 1000, 3000ms);
    EXPECT_EQ(gate.only(3000ms).size(), 2u);
}

TEST(FloodGate, HoweverMuchComesLittleIsRead) {
    FloodGate gate;
    int read = 0;
    for (auto now = 1000ms; now < 11'000ms; now += 1ms) {
        while (gate.pause(now) == 0ms) {
            gate.note(address("10.0.0.66"), false, 64, now);
            ++read;
        }
    }
    EXPECT_LT(read, 60'000);  // in ten seconds
    EXPECT_GT(read, 40'000);
    int large = 0;
    for (auto now = 21'000ms; now < 31'000ms; now += 1ms) {
        while (gate.pause(now) == 0ms) {
            gate.note(address("10.0.0.66"), false, 60'000, now);
            ++large;
        }
    }
    EXPECT_LT(large, 600);
}

// A socket on the loopback interface, and what it takes in of datagrams from each address.
class SourceFilter : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        v6 = GetParam();
        sockaddr_storage at = place(v6 ? "::1" : "127.0.0.1");
        receiver = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (receiver < 0 || bind(receiver, reinterpret_cast<sockaddr*>(&at), length()) != 0) {
            GTEST_SKIP() << "no such address family here";
        }
        socklen_t size = sizeof bound;
        ASSERT_EQ(getsockname(receiver, reinterpret_cast<sockaddr*>(&bound), &size), 0);
    }

    void TearDown() override { close(receiver); }

    static sockaddr_storage place(const std::string& text) {
        sockaddr_storage storage{};
        if (text.find(':') != text.npos) {
            auto& six = reinterpret_cast<sockaddr_in6&>(storage);
            six.sin6_family = AF_INET6;
            inet_pton(AF_INET6, text.c_str(), &six.sin6_addr);
        } else {
            auto& four = reinterpret_cast<sockaddr_in&>(storage);
            four.sin_family = AF_INET;
            inet_pton(AF_INET, text.c_str(), &four.sin_addr);
        }
        return storage;
    }

    socklen_t length() const { return v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

    bool hears(const std::string& from) {
        sockaddr_storage at = place(from);
        const int sender = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(bind(sender, reinterpret_cast<sockaddr*>(&at), length()), 0);
        EXPECT_EQ(sendto(sender, "x", 1, 0, reinterpret_cast<sockaddr*>(&bound), length()), 1);
        close(sender);
        std::array<char, 8> bytes{};
        return recv(receiver, bytes.data(), bytes.size(), MSG_DONTWAIT) == 1;
    }

    bool v6 = false;
    int receiver = -1;
    sockaddr_storage bound{};
};

TEST_P(SourceFilter, LetsOnlyTheseIn) {
    const std::string own = v6 ? "::1" : "127.0.0.1";
    EXPECT_TRUE(hears(own));
    ASSERT_TRUE(hb::filter_sources(receiver, v6, {address(v6 ? "fd00::7" : "127.0.0.7")}));
    EXPECT_FALSE(hears(own));
    ASSERT_TRUE(
        hb::filter_sources(receiver, v6, {address(v6 ? "fd00::7" : "127.0.0.7"), address(own)}));
    EXPECT_TRUE(hears(own));
    if (!v6) {
        EXPECT_FALSE(hears("127.0.0.9"));
    }
    ASSERT_TRUE(hb::filter_sources(receiver, v6, {}));
    EXPECT_TRUE(hears(own));
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, SourceFilter, testing::Bool());

}  // namespace
