#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;

config::HaPolicy policy(const std::string& text) {
    const auto parsed = config::parse_ha_policy("p", text);
    EXPECT_EQ(joined(parsed.findings.errors), "");
    return parsed.value;
}

std::string policy_errors(const std::string& text) {
    return joined(config::parse_ha_policy("p", text).findings.errors);
}

TEST(HaPolicy, IsOffWithoutAFile) {
    const config::HaPolicy off = policy("# nothing\n");
    EXPECT_FALSE(off.start_timeout || off.stop_timeout || off.status_timeout);
    EXPECT_EQ(off.takeover, config::Takeover::Auto);
    EXPECT_EQ(off.takeover_delay, 0ms);
    EXPECT_EQ(off.quorum_ping, 0u);
    EXPECT_FALSE(off.disk_heartbeat.has_value());
    EXPECT_EQ(off.fence_command, "");
    EXPECT_EQ(off.fence_timeout, 60s);
    EXPECT_EQ(off.partition_policy, config::PartitionPolicy::Restart);
    EXPECT_TRUE(off.monitors.empty() && off.alarms.mail.empty() && off.alarms.commands.empty());
    EXPECT_EQ(off.handover_limit, 0u);
}

TEST(HaPolicy, ReadsEveryStatement) {
    const config::HaPolicy all = policy(
        "agent_timeout start 60\nagent_timeout stop 90\nagent_timeout status 5000ms\n"
        "takeover manual\ntakeover_delay 20 # people\nquorum_ping 1\n"
        "disk_heartbeat /dev/sdc1 8192\nalarm mail dba@example.org\nalarm command /usr/bin/x\n"
        "handover_limit 3 3600\nfence_command /usr/sbin/fence --off now\nfence_timeout 20\n"
        "partition_policy gentle\n");
    EXPECT_EQ(all.start_timeout, 60s);
    EXPECT_EQ(all.stop_timeout, 90s);
    EXPECT_EQ(all.status_timeout, 5s);
    EXPECT_EQ(all.takeover, config::Takeover::Manual);
    EXPECT_EQ(all.takeover_delay, 20s);
    EXPECT_EQ(all.quorum_ping, 1u);
    ASSERT_TRUE(all.disk_heartbeat.has_value());
    EXPECT_EQ(all.disk_heartbeat->device, "/dev/sdc1");
    EXPECT_EQ(all.disk_heartbeat->offset_bytes, 8192u);
    EXPECT_EQ(all.alarms.mail, std::vector<std::string>{"dba@example.org"});
    EXPECT_EQ(all.alarms.commands, std::vector<std::string>{"/usr/bin/x"});
    EXPECT_EQ(all.handover_limit, 3u);
    EXPECT_EQ(all.handover_window, 1h);
    EXPECT_EQ(all.fence_command, "/usr/sbin/fence --off now");
    EXPECT_EQ(all.fence_timeout, 20s);
    EXPECT_EQ(all.partition_policy, config::PartitionPolicy::Gentle);
}

TEST(HaPolicy, ReadsEveryKindOfMonitor) {
    const config::HaPolicy all = policy(
        "monitor mysqld agent interval 10 timeout 5\n"
        "monitor mysqld tcp [fd00::1]:3306 interval 2 timeout 1 restart 0\n"
        "monitor mysqld tcp 10.0.0.1:80 interval 2 timeout 1\n"
        "monitor mysqld sql /run/mysqld/mysqld.sock hb timeout 1 interval 500ms window 60 restart "
        "2\n"
        "monitor mysqld sql 127.0.0.1 hb interval 2 timeout 1\n"
        "monitor Filesystem write /data interval 5 timeout 3\n");
    ASSERT_EQ(all.monitors.size(), 6u);
    EXPECT_EQ(all.monitors[0].resource, "mysqld");
    EXPECT_EQ(all.monitors[0].interval, 10s);
    EXPECT_EQ(all.monitors[0].timeout, 5s);
    EXPECT_EQ(all.monitors[0].restarts, 1u);
    EXPECT_EQ(all.monitors[0].window, 10min);
    EXPECT_TRUE(std::holds_alternative<config::AgentProbe>(all.monitors[0].probe));
    EXPECT_EQ(std::get<config::TcpProbe>(all.monitors[1].probe).host, "fd00::1");
    EXPECT_EQ(std::get<config::TcpProbe>(all.monitors[1].probe).port, 3306);
    EXPECT_EQ(all.monitors[1].restarts, 0u);
    EXPECT_EQ(std::get<config::TcpProbe>(all.monitors[2].probe).host, "10.0.0.1");
    const auto& sql = std::get<config::SqlProbe>(all.monitors[3].probe);
    EXPECT_EQ(sql.socket, "/run/mysqld/mysqld.sock");
    EXPECT_EQ(sql.user, "hb");
    EXPECT_EQ(all.monitors[3].interval, 500ms);
    EXPECT_EQ(all.monitors[3].window, 60s);
    EXPECT_EQ(all.monitors[3].restarts, 2u);
    EXPECT_EQ(std::get<config::SqlProbe>(all.monitors[4].probe).port, 3306);
    EXPECT_EQ(std::get<config::WriteProbe>(all.monitors[5].probe).directory, "/data");
}

