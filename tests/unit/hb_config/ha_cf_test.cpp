#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;

TEST(HaTime, KnowsItsUnits) {
    EXPECT_EQ(config::parse_ha_time("2"), 2000ms);
    EXPECT_EQ(config::parse_ha_time("1.5"), 1500ms);
    EXPECT_EQ(config::parse_ha_time(".25"), 250ms);
    EXPECT_EQ(config::parse_ha_time("2100ms"), 2100ms);
    EXPECT_EQ(config::parse_ha_time("2100msec"), 2100ms);
    EXPECT_EQ(config::parse_ha_time("1500us"), 2ms);  // rounded
    EXPECT_EQ(config::parse_ha_time("1400usec"), 1ms);
    EXPECT_EQ(config::parse_ha_time("0"), 0ms);
}

TEST(HaTime, RefusesEverythingElse) {
    for (const char* word : {"",
                             "s",
                             "2s",
                             "2 ",
                             "-1",
                             "+1",
                             "1.2.3",
                             ".",
                             "ms",
                             "1e3",
                             "1m",
                             "0x10",
                             "9999999999",
                             "99999999999999999999999"}) {
        EXPECT_FALSE(config::parse_ha_time(word).has_value()) << word;
    }
}

TEST(HaBool, KnowsTheTenWordsInAnyCase) {
    for (const char* word : {"true", "on", "yes", "y", "1", "ON", "Yes"}) {
        EXPECT_EQ(config::parse_ha_bool(word), true) << word;
    }
    for (const char* word : {"false", "off", "no", "n", "0", "OFF", "No"}) {
        EXPECT_EQ(config::parse_ha_bool(word), false) << word;
    }
    EXPECT_FALSE(config::parse_ha_bool("legacy").has_value());
}

TEST(HaCf, HasTheOriginalsDefaults) {
    const config::HaCf conf = ha_cf("");
    EXPECT_EQ(conf.keepalive, 1000ms);
    EXPECT_EQ(conf.deadtime, 30000ms);
    EXPECT_EQ(conf.warntime, 15000ms);
    EXPECT_EQ(conf.initdead, 30000ms);
    EXPECT_EQ(conf.deadping, 30000ms);
    EXPECT_EQ(conf.udpport, 694);
    EXPECT_EQ(conf.baud, 19200u);
    EXPECT_EQ(conf.hopfudge, 1);
    EXPECT_EQ(conf.auto_failback, config::AutoFailback::Legacy);
    EXPECT_EQ(conf.msgfmt, config::MsgFmt::Classic);
    EXPECT_EQ(conf.max_rexmit_delay, 250ms);
    EXPECT_EQ(conf.cluster, "linux-ha");
    EXPECT_TRUE(conf.realtime);
}

TEST(HaCf, DerivesInitdeadFromDeadtime) {
    EXPECT_EQ(ha_cf("deadtime 5").initdead, 12s);
    EXPECT_EQ(ha_cf("deadtime 6").initdead, 12s);
    EXPECT_EQ(ha_cf("deadtime 9").initdead, 18s);
    EXPECT_EQ(ha_cf("deadtime 10").initdead, 20s);
    EXPECT_EQ(ha_cf("deadtime 11").initdead, 11s);
    EXPECT_EQ(ha_cf("initdead 40\ndeadtime 11").initdead, 40s);
    EXPECT_EQ(ha_cf("deadtime 8").warntime, 4s);
    EXPECT_EQ(ha_cf("deadtime 8").deadping, 8s);
}

TEST(HaCf, IgnoresCommentsAlsoInsideValuesAndLineEnds) {
    const config::HaCf conf = ha_cf("# all\r\n  keepalive 3 # three\r\n\ncluster a#b\nnode x#y\n");
    EXPECT_EQ(conf.keepalive, 3s);
    EXPECT_EQ(conf.cluster, "a");
    EXPECT_EQ(conf.nodes, std::vector<std::string>{"x"});
}

