#include "heartbeat/tools/hb_status.h"

#include "heartbeat/tools/status_text.h"
#include "tests/unit/hb_tools/fake_daemon.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <sstream>

namespace {

namespace control = hb::control;

Said ask_status(const FakeDaemon& daemon, std::vector<std::string> words) {
    std::stringstream out;
    std::stringstream err;
    words.insert(words.end(), {"--run-dir", daemon.run_dir()});
    const int exit = hb::tools::run_hb_status(words, {out, err});
    return {exit, out.str(), err.str()};
}

// Texts with times are compared in UTC.
class HbStatus : public testing::Test {
protected:
    HbStatus() {
        const char* zone = std::getenv("TZ");
        before_ = zone == nullptr ? "" : zone;
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }

    ~HbStatus() override {
        before_.empty() ? ::unsetenv("TZ") : ::setenv("TZ", before_.c_str(), 1);
        ::tzset();
    }

    std::string before_;
};

control::Status troubled() {
    control::Status status = sample_status();
    status.pending = "a person to confirm the takeover of node-b (hb_takeover)";
    status.nodes[1].status = "dead";
    status.nodes[1].silence_ms = 61'000;
    status.nodes[1].links = {{"eth1", false}, {"eth0", true}};
    status.groups[0].state = "failed";
    status.groups[0].reason = "mysqld did not start";
    status.monitors = {{"mysqld", true, false, 2, "no answer within 5 s"},
                       {"Filesystem", true, true, 0, ""},
                       {"IPaddr", false, true, 0, ""}};
    status.decisions = {{1'795'188'000, "", "node-b is dead", "silence=2100ms"},
                        {1'795'188'002, "", "took nothing over", "takeover=manual fenced=no"}};
    status.alarms = {{1'795'188'001, "last_link", "only eth0 is left", ""}};
    status.counters = {{"bad_signatures", 3}, {"dropped_messages", 0}};
    return status;
}

TEST_F(HbStatus, ShowsAHealthyPair) {
    const FakeDaemon daemon(answers_with(sample_status()));
    const Said said = ask_status(daemon, {});
    EXPECT_EQ(said.exit, 0);
    EXPECT_EQ(said.out,
              "node-a: active, holds local  (heartbeat 0.1.0, pid 1, up 1 h 5 min, generation 12)\n"
              "\n"
              "Nodes and the links on which they are heard\n"
              "  node-a              active  holds local    this node\n"
              "  node-b              active  holds none     heard 400 ms ago, dead after 2.1 s\n"
              "    eth1              up\n"
              "    eth0              up\n"
              "  10.77.0.254         ping                   ping node, heard 900 ms ago\n"
              "\n"
              "Heartbeat paths of this node\n"
              "  eth1                ucast   open\n"
              "  eth0                ucast   DOWN: Network is down\n"
              "\n"
              "Resource groups on this node\n"
              "  IPaddr::10.77.0.100/24/eth0:1           running  (home node-a)\n"
              "    IPaddr::10.77.0.100/24/eth0:1         running\n"
              "    mysqld                                running\n");
}

TEST_F(HbStatus, ShowsTroubleAndWhyWhatWasDecided) {
    const std::string text = hb::tools::status_text(troubled());
    for (const char* line :
         {"\nwaiting: a person to confirm the takeover of node-b (hb_takeover)\n",
          "\n  node-b              dead    holds none     silent for 1 min\n",
          "\n    eth1              DEAD\n",
          "failed  (home node-a): mysqld did not start\n",
          "\n  mysqld                                  FAILED, failures 2: no answer within 5 s\n",
          "\n  Filesystem                              ok\n",
          "\n  IPaddr                                  not watched\n",
          "\n  2026-11-20 15:20:02  took nothing over\n      because takeover=manual fenced=no\n",
          "\n  2026-11-20 15:20:01  ALARM last_link: only eth0 is left\n",
          "\nCounters: bad_signatures 3\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    }
    EXPECT_EQ(text.find("dropped_messages"), std::string::npos);
}

TEST_F(HbStatus, TellsTheWholeLogInOrder) {
    const FakeDaemon daemon(answers_with(troubled()));
    EXPECT_EQ(ask_status(daemon, {"--log"}).out,
              "2026-11-20 15:20:00  node-b is dead\n    because silence=2100ms\n"
              "2026-11-20 15:20:01  ALARM last_link: only eth0 is left\n"
              "2026-11-20 15:20:02  took nothing over\n    because takeover=manual fenced=no\n");
}

TEST_F(HbStatus, GoesOnWithTheLogUntilTheDaemonLeaves) {
    const FakeDaemon daemon([](const control::Request& request) -> std::vector<std::string> {
        if (request.kind == control::RequestKind::Status) {
            return {reply_line(request, 0, "", control::to_json(sample_status()))};
        }
        const control::Event event{"decision", {1'795'188'005, "", "took over", "st=dead"}};
        return {reply_line(request, 0, ""), control::event_line(request.id, event), ""};
    });
    const Said said = ask_status(daemon, {"--follow"});
    EXPECT_EQ(said.exit, 1);
    EXPECT_EQ(said.out, "2026-11-20 15:20:05  took over\n    because st=dead\n");
    EXPECT_NE(said.err.find("closed the connection"), std::string::npos);
}

TEST_F(HbStatus, SpeaksJson) {
    const FakeDaemon daemon(answers_with(troubled()));
    const auto json = control::Json::parse(ask_status(daemon, {"--json"}).out);
    EXPECT_EQ(json, control::to_json(troubled()));
    EXPECT_EQ(json["nodes"][1]["links"][0]["up"], false);
    EXPECT_EQ(json["decisions"][1]["facts"], "takeover=manual fenced=no");
}

TEST_F(HbStatus, LooksAgain) {
    const FakeDaemon daemon(answers_with(sample_status()));
    const Said said =
        ask_status(daemon, {"--watch", "--count", "2", "--interval", "0.1", "--json"});
    std::stringstream lines(said.out);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_EQ(control::Json::parse(line)["node"], "node-a");
    }
    EXPECT_EQ(count, 2);
    EXPECT_EQ(ask_status(daemon, {"--count", "2"}).exit, 2);
}

TEST_F(HbStatus, KnowsWhenNoDaemonRuns) {
    std::stringstream out;
    std::stringstream err;
    EXPECT_EQ(hb::tools::run_hb_status({"--run-dir", "/nonexistent"}, {out, err}), 1);
    EXPECT_TRUE(err.str().starts_with("hb_status: heartbeat is not running here"));
    EXPECT_EQ(hb::tools::run_hb_status({"--json", "--run-dir", "/nonexistent"}, {out, err}), 1);
    EXPECT_TRUE(control::Json::parse(out.str()).contains("error"));
}

TEST(DurationText, ChoosesItsUnits) {
    EXPECT_EQ(hb::tools::duration_text(0), "0 ms");
    EXPECT_EQ(hb::tools::duration_text(999), "999 ms");
    EXPECT_EQ(hb::tools::duration_text(1000), "1 s");
    EXPECT_EQ(hb::tools::duration_text(59'999), "59.9 s");
    EXPECT_EQ(hb::tools::duration_text(60'000), "1 min");
    EXPECT_EQ(hb::tools::duration_text(3'600'000), "1 h 0 min");
    EXPECT_EQ(hb::tools::duration_text(187'200'000), "2 d 4 h");
}

}  // namespace