TEST(HaPolicy, IsStrictAboutMonitors) {
    EXPECT_EQ(policy_errors("monitor mysqld\n"),
              "p:1: monitor needs: RESOURCE agent|tcp|sql|write ... interval TIME timeout TIME\n");
    EXPECT_EQ(policy_errors("monitor x ping interval 1 timeout 1\n"),
              "p:1: monitor is by agent, tcp, sql or write, not 'ping'\n");
    EXPECT_EQ(policy_errors("monitor x agent interval 1\n"),
              "p:1: monitor needs an interval and a timeout\n");
    EXPECT_EQ(policy_errors("monitor x agent interval 1 timeout\n"),
              "p:1: monitor 'timeout' needs a value\n");
    EXPECT_EQ(policy_errors("monitor x agent every 1 timeout 1\n"),
              "p:1: monitor has no option 'every': interval, timeout, restart, window\n");
    EXPECT_EQ(policy_errors("monitor x agent interval 1 interval 2 timeout 1\n"),
              "p:1: monitor interval is given twice\n");
    EXPECT_EQ(policy_errors("monitor x agent interval 1 timeout 1 restart 1001\n"),
              "p:1: monitor restart '1001' is no number up to 1000\n");
    for (const char* address : {"10.0.0.1",
                                "10.0.0.1:0",
                                "10.0.0.1:65536",
                                "10.0.0.256:80",
                                ":80",
                                "fd00::1:80",
                                "[x]:80",
                                "[fd00::1]"}) {
        EXPECT_NE(
            policy_errors("monitor x tcp " + std::string(address) + " interval 1 timeout 1\n"), "")
            << address;
    }
    EXPECT_EQ(policy_errors("monitor x sql /run/x.sock\n"),
              "p:1: monitor sql needs a socket or host and a user\n");
    EXPECT_NE(policy_errors("monitor x write data interval 1 timeout 1\n"), "");
}

TEST(HaPolicy, IsStrictAboutTheRest) {
    EXPECT_EQ(policy_errors("quorum 1\n"), "p:1: unknown statement 'quorum'\n");
    EXPECT_EQ(policy_errors("takeover auto\ntakeover auto\n"), "p:2: takeover is given twice\n");
    EXPECT_EQ(policy_errors("agent_timeout stop 1\nagent_timeout stop 1\n"),
              "p:2: agent_timeout stop is given twice\n");
    EXPECT_EQ(policy_errors("agent_timeout monitor 1\n"),
              "p:1: agent_timeout is for start, stop or status, not 'monitor'\n");
    EXPECT_EQ(policy_errors("agent_timeout 5\n"),
              "p:1: agent_timeout needs: start|stop|status TIME\n");
    EXPECT_EQ(policy_errors("takeover never\n"),
              "p:1: takeover must be auto or manual, not 'never'\n");
    EXPECT_EQ(policy_errors("takeover_delay 0\n"),
              "p:1: takeover_delay '0' is no time: seconds, or a number with ms\n");
    EXPECT_EQ(policy_errors("quorum_ping 0\n"),
              "p:1: quorum_ping '0' is no number of ping nodes from 1 to 64\n");
    EXPECT_EQ(policy_errors("disk_heartbeat sdc 0\n"),
              "p:1: disk_heartbeat 'sdc' is not the absolute path of a device\n");
    EXPECT_EQ(policy_errors("disk_heartbeat /dev/sdc 512\n"),
              "p:1: disk_heartbeat offset '512' is no multiple of 4096 bytes\n");
    EXPECT_EQ(policy_errors("alarm pager 1\n"), "p:1: alarm is mail or command, not 'pager'\n");
    EXPECT_EQ(policy_errors("alarm mail -x\n"), "p:1: alarm '-x' is no mail address\n");
    EXPECT_EQ(policy_errors("alarm command mail\n"),
              "p:1: alarm 'mail' is not the absolute path of a program\n");
    EXPECT_EQ(policy_errors("handover_limit 0 1\n"),
              "p:1: handover_limit '0' is no number from 1 to 1000\n");
    EXPECT_EQ(policy_errors("fence_command ipmitool\n"),
              "p:1: fence_command needs the absolute path of a program, and perhaps arguments\n");
    EXPECT_EQ(policy_errors("partition_policy none\n"),
              "p:1: partition_policy must be restart or gentle, not 'none'\n");
}

TEST(HaPolicy, IsCheckedAgainstTheOtherFiles) {
    const config::HaCf conf = ha_cf("node a b\nping 10.0.0.1\n");
    const auto resources =
        config::parse_haresources("r", "a IPaddr::10.0.0.2/24 mysqld\nb IPaddr::10.0.0.3/24\n")
            .value;
    const auto check = [&](const std::string& text) {
        return joined(config::check_ha_policy("p", policy(text), conf, resources).errors);
    };
    EXPECT_EQ(check("quorum_ping 1\nmonitor mysqld agent interval 1 timeout 1\n"), "");
    EXPECT_EQ(check("quorum_ping 2\n"), "p: quorum_ping 2: ha.cf has only 1 ping nodes\n");
    EXPECT_EQ(check("\nmonitor httpd agent interval 1 timeout 1\n"),
              "p:2: monitor 'httpd': haresources has no such resource\n");
    const config::HaMonitor both =
        policy("monitor IPaddr agent interval 1 timeout 1\n").monitors[0];
    EXPECT_EQ(config::monitored_words(both, resources).size(), 2u);
}

}  // namespace