TEST(HaCf, TakesTheWordsOfAListOneByOne) {
    const config::HaCf conf = ha_cf("node Alpha,beta\tgamma\nnode delta\nkeepalive 1 2\n");
    EXPECT_EQ(conf.nodes, (std::vector<std::string>{"alpha", "beta", "gamma", "delta"}));
    EXPECT_EQ(conf.keepalive, 2s);
    EXPECT_EQ(conf.parameters.at("keepalive"), "2");
}

TEST(HaCf, DoesNotJoinLines) {
    EXPECT_EQ(ha_cf_errors("node a \\\nb\n"), "ha.cf:2: unknown directive 'b'\n");
}

TEST(HaCf, IsCaseSensitiveAboutDirectives) {
    EXPECT_EQ(ha_cf_errors("\nKeepalive 2\n"), "ha.cf:2: unknown directive 'Keepalive'\n");
}

TEST(HaCf, NamesEveryErrorOfTheFile) {
    EXPECT_EQ(ha_cf_errors("keepalive x\nnosuch 1\ndeadtime 0\nmsgfmt text\nhopfudge 256\n"),
              "ha.cf:1: keepalive 'x' is no time: seconds, or a number with ms or us\n"
              "ha.cf:2: unknown directive 'nosuch'\n"
              "ha.cf:3: deadtime must be more than 0\n"
              "ha.cf:4: msgfmt must be classic or netstring, not 'text'\n"
              "ha.cf:5: hopfudge '256' is no number from 0 to 255\n");
}

TEST(HaCf, RefusesWhatIsNoTextOrTooLong) {
    EXPECT_EQ(ha_cf_errors(std::string("node a\0b\n", 9)),
              "ha.cf:1: the line contains control characters\n");
    EXPECT_EQ(ha_cf_errors("\nnode " + std::string(5115, 'x')),
              "ha.cf:2: the line is longer than 5119 bytes\n");
    EXPECT_EQ(ha_cf_errors(std::string((1u << 20) + 1, '\n')),
              "ha.cf: is larger than 1 MiB: this is no configuration file\n");
    std::string garbage;
    for (int i = 0; i < 1000; ++i) {
        garbage += "x\n";
    }
    EXPECT_EQ(config::parse_ha_cf("ha.cf", garbage).findings.errors.size(), 100u);
}

TEST(HaCf, WantsAValueForEveryDirective) {
    EXPECT_EQ(ha_cf_errors("node\nucast # eth0\n"),
              "ha.cf:1: node needs a value\nha.cf:2: ucast needs a value\n");
}

TEST(HaCf, LimitsNodesAndMedia) {
    std::string text;
    for (int i = 0; i < 101; ++i) {
        text += "node n" + std::to_string(i) + "\n";
    }
    EXPECT_EQ(ha_cf_errors(text), "ha.cf:101: node names more than 100 nodes\n");
    text.clear();
    for (int i = 0; i < 64; ++i) {
        text += "bcast e" + std::to_string(i) + "\n";
    }
    EXPECT_EQ(ha_cf_errors(text), "");
    EXPECT_EQ(ha_cf_errors(text + "ping 10.0.0.1\n"),
              "ha.cf:65: ping is one more than the 64 media that are possible\n");
    EXPECT_EQ(ha_cf_errors("node " + std::string(101, 'a')),
              "ha.cf:1: node has a name of more than 100 bytes\n");
}

TEST(HaCf, WarnsOfANodeThatIsNamedTwice) {
    EXPECT_EQ(ha_cf_warnings("node a\nnode A"), "ha.cf:2: node names 'a' a second time\n");
    EXPECT_EQ(ha_cf("node a\nnode A").nodes.size(), 1u);
}

