#include "heartbeat/agents/probes.h"

#include "heartbeat/agents/address_guard.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using namespace hb;
using std::chrono::milliseconds;

bool has_word(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(SqlPing, AsksOverTheSocketOrTcpAndReadsNobodysDefaults) {
    const auto local = sql_ping_command({"/run/s", "", 3306, "probe"}, milliseconds(1500));
    EXPECT_EQ(local[1], "--no-defaults");  // the client insists on it in front
    EXPECT_TRUE(has_word(local, "--socket=/run/s"));
    EXPECT_TRUE(has_word(local, "--user=probe"));
    EXPECT_TRUE(has_word(local, "--connect-timeout=2"));
    const auto remote = sql_ping_command({"", "10.0.0.17", 3307, ""}, milliseconds(10));
    EXPECT_TRUE(has_word(remote, "--protocol=tcp"));
    EXPECT_TRUE(has_word(remote, "--host=10.0.0.17"));
    EXPECT_TRUE(has_word(remote, "--port=3307"));
    EXPECT_TRUE(has_word(remote, "--connect-timeout=1"));
}

TEST(AddressGuard, WatchesTheAddressesOfHaresources) {
    config::Haresources resources;
    resources.groups = {{"alpha",
                         {{"IPaddr", {"10.0.0.17/24/eth0"}, ""},
                          {"IPaddr", {"10.0.0.300"}, ""},
                          {"IPaddr2", {}, ""},
                          {"Filesystem", {"10.0.0.1"}, ""}},
                         1},
                        {"bravo", {{"IPv6addr", {"fd00::5/64"}, ""}}, 2}};
    const auto found = service_addresses(resources);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(to_text(found[0]), "10.0.0.17");
    EXPECT_EQ(to_text(found[1]), "fd00::5");
}

}  // namespace
