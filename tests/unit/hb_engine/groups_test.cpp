// The resource manager. Heartbeat specification, sections 1.4 and 4.2 to 4.5.
#include "heartbeat/engine/group.h"
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::AgentDone;
using hb::AgentEnd;
using hb::Time;
using Lines = std::vector<std::string>;

constexpr const char* kThree = "node-a drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 mysqld\n";
constexpr const char* kFs = "Filesystem::/dev/drbd0::/data::ext4";

AgentDone ends(int code, const std::string& output = "") {
    return AgentDone{0, AgentEnd::exited, code, output};
}

class Group : public testing::Test {
protected:
    Group() : bench(settings_for("node-a", "auto_failback on\n", kThree)) {}

    void shut_down() { bench.step(hb::Command{1, hb::Command::Verb::shutdown, ""}); }

    Bench bench;
};

TEST_F(Group, StartsFromLeftToRightAndStopsFromRightToLeft) {
    bench.bring_up();
    EXPECT_EQ(bench.running.size(), 3u);
    shut_down();
    EXPECT_EQ(bench.calls, (Lines{"stop mysqld", std::string("stop ") + kFs, "stop drbddisk::r0"}));
}

TEST_F(Group, AsksEachForItsStatusBeforeStartingIt) {
    bench.start();
    bench.calls.clear();
    bench.partner_beats = false;
    bench.pass(Time{12'000});
    EXPECT_EQ(bench.calls,
              (Lines{"status drbddisk::r0",
                     "start drbddisk::r0",
                     std::string("status ") + kFs,
                     std::string("start ") + kFs,
                     "status mysqld",
                     "start mysqld"}));
}

TEST_F(Group, WhatTheAgentComplainedAboutIsTold) {
    AgentDone failed = ends(1);
    failed.text = "exit 1: ERROR: cannot\nbind";
    bench.wrong["start mysqld"] = failed;
    bench.bring_up();
    EXPECT_NE(bench.engine.status().groups[0].reason.find("exit 1: ERROR: cannot bind"),
              std::string::npos);
}

TEST_F(Group, AFailedStartGivesTheGroupUpAndOffersItToThePartner) {
    bench.wrong["start mysqld"] = ends(1, "cannot bind\n");
    bench.bring_up();
    EXPECT_TRUE(bench.running.empty());
    EXPECT_EQ(bench.group_state(), "failed");
    EXPECT_NE(bench.engine.status().groups[0].reason.find("cannot bind"), std::string::npos);
    bench.resource("none", "1");
    bench.pass(Time{31'000});
    EXPECT_TRUE(bench.has_said("ask_resources local me"));
}

TEST_F(Group, WhatFailedHereIsNotTakenBackFromThePartner) {
    bench.wrong["start drbddisk::r0"] = ends(17, "r0: data is not UpToDate here\n");
    bench.bring_up();
    bench.resource("none", "1");
    bench.pass(Time{25'000});  // the offer waits 10 s for its answer
    bench.ask("local", "other");
    bench.ask("local", "done");
    bench.resource("foreign", "1");
    bench.pass(Time{2000});
    bench.calls.clear();
    bench.said();
    bench.ask("foreign", "me");
    EXPECT_EQ(bench.said(), Lines{});
    EXPECT_EQ(bench.calls, Lines{});
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::resource));
    bench.step(hb::Command{2, hb::Command::Verb::clear, ""});
    bench.wrong.clear();
    EXPECT_EQ(bench.said(), Lines{"resource none 1 repaired"});
    bench.ask("foreign", "me");
    EXPECT_EQ(bench.said(), Lines{"ask_resources foreign other"});
}

TEST(FailedGroup, WhatFailedWhileAloneIsOfferedWhenThePartnerIsThere) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kThree));
    bench.wrong["start mysqld"] = ends(1);
    bench.partner_beats = false;
    bench.start();
    bench.pass(Time{60'000});
    EXPECT_EQ(bench.group_state(), "failed");
    // Nobody else can run it: it is tried again here, later and later.
    EXPECT_EQ(std::count(bench.calls.begin(), bench.calls.end(), "start mysqld"), 2);
    bench.partner_beats = true;
    bench.partner_restarts();
    bench.partner_status("active");
    bench.resource("none", "1");
    bench.said();
    bench.pass(Time{31'000});
    EXPECT_TRUE(bench.has_said("ask_resources local me"));
}

TEST_F(Group, AHungStatusBlocksItUntilTheStateIsKnown) {
    bench.start();
    bench.wrong["status drbddisk::r0"] = AgentDone{0, AgentEnd::timed_out, 0, ""};
    bench.partner_beats = false;
    bench.pass(Time{12'500});
    EXPECT_EQ(bench.group_state(), "blocked");
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::resource));
    EXPECT_TRUE(bench.running.empty());
    bench.pass(Time{60'000});
    EXPECT_TRUE(bench.running.empty());
    bench.wrong.clear();
    bench.pass(Time{10'000});
    EXPECT_EQ(bench.group_state(), "running");
}

TEST_F(Group, AMissingAgentIsAFailureNotABlock) {
    bench.wrong["status mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    bench.wrong["stop mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    bench.bring_up();
    EXPECT_EQ(bench.group_state(), "failed");
    EXPECT_TRUE(bench.running.empty());
}

TEST_F(Group, AnAgentThatVanishedWhileItsResourceRunsIsAFailedStop) {
    bench.bring_up();
    bench.wrong["stop mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    bench.wrong["status mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    shut_down();
    bench.pass(Time{11'000});
    EXPECT_FALSE(bench.has_said("shutdone"));
    EXPECT_EQ(bench.take<hb::Reboot>().size(), 1u);
}

TEST(FoundGroup, WhoseAgentVanishedIsNotTakenForStoppedIfTheRestRuns) {
    for (const bool rest_runs : {true, false}) {
        Bench bench(settings_for("node-a", "auto_failback on\n", kThree));
        bench.running.insert("mysqld");
        if (rest_runs) {
            bench.running.insert("drbddisk::r0");
        }
        bench.wrong["stop mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
        bench.wrong["status mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
        bench.start();
        bench.partner_status("up");
        bench.resource("foreign", "1");  // the partner holds it now
        bench.pass(Time{11'000});
        EXPECT_EQ(bench.take<hb::Reboot>().size(), rest_runs ? 1u : 0u);
    }
}

TEST(InheritedGroup, WhoseAgentVanishedIsNotTakenForStopped) {
    hb::Start start = start_of();
    start.restart_hold = hb::Hold::local;
    Bench bench(settings_for("node-a", "auto_failback on\n", kThree), start);
    bench.running = {"drbddisk::r0", kFs, "mysqld"};
    bench.wrong["stop mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    bench.wrong["status mysqld"] = AgentDone{0, AgentEnd::missing, 0, ""};
    bench.start();
    bench.pass(Time{11'000});
    EXPECT_EQ(bench.take<hb::Reboot>().size(), 1u);
    EXPECT_TRUE(bench.runs("drbddisk::r0"));
}

TEST_F(Group, AFailedStopIsTriedTenTimesMoreThenTheMachineIsReset) {
    bench.bring_up();
    bench.wrong["stop mysqld"] = ends(1);
    shut_down();
    bench.pass(Time{9900});
    EXPECT_TRUE(bench.take<hb::Reboot>().empty());
    bench.pass(Time{200});
    EXPECT_EQ(std::count(bench.calls.begin(), bench.calls.end(), "stop mysqld"), 11);
    EXPECT_EQ(bench.take<hb::Reboot>().size(), 1u);
    EXPECT_TRUE(bench.runs("drbddisk::r0"));
}

TEST_F(Group, AFailedStopOfWhatDoesNotRunIsPassedOver) {
    bench.bring_up();
    bench.wrong["stop mysqld"] = ends(1);
    bench.running.erase("mysqld");
    shut_down();
    bench.pass(Time{11'000});
    EXPECT_TRUE(bench.take<hb::Reboot>().empty());
    EXPECT_TRUE(bench.running.empty());
}

TEST_F(Group, LimitsAreThoseOfThePolicy) {
    Bench limited(settings_for("node-a",
                               "auto_failback on\n",
                               kThree,
                               "agent_timeout start 60\nagent_timeout status 20\n"));
    limited.hanging = {"status drbddisk::r0"};
    limited.start();
    const auto runs = limited.take<hb::RunAgent>();
    EXPECT_TRUE(runs.empty());  // the bench keeps them to itself
    EXPECT_EQ(limited.calls, Lines{"status drbddisk::r0"});
}

TEST_F(Group, AnAnswerOfAnotherJobIsIgnored) {
    bench.hanging = {"start mysqld"};
    bench.bring_up();
    bench.step(AgentDone{9999, AgentEnd::exited, 0, ""});
    EXPECT_EQ(bench.group_state(), "starting");
}

TEST(StatusVerdict, FollowsTheOutputAsTheOriginalDoes) {
    using hb::ResourceState;
    using hb::verdict_of_status;
    EXPECT_EQ(verdict_of_status(ends(0, "running\n")), ResourceState::running);
    EXPECT_EQ(verdict_of_status(ends(1, "INFO:  Running OK\n")), ResourceState::running);
    EXPECT_EQ(verdict_of_status(ends(0, "OK")), ResourceState::running);
    EXPECT_EQ(verdict_of_status(ends(0, "mysqld is Not  Running")), ResourceState::stopped);
    EXPECT_EQ(verdict_of_status(ends(0, "")), ResourceState::stopped);
    EXPECT_EQ(verdict_of_status(ends(3, "INFO:  Resource is stopped\n")), ResourceState::stopped);
    EXPECT_EQ(verdict_of_status(ends(4, "cannot tell, running?")), ResourceState::unknown);
    EXPECT_EQ(verdict_of_status(ends(127, "")), ResourceState::unknown);
    EXPECT_EQ(verdict_of_status(ends(0, std::string("run\0ning", 8))), ResourceState::unknown);
    EXPECT_EQ(verdict_of_status(AgentDone{0, AgentEnd::killed, 0, "running"}),
              ResourceState::unknown);
}

}  // namespace
}  // namespace test