TEST(HaCf, KeepsMediaInFileOrder) {
    const config::HaCf conf = ha_cf(
        "udpport 695\nbaud 9600\nserial /dev/ttyS0\nucast eth1 10.0.0.2\nbcast eth0 eth2\n"
        "mcast eth0 225.0.0.130 694 1 0\nucast6 eth1 fd00::2\nmcast6 eth0 ff02::77 694 2 1\n");
    ASSERT_EQ(conf.media.size(), 7u);
    const auto& serial = std::get<config::HaSerial>(conf.media[0]);
    EXPECT_EQ(serial.device, "/dev/ttyS0");
    EXPECT_EQ(serial.baud, 9600u);
    const auto& ucast = std::get<config::HaUcast>(conf.media[1]);
    EXPECT_EQ(ucast.interface, "eth1");
    EXPECT_EQ(ucast.peer, "10.0.0.2");
    EXPECT_EQ(ucast.port, 695);
    EXPECT_FALSE(ucast.v6);
    EXPECT_EQ(std::get<config::HaBcast>(conf.media[3]).interface, "eth2");
    const auto& mcast = std::get<config::HaMcast>(conf.media[4]);
    EXPECT_EQ(mcast.group, "225.0.0.130");
    EXPECT_EQ(mcast.port, 694);  // its own
    EXPECT_EQ(mcast.ttl, 1);
    EXPECT_FALSE(mcast.loop);
    EXPECT_TRUE(std::get<config::HaUcast>(conf.media[5]).v6);
    const auto& mcast6 = std::get<config::HaMcast>(conf.media[6]);
    EXPECT_TRUE(mcast6.v6 && mcast6.loop);
    EXPECT_EQ(config::link_name(conf.media[0]), "/dev/ttyS0");
    EXPECT_EQ(config::link_name(conf.media[4]), "eth0");
}

TEST(HaCf, KnowsTheOldNameOfBcast) {
    EXPECT_EQ(ha_cf_warnings("udp eth0"), "ha.cf:1: udp is the old name of bcast\n");
    EXPECT_EQ(std::get<config::HaBcast>(ha_cf("udp eth0").media.at(0)).interface, "eth0");
}

TEST(HaCf, FixesThePortWithTheFirstMediumThatUsesIt) {
    const std::string text = "mcast eth0 225.0.0.1 700 1 0\nudpport 695\nbcast eth0\nudpport 696\n";
    EXPECT_EQ(ha_cf_warnings(text),
              "ha.cf:4: udpport is ignored: it must stand before the first bcast or ucast\n");
    EXPECT_EQ(ha_cf(text).udpport, 695);
    EXPECT_EQ(config::parse_ha_cf("f", "bcast eth0", 7000).value.udpport, 7000);
    EXPECT_EQ(ha_cf_errors("udpport 0"), "ha.cf:1: udpport '0' is no port from 1 to 65535\n");
    EXPECT_EQ(ha_cf_errors("udpport 65536"),
              "ha.cf:1: udpport '65536' is no port from 1 to 65535\n");
}

TEST(HaCf, ChecksSerialLines) {
    EXPECT_EQ(ha_cf_errors("serial ttyS0"),
              "ha.cf:1: serial 'ttyS0' is not the absolute path of a device\n");
    EXPECT_EQ(ha_cf_errors("baud 1200"),
              "ha.cf:1: baud '1200' is none of 9600 19200 38400 57600 115200 230400 460800\n");
    EXPECT_EQ(ha_cf_errors("baud 9600\nbaud 9600"), "ha.cf:2: baud is given twice\n");
    EXPECT_EQ(ha_cf_errors("serial /dev/ttyS0\nbaud 9600"),
              "ha.cf:2: baud must stand before serial\n");
}

TEST(HaCf, ChecksAddressesOfMedia) {
    EXPECT_EQ(ha_cf_errors("ucast eth0"),
              "ha.cf:1: ucast needs an interface and the peer's address\n");
    EXPECT_EQ(ha_cf_errors("ucast eth0 10.0.0.256"),
              "ha.cf:1: ucast '10.0.0.256' is no IPv4 address\n");
    EXPECT_EQ(ha_cf_errors("ucast eth0 db2.example.org"), "");
    EXPECT_EQ(ha_cf_errors("ucast6 eth0 10.0.0.1"),
              "ha.cf:1: ucast6 '10.0.0.1' is no IPv6 address\n");
    EXPECT_EQ(ha_cf_errors("ping 192.268.1.1"), "ha.cf:1: ping '192.268.1.1' is no IPv4 address\n");
    EXPECT_EQ(ha_cf_errors("ping6 router"), "ha.cf:1: ping6 'router' is no IPv6 address\n");
}

