// Files that were in use with the original, and those that people start from.
#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace {

using namespace std::chrono_literals;

// The configurations of the captures: a real Heartbeat 3.0.6 ran with each of them.
class Captures : public testing::TestWithParam<const char*> {};

TEST_P(Captures, AreAccepted) {
    for (const std::string node : {"node-a", "node-b"}) {
        const std::string base = "tests/vectors/heartbeat/" + std::string(GetParam()) + "/" + node;
        const auto conf = config::parse_ha_cf("ha.cf", file_text(base + ".ha.cf"));
        ASSERT_EQ(joined(conf.findings.errors), "");
        EXPECT_EQ(joined(config::check_ha_cf("ha.cf", conf.value, node).errors), "");
        EXPECT_EQ(conf.value.deadtime, 2100ms);
        EXPECT_EQ(conf.value.warntime, 1500ms);
        EXPECT_FALSE(conf.value.media.empty());

        const auto keys = config::parse_authkeys("authkeys", file_text(base + ".authkeys"), 0600);
        EXPECT_EQ(joined(keys.findings.errors), "");

        const auto resources =
            config::parse_haresources("haresources", file_text(base + ".haresources"));
        ASSERT_EQ(joined(resources.findings.errors), "");
        EXPECT_EQ(resources.value.groups.at(0).key(), "IPaddr::10.77.0.100/24/eth0:1");
        EXPECT_TRUE(config::check_haresources("haresources", resources.value, conf.value).ok());
    }
}

INSTANTIATE_TEST_SUITE_P(All,
                         Captures,
                         testing::Values("bcast",
                                         "classic-crc-partition",
                                         "classic-md5-failback-off",
                                         "classic-sha1-failback-on",
                                         "ipfail",
                                         "lone-start",
                                         "mcast",
                                         "netstring-md5"),
                         [](const auto& capture) {
                             std::string name = capture.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

// What we ship, read as the two nodes would.
TEST(Samples, AreAPairForMySql) {
    const auto conf = config::parse_ha_cf("ha.cf", file_text("conf/ha.d/ha.cf"));
    ASSERT_EQ(joined(conf.findings.errors) + joined(conf.findings.warnings), "");
    for (const char* node : {"alice", "bob"}) {
        const auto checked = config::check_ha_cf("ha.cf", conf.value, node);
        EXPECT_EQ(joined(checked.errors), "");
        // A second cable is for the administrator to lay; until then each start says so.
        EXPECT_EQ(joined(checked.warnings),
                  "ha.cf: only one heartbeat path (eth1): its failure alone makes both nodes "
                  "active\n");
    }
    // The heartbeat link alone: who is in the clients' network has no business with this port.
    EXPECT_EQ(conf.value.media.size(), 2u);
    for (const config::HaMedium& medium : conf.value.media) {
        EXPECT_EQ(config::link_name(medium), "eth1");
    }
    EXPECT_EQ(conf.value.pings.size(), 1u);

    const auto resources =
        config::parse_haresources("haresources", file_text("conf/ha.d/haresources"));
    ASSERT_EQ(joined(resources.findings.errors) + joined(resources.findings.warnings), "");
    ASSERT_EQ(resources.value.groups.size(), 1u);
    EXPECT_EQ(resources.value.groups[0].words.size(), 4u);
    EXPECT_TRUE(config::check_haresources("haresources", resources.value, conf.value).ok());

    // It is to be edited before use: nobody's cluster is to have a key that everybody knows.
    std::string keys_text = file_text("conf/ha.d/authkeys");
    const auto as_shipped = config::parse_authkeys("authkeys", keys_text, 0600);
    EXPECT_NE(joined(as_shipped.findings.errors).find("the key of the sample"), std::string::npos);
    const std::string sample(config::kSampleKey);
    keys_text.replace(keys_text.rfind(sample), sample.size(), "our-own");
    const auto keys = config::parse_authkeys("authkeys", keys_text, 0600);
    EXPECT_EQ(joined(keys.findings.errors) + joined(keys.findings.warnings), "");

    const auto policy =
        config::parse_ha_policy("ha_policy.cf", file_text("conf/ha.d/ha_policy.cf"));
    ASSERT_EQ(joined(policy.findings.errors), "");
    EXPECT_EQ(policy.value.monitors.size(), 2u);
    EXPECT_EQ(
        joined(config::check_ha_policy("ha_policy.cf", policy.value, conf.value, resources.value)
                   .errors),
        "");
}

// A line that is commented out must be right as well: people take the sign away.
TEST(Samples, AreRightWithTheirAlternatives) {
    const auto uncommented = [](const std::string& path, const std::string& directives) {
        std::stringstream lines(file_text(path));
        std::string text;
        for (std::string line; std::getline(lines, line);) {
            std::stringstream words(line.substr(std::min<std::size_t>(2, line.size())));
            std::string first;
            words >> first;
            const bool option = line.starts_with("# ") && !first.empty() &&
                                directives.find(" " + first + " ") != std::string::npos;
            text += (option ? line.substr(2) : "") + "\n";
        }
        return text;
    };
    const std::string ha = uncommented(
        "conf/ha.d/ha.cf", " logfile debugfile baud serial ucast stonith_host watchdog ");
    EXPECT_EQ(ha_cf_errors(ha), "");
    EXPECT_EQ(ha_cf(ha).stonith.size(), 2u);
    EXPECT_EQ(ha_cf(ha).watchdog, "/dev/watchdog");
    const auto policy = config::parse_ha_policy(
        "p",
        uncommented("conf/ha.d/ha_policy.cf", " takeover_delay takeover disk_heartbeat alarm "));
    EXPECT_EQ(joined(policy.findings.errors), "");
    EXPECT_EQ(policy.value.takeover, config::Takeover::Manual);
    EXPECT_TRUE(policy.value.disk_heartbeat.has_value());
    EXPECT_EQ(policy.value.alarms.commands.size(), 1u);
}

}  // namespace
