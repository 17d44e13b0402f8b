// The small pure parts: names, numbers, lists.
#include "heartbeat/runtime/client_programs.h"
#include "heartbeat/runtime/packet_counters.h"
#include "heartbeat/runtime/rc_scripts.h"
#include "heartbeat/runtime/storage.h"
#include "heartbeat/runtime/udp_sockets.h"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

class Lines : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { lines.emplace_back(line); }

    std::vector<std::string> lines;
};

TEST(RcScript, NameIsTheTypeInLowerCase) {
    EXPECT_EQ(hb::rc_script_name("HB_Event-1"), "hb_event-1");
}

TEST(RcScript, NameNeverLeavesTheDirectory) {
    for (const char* type : {"../../bin/sh", "a/b", "", "a b", "a\nb", "."}) {
        EXPECT_EQ(hb::rc_script_name(type), "") << type;
    }
    EXPECT_EQ(hb::rc_script_name(std::string(65, 'a')), "");
}

TEST(Storage, ResourcesAreThoseOfDrbddiskEachOnce) {
    const auto parsed = config::parse_haresources(
        "haresources",
        "alice drbddisk::r0 10.0.0.1\nbob drbddisk::r1 drbddisk::r0 Filesystem::/dev/drbd1::/d\n");
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(hb::replicated_resources(parsed.value), (std::vector<std::string>{"r0", "r1"}));
}

TEST(Storage, DrbddiskWithoutANameIsAllOfThem) {
    const auto parsed =
        config::parse_haresources("haresources", "alice drbddisk::r0\nbob drbddisk\n");
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(hb::replicated_resources(parsed.value), (std::vector<std::string>{"all"}));
}

TEST(Client, IsKnownByItsProgram) {
    EXPECT_EQ(hb::client_name("/usr/lib/heartbeat/ipfail -d x/y"), "ipfail");
    EXPECT_EQ(hb::client_name("plain"), "plain");
}

TEST(Client, RunsAsItsUserAndEndsWithUs) {
    const auto argv = hb::client_argv({"nobody", "/bin/client arg", false});
    ASSERT_TRUE(argv);
    EXPECT_EQ(argv->front(), "setpriv");
    EXPECT_EQ(argv->back(), "exec /bin/client arg");
    EXPECT_FALSE(hb::client_argv({"no-such-user", "/bin/true", false}));
}

TEST(UdpMedium, IsDescribedAsItIsConfigured) {
    EXPECT_EQ(hb::description_of(config::HaUcast{"eth1", "10.0.0.2", 694, false}),
              "ucast eth1 10.0.0.2:694");
    EXPECT_EQ(hb::description_of(config::HaMcast{"eth1", "ff02::1:2", 700, 1, false, true}),
              "mcast6 eth1 ff02::1:2:700");
    EXPECT_EQ(hb::description_of(config::HaBcast{"eth0", 694}), "bcast eth0:694");
}

TEST(PacketCounters, CountByReason) {
    Lines log;
    hb::PacketCounters counters(true, log);
    counters.received();
    counters.refused("eth1", {base::ErrorCode::Permission, "wrong digest"}, 0ms);
    counters.refused("eth1", {base::ErrorCode::Invalid, "no field t"}, 0ms);
    const auto all = counters.counters();
    EXPECT_EQ(all.at("received"), 1u);
    EXPECT_EQ(all.at("bad_signatures"), 1u);
    EXPECT_EQ(all.at("malformed"), 1u);
    EXPECT_EQ(all.at("too_big"), 0u);
}

TEST(PacketCounters, LogEachReasonOnceAMinute) {
    Lines log;
    hb::PacketCounters counters(true, log);
    for (int i = 0; i < 1000; ++i) {
        counters.refused("eth1", {base::ErrorCode::Permission, "wrong digest"}, 10ms * i);
    }
    EXPECT_EQ(log.lines.size(), 1u);
    counters.refused("eth1", {base::ErrorCode::Permission, "wrong digest"}, 61s);
    ASSERT_EQ(log.lines.size(), 2u);
    EXPECT_NE(log.lines[1].find("999 more"), std::string::npos);
}

TEST(PacketCounters, AreSilentWithoutLogBadpack) {
    Lines log;
    hb::PacketCounters counters(false, log);
    counters.refused("eth1", {base::ErrorCode::Invalid, "x"}, 0ms);
    EXPECT_TRUE(log.lines.empty());
}

}  // namespace