TEST(HaCf, WantsAllFiveValuesOfMcast) {
    EXPECT_EQ(ha_cf_errors("mcast eth0 225.0.0.1 694 1"),
              "ha.cf:1: mcast needs five values: interface, group, port, ttl and loop\n");
    EXPECT_EQ(ha_cf_errors("mcast eth0 192.168.0.1 694 1 0"),
              "ha.cf:1: mcast '192.168.0.1' is no multicast group (224.0.0.0/4)\n");
    EXPECT_EQ(ha_cf_errors("mcast6 eth0 fd00::1 694 1 0"),
              "ha.cf:1: mcast6 'fd00::1' is no multicast group (ff00::/8)\n");
    EXPECT_EQ(ha_cf_errors("mcast eth0 225.0.0.1 0 1 0"),
              "ha.cf:1: mcast port '0' is not 1 to 65535\n");
    EXPECT_EQ(ha_cf_errors("mcast eth0 225.0.0.1 694 5 0"),
              "ha.cf:1: mcast ttl '5' is not 0 to 4\n");
    EXPECT_EQ(ha_cf_errors("mcast eth0 225.0.0.1 694 1 2"),
              "ha.cf:1: mcast loop '2' is not 0 or 1\n");
    EXPECT_NE(ha_cf_warnings("mcast eth0 225.0.0.1 694 0 0"), "");
}

TEST(HaCf, ReadsPingNodesAndGroups) {
    const config::HaCf conf =
        ha_cf("ping 10.0.0.1 Router\nping_group Out 10.0.1.1 10.0.1.2\nping6 fd00::1");
    ASSERT_EQ(conf.pings.size(), 4u);
    EXPECT_EQ(conf.pings[1].name, "router");
    EXPECT_EQ(conf.pings[1].addresses, std::vector<std::string>{"Router"});
    EXPECT_EQ(conf.pings[2].name, "out");
    EXPECT_TRUE(conf.pings[2].group);
    EXPECT_EQ(conf.pings[2].addresses, (std::vector<std::string>{"10.0.1.1", "10.0.1.2"}));
    EXPECT_TRUE(conf.pings[3].v6);
    EXPECT_EQ(ha_cf_errors("ping_group out"),
              "ha.cf:1: ping_group needs a name and at least one address\n");
}

TEST(HaCf, ReadsFailback) {
    using config::AutoFailback;
    EXPECT_EQ(ha_cf("auto_failback on").auto_failback, AutoFailback::On);
    EXPECT_EQ(ha_cf("auto_failback off").auto_failback, AutoFailback::Off);
    EXPECT_EQ(ha_cf("auto_failback Legacy").auto_failback, AutoFailback::Legacy);
    EXPECT_EQ(ha_cf("nice_failback on").auto_failback, AutoFailback::Legacy);
    EXPECT_EQ(ha_cf("auto_failback on\nnice_failback on").auto_failback, AutoFailback::Off);
    EXPECT_EQ(
        ha_cf_warnings("nice_failback on"),
        "ha.cf:1: nice_failback is obsolete: use auto_failback. It means auto_failback legacy\n");
    EXPECT_EQ(ha_cf_errors("auto_failback maybe"),
              "ha.cf:1: auto_failback 'maybe' is none of on, off and legacy\n");
}

TEST(HaCf, ReadsRespawnAndApiAuth) {
    const config::HaCf conf = ha_cf(
        "respawn hacluster /usr/libexec/heartbeat/ipfail -v\nfailfast root /bin/x\n"
        "apiauth ipfail gid=haclient uid=hacluster,root\n");
    ASSERT_EQ(conf.respawn.size(), 2u);
    EXPECT_EQ(conf.respawn[0].user, "hacluster");
    EXPECT_EQ(conf.respawn[0].command, "/usr/libexec/heartbeat/ipfail -v");
    EXPECT_FALSE(conf.respawn[0].failfast);
    EXPECT_TRUE(conf.respawn[1].failfast);
    ASSERT_EQ(conf.apiauth.size(), 1u);
    EXPECT_EQ(conf.apiauth[0].client, "ipfail");
    EXPECT_EQ(conf.apiauth[0].users, (std::vector<std::string>{"hacluster", "root"}));
    EXPECT_EQ(conf.apiauth[0].groups, std::vector<std::string>{"haclient"});
    EXPECT_EQ(ha_cf_errors("respawn hacluster ipfail"),
              "ha.cf:1: respawn needs a user and the absolute path of a program\n");
    EXPECT_EQ(ha_cf_errors("apiauth ipfail root"),
              "ha.cf:1: apiauth 'root' is neither uid=LIST nor gid=LIST\n");
}

TEST(HaCf, ChoosesTheLastFencingDeviceMeantForThisNode) {
    const config::HaCf conf = ha_cf(
        "stonith meatware /etc/ha.d/hosts\nstonith_host Alpha external/ssh beta gamma\n"
        "stonith_host beta null alpha\n");
    ASSERT_EQ(conf.stonith.size(), 3u);
    EXPECT_EQ(conf.stonith[0].config_file, "/etc/ha.d/hosts");
    ASSERT_NE(config::stonith_for(conf, "ALPHA"), nullptr);
    EXPECT_EQ(config::stonith_for(conf, "ALPHA")->type, "external/ssh");
    EXPECT_EQ(config::stonith_for(conf, "alpha")->parameters, "beta gamma");
    EXPECT_EQ(config::stonith_for(conf, "gamma")->type, "meatware");
    EXPECT_EQ(config::stonith_for(ha_cf("stonith_host * null a b"), "x")->type, "null");
    EXPECT_EQ(config::stonith_for(ha_cf(""), "x"), nullptr);
    EXPECT_EQ(ha_cf_errors("stonith ssh"),
              "ha.cf:1: stonith needs a type and a file with the device's parameters\n");
    EXPECT_EQ(ha_cf_errors("stonith_host *"),
              "ha.cf:1: stonith_host needs a host or *, a type and the device's parameters\n");
}

TEST(HaCf, ReadsLogAndProcessSettings) {
    const config::HaCf conf = ha_cf(
        "logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\nlogfacility local1\nuse_logd off\n"
        "syslogmsgfmt no\nlog_badpack no\ndebug 2\nrealtime off\nrtprio 5\nwatchdog /dev/watchdog\n"
        "hbgenmethod time\nuuidfrom nodename\nmax_rexmit_delay 100\nmsgfmt netstring\nenv A=b=c\n"
        "cluster mysql\n");
    EXPECT_EQ(conf.logfile, "/var/log/ha-log");
    EXPECT_EQ(conf.debugfile, "/var/log/ha-debug");
    EXPECT_EQ(conf.logfacility, "local1");
    EXPECT_EQ(conf.use_logd, false);
    EXPECT_FALSE(conf.syslogmsgfmt || conf.log_badpack || conf.realtime);
    EXPECT_EQ(conf.debug, 2);
    EXPECT_EQ(conf.rtprio, 5);
    EXPECT_EQ(conf.watchdog, "/dev/watchdog");
    EXPECT_EQ(conf.hbgenmethod, config::HbGenMethod::Time);
    EXPECT_EQ(conf.uuidfrom, config::UuidFrom::NodeName);
    EXPECT_EQ(conf.max_rexmit_delay, 100ms);
    EXPECT_EQ(conf.msgfmt, config::MsgFmt::Netstring);
    ASSERT_EQ(conf.env.size(), 1u);
    EXPECT_EQ(conf.env[0], (std::pair<std::string, std::string>("A", "b=c")));
    EXPECT_EQ(conf.cluster, "mysql");
    EXPECT_EQ(ha_cf("logfacility none").logfacility, "");
}

TEST(HaCf, RefusesWrongLogAndProcessSettings) {
    EXPECT_EQ(ha_cf_errors("logfacility local8"),
              "ha.cf:1: logfacility 'local8' is no syslog facility, and not none\n");
    EXPECT_EQ(ha_cf_errors("watchdog /dev/watchdog\nwatchdog /dev/watchdog"),
              "ha.cf:2: watchdog is given twice\n");
    EXPECT_EQ(ha_cf_errors("watchdog softdog"),
              "ha.cf:1: watchdog 'softdog' is not the absolute path of a device\n");
    EXPECT_EQ(ha_cf_errors("rtprio 100"),
              "ha.cf:1: rtprio '100' is no real-time priority from 1 to 99\n");
    EXPECT_EQ(ha_cf_errors("realtime perhaps"),
              "ha.cf:1: realtime 'perhaps' is neither on nor off\n");
    EXPECT_EQ(ha_cf_errors("env HOME"), "ha.cf:1: env 'HOME' is not NAME=value\n");
    EXPECT_EQ(ha_cf_errors("max_rexmit_delay 0"),
              "ha.cf:1: max_rexmit_delay '0' is no number of milliseconds from 1 to 60000\n");
    EXPECT_EQ(ha_cf_errors("hbgenmethod random"),
              "ha.cf:1: hbgenmethod must be file or time, not 'random'\n");
    EXPECT_EQ(ha_cf_errors("compression lzma"),
              "ha.cf:1: compression must be zlib or bz2, not 'lzma'\n");
}

TEST(HaCf, KnowsNoOtherModeThanHaresources) {
    EXPECT_EQ(ha_cf_errors("crm no"), "");
    EXPECT_EQ(ha_cf_errors("pacemaker off"), "");
    EXPECT_EQ(ha_cf_errors("crm respawn"),
              "ha.cf:1: crm must be off: this daemon works with haresources only\n");
    EXPECT_EQ(ha_cf_errors("crm no\ncrm no"), "ha.cf:2: crm is given twice\n");
    EXPECT_EQ(ha_cf_errors("autojoin none"), "");
    EXPECT_EQ(ha_cf_errors("autojoin any"),
              "ha.cf:1: autojoin must be none: members are those that ha.cf names\n");
}

TEST(HaCf, SaysWhichDirectivesHaveNoUse) {
    for (const char* name : {"hbaping",
                             "quorum_server",
                             "coredumps",
                             "coreroot",
                             "memreserve",
                             "use_apphbd",
                             "normalpoll",
                             "crm_daemon_dir",
                             "crmd_spawns_pengine",
                             "record_config_changes",
                             "record_pengine_inputs",
                             "enable_config_writes"}) {
        const std::string line = std::string(name) + " yes";
        EXPECT_EQ(ha_cf_errors(line), "");
        EXPECT_EQ(ha_cf_warnings(line),
                  "ha.cf:1: " + std::string(name) +
                      " is accepted for the original's sake and has no effect here\n");
    }
    for (const char* line : {"compression zlib",
                             "compression_threshold 2",
                             "traditional_compression no",
                             "conn_logd_time 60",
                             "use_logd yes"}) {
        EXPECT_EQ(ha_cf_errors(line), "");
        EXPECT_NE(ha_cf_warnings(line).find("has no effect here"), std::string::npos) << line;
    }
}

TEST(HaCf, RemembersParametersAsTheyAreWritten) {
    const config::HaCf conf =
        ha_cf("deadtime 2100ms\nauto_failback OFF\nstonith_host * t secret\n");
    EXPECT_EQ(conf.parameters.at("deadtime"), "2100ms");
    EXPECT_EQ(conf.parameters.at("auto_failback"), "OFF");
    EXPECT_EQ(conf.parameters.at("udpport"), "694");  // the only one that is shown unset
    EXPECT_EQ(conf.parameters.count("keepalive"), 0u);
    EXPECT_EQ(conf.parameters.count("stonith_host"), 0u);
}

// --- the checks before a start ---

std::string check_errors(const std::string& text, const std::string& node = "a") {
    return joined(config::check_ha_cf("ha.cf", ha_cf(text), node).errors);
}

std::string check_warnings(const std::string& text) {
    return joined(config::check_ha_cf("ha.cf", ha_cf(text), "a").warnings);
}

const std::string kGood = "ucast eth0 10.0.0.2\nbcast eth1\nnode a b\nauto_failback on\n";

TEST(HaCfCheck, AcceptsAPair) {
    EXPECT_EQ(check_errors(kGood), "");
    EXPECT_EQ(check_warnings(kGood), "");
    EXPECT_EQ(check_errors(kGood, "A"), "");
}

TEST(HaCfCheck, WantsMoreThanTwoHeartbeatsInDeadtime) {
    EXPECT_EQ(check_errors(kGood + "keepalive 1\ndeadtime 2\ninitdead 12\n"),
              "ha.cf: deadtime (2000 ms) must be more than twice keepalive (1000 ms)\n");
    EXPECT_EQ(check_errors(kGood + "keepalive 1\ndeadtime 2001ms\ninitdead 12\n"), "");
    EXPECT_EQ(check_errors(kGood + "deadping 2\n"),
              "ha.cf: deadping (2000 ms) must be more than twice keepalive (1000 ms)\n");
}

TEST(HaCfCheck, WantsInitdeadNotBelowDeadtime) {
    EXPECT_EQ(check_errors(kGood + "initdead 29\n"),
              "ha.cf: initdead (29000 ms) is less than deadtime (30000 ms)\n");
    EXPECT_EQ(check_warnings(kGood + "deadtime 5\ninitdead 6\n"),
              "ha.cf: initdead (6000 ms) is less than 10 s: a node that boots slowly is taken for "
              "dead\n");
}

TEST(HaCfCheck, WantsThisNodeAmongTheMembers) {
    EXPECT_EQ(check_errors(kGood, "C"),
              "ha.cf: Current node [c] not in configuration! Add it to a node line, or correct the "
              "host name\n");
    EXPECT_EQ(check_errors("bcast eth0\nbcast eth1\n"), "ha.cf: no node is configured\n");
    EXPECT_EQ(check_errors(kGood + "node c\n"),
              "ha.cf: 3 nodes are configured: haresources works with two\n");
    EXPECT_EQ(check_errors(kGood + "ping b\n"), "ha.cf: ping node 'b' is also another member\n");
}

TEST(HaCfCheck, WantsAMediumAndWarnsOfOneOnly) {
    EXPECT_EQ(check_errors("node a b\nauto_failback on\n"),
              "ha.cf: no heartbeat medium is configured (ucast, bcast, mcast or serial)\n");
    EXPECT_EQ(check_warnings("node a b\nauto_failback on\nucast eth0 10.0.0.1\nbcast eth0\n"),
              "ha.cf: only one heartbeat path (eth0): its failure alone makes both nodes active\n");
}

TEST(HaCfCheck, WarnsOfHabitsThatHurt) {
    EXPECT_EQ(check_warnings("ucast eth0 10.0.0.2\nbcast eth1\nnode a b\nmsgfmt netstring\n"),
              "ha.cf: auto_failback is not set and is legacy: set it to on or off\n"
              "ha.cf: msgfmt netstring: a Heartbeat 3.0.6 partner loses reports of its own scripts "
              "with it and may never stop; use classic\n");
    EXPECT_EQ(check_errors(kGood + "use_logd off\n"),
              "ha.cf: use_logd is off, and neither logfile nor debugfile nor logfacility is set: "
              "nothing would be logged\n");
    EXPECT_EQ(check_errors(kGood + "use_logd off\nlogfile /var/log/ha-log\n"), "");
}

// The field's configuration, unchanged.
TEST(HaCf, AcceptsTheFieldsFile) {
    const std::string text =
        "debugfile /var/log/ha-debug\nlogfile /var/log/ha-log\nlogfacility local1\nkeepalive 2\n"
        "deadtime 30\nwarntime 10\ninitdead 60\nudpport 694\nmcast eth0 225.0.0.130 694 1 0\n"
        "ucast eth0 192.168.42.131\nauto_failback on\nnode data-1-1\nnode data-1-2\n"
        "node MySQL_Master_Node01\nping 192.168.42.2\ncrm no\n";
    EXPECT_EQ(ha_cf_errors(text), "");
    EXPECT_EQ(ha_cf_warnings(text), "");
    const config::HaCf conf = ha_cf(text);
    EXPECT_EQ(conf.keepalive, 2s);
    EXPECT_EQ(conf.initdead, 60s);
    EXPECT_EQ(conf.nodes.back(), "mysql_master_node01");
}

}  // namespace
