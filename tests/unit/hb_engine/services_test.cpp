// What surrounds the resources: shutdown, monitors, ipfail, dopd, respawned programs.
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

TEST(Shutdown, ReleasesSaysGoodbyeAndExits) {
    Bench bench(settings_for("node-a", "auto_failback on\nwatchdog /dev/watchdog\n"));
    bench.bring_up();
    bench.step(hb::Command{1, hb::Command::Verb::shutdown, ""});
    EXPECT_EQ(bench.said(), (Lines{"resource none 0 shutdown", "shutdone"}));
    EXPECT_EQ(bench.take<hb::CloseWatchdog>().size(), 1u);
    bench.kept.clear();
    bench.pass(Time{1900});
    EXPECT_TRUE(bench.take<hb::TickleWatchdog>().empty());
    EXPECT_TRUE(bench.take<hb::Exit>().empty());
    bench.pass(Time{200});
    EXPECT_EQ(bench.take<hb::Exit>().size(), 1u);
}

TEST(Shutdown, WaitsForWorkButNotForEver) {
    Bench bench(settings_for("node-a"));
    bench.hanging = {"start mysqld"};
    bench.bring_up();
    bench.step(hb::Command{1, hb::Command::Verb::shutdown, ""});
    bench.pass(Time{59'000});
    EXPECT_EQ(bench.said(), Lines{});
    bench.pass(Time{2000});
    EXPECT_TRUE(bench.has_said("resource none 0 shutdown"));
    EXPECT_EQ(bench.take<hb::KillAgent>().size(), 1u);
}

TEST(Shutdown, TheDeathOfThePartnerMeanwhileIsNoTakeover) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.hanging = {"stop mysqld"};
    bench.step(hb::Command{1, hb::Command::Verb::shutdown, ""});
    bench.partner_beats = false;
    bench.calls.clear();
    bench.pass(Time{10'000});
    EXPECT_EQ(bench.calls, Lines{});
}

TEST(Shutdown, DuringAForcedRestartMakesItAnEnd) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.hanging = {"stop mysqld"};
    bench.stand_still(Time{3000});
    bench.step(hb::Tick{});
    bench.step(hb::Command{1, hb::Command::Verb::shutdown, ""});
    const auto runs = bench.calls.size();
    bench.hanging.clear();
    bench.step(hb::AgentDone{bench.last_job, hb::AgentEnd::exited, 0, ""});
    EXPECT_GT(bench.calls.size(), runs);
    bench.pass(Time{3000});
    EXPECT_EQ(bench.take<hb::Exit>().size(), 1u);
    EXPECT_TRUE(bench.take<hb::Restart>().empty());
}

TEST(Shutdown, AQuickRestartKeepsWhatRuns) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::Command{1, hb::Command::Verb::restart, ""});
    const auto restarts = bench.take<hb::Restart>();
    ASSERT_EQ(restarts.size(), 1u);
    EXPECT_EQ(restarts[0].hold, hb::Hold::local);
    EXPECT_TRUE(bench.runs(kVip));
}

class Monitored : public testing::Test {
protected:
    Monitored()
        : bench(settings_for("node-a",
                             "auto_failback off\n",
                             std::string("node-a ") + kVip + " mysqld\n",
                             "monitor mysqld agent interval 1 timeout 5 restart 2 window 600\n"
                             "handover_limit 1 3600\n")) {
        bench.bring_up();
        bench.resource("none", "1");
    }

    void probe_fails() { bench.step(hb::ProbeDone{0, false, "no answer"}); }

    Bench bench;
};

TEST_F(Monitored, ProbesRunWhileTheGroupRuns) {
    Bench other(settings_for("node-a",
                             "auto_failback off\n",
                             std::string("node-a ") + kVip + " mysqld\n",
                             "monitor mysqld agent interval 1 timeout 5\n"));
    other.partner_beats = false;
    other.start();
    EXPECT_TRUE(other.take<hb::StartProbe>().empty());
    other.pass(Time{12'000});
    EXPECT_EQ(other.take<hb::StartProbe>().size(), 1u);
    other.step(hb::Command{1, hb::Command::Verb::shutdown, ""});
    EXPECT_EQ(other.take<hb::StopProbe>().size(), 1u);
}

TEST_F(Monitored, AFailedProbeRestartsFromTheResourceOn) {
    bench.calls.clear();
    probe_fails();
    EXPECT_EQ(
        bench.calls,
        (Lines{"stop mysqld", std::string("status ") + kVip, "status mysqld", "start mysqld"}));
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::service));
    EXPECT_EQ(bench.group_state(), "running");
}

TEST_F(Monitored, TooManyFailuresHandOverOnce) {
    probe_fails();
    probe_fails();
    EXPECT_FALSE(bench.has_said("ask_resources local me"));
    probe_fails();
    EXPECT_TRUE(bench.has_said("ask_resources local me"));
    bench.pass(Time{11'000});  // the partner does not answer
    for (int i = 0; i < 6; ++i) {
        probe_fails();
    }
    EXPECT_FALSE(bench.has_said("ask_resources local me"));  // the limit
    EXPECT_TRUE(bench.runs("mysqld"));
}

TEST(Ipfail, TheNodeThatReachesLessGivesUp) {
    Bench bench(settings_for("node-a",
                             "auto_failback off\nping 10.77.0.254\n"
                             "respawn hacluster /usr/libexec/heartbeat/ipfail\n"));
    bench.answer_pings = true;
    bench.bring_up();
    bench.resource("none", "1");
    bench.said();
    bench.answer_pings = false;
    bench.pass(Time{3200});
    EXPECT_TRUE(bench.has_said("num_ping_nodes 0"));
    Message count("num_ping_nodes");
    count.set("num_ping", "1").set("dest", "node-a");
    bench.hear(count);
    bench.pass(Time{1900});
    EXPECT_FALSE(bench.has_said("ask_resources all me"));
    bench.pass(Time{200});
    EXPECT_TRUE(bench.has_said("ask_resources all me"));
}

TEST(Ipfail, EqualCountsCancelAndAreAnswered) {
    Bench bench(settings_for("node-a",
                             "auto_failback off\nping 10.77.0.254\n"
                             "respawn hacluster /usr/libexec/heartbeat/ipfail\n"));
    bench.answer_pings = true;
    bench.bring_up();
    bench.hear(Message("you_are_dead"));
    Message count("num_ping_nodes");
    count.set("num_ping", "1").set("dest", "node-a");
    bench.hear(count);
    EXPECT_TRUE(bench.has_said("abort_giveup"));
    bench.pass(Time{5000});
    EXPECT_FALSE(bench.has_said("ask_resources all me"));
    count.set("num_ping", "0");
    bench.hear(count);
    EXPECT_TRUE(bench.has_said("you_are_dead"));
}

TEST(Outdating, GoesToThePartnerAndBack) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::OutdateRequest{5, "r0", "node-b"});
    auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].type(), "start_outdate");
    EXPECT_EQ(sent[0].get("dop_res"), "r0");
    EXPECT_EQ(sent[0].get("to_id"), "dopd");
    bench.step(hb::OutdateRequest{6, "r0", "node-b"});
    EXPECT_EQ(bench.take<hb::OutdateAnswer>().at(0).exit_code, 21);
    Message answer("outdate_rc");
    answer.set("dop_value", "4").set("dop_res", "r0").set("dest", "node-a");
    bench.hear(answer);
    const auto answers = bench.take<hb::OutdateAnswer>();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].id, 5u);
    EXPECT_EQ(answers[0].exit_code, 4);
}

TEST(Outdating, ADeadPartnerIsUnreachable) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::OutdateRequest{5, "r0", "node-b"});
    bench.partner_beats = false;
    bench.pass(Time{3000});
    EXPECT_EQ(bench.take<hb::OutdateAnswer>().at(0).exit_code, 5);
    bench.step(hb::OutdateRequest{6, "r0", ""});
    EXPECT_EQ(bench.take<hb::OutdateAnswer>().at(0).exit_code, 5);
}

TEST(Outdating, APartnerThatRestartsIsAskedAgain) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::OutdateRequest{5, "r0", "node-b"});
    bench.take_sent();
    bench.partner_restarts();
    EXPECT_TRUE(bench.take<hb::OutdateAnswer>().empty());
    const auto sent = bench.take_sent();
    EXPECT_TRUE(std::any_of(sent.begin(), sent.end(), [](const Message& message) {
        return message.type() == "start_outdate" && message.get("dop_res") == "r0";
    }));
    bench.partner_beats = false;
    bench.pass(Time{3000});
    EXPECT_EQ(bench.take<hb::OutdateAnswer>().at(0).exit_code, 5);
}

TEST(Outdating, APartnerThatIsNotHeardYetIsWaitedFor) {
    Bench bench(settings_for("node-a"));
    bench.partner_beats = false;
    bench.start();
    bench.step(hb::OutdateRequest{5, "r0", "node-b"});
    EXPECT_TRUE(bench.take<hb::OutdateAnswer>().empty());
    bench.take_sent();
    bench.partner_status("up");
    const auto sent = bench.take_sent();
    EXPECT_EQ(
        std::count_if(sent.begin(),
                      sent.end(),
                      [](const Message& message) { return message.type() == "start_outdate"; }),
        1);
    Bench alone(settings_for("node-a"));
    alone.partner_beats = false;
    alone.start();
    alone.step(hb::OutdateRequest{5, "r0", "node-b"});
    alone.pass(Time{13'000});  // it is declared dead
    EXPECT_EQ(alone.take<hb::OutdateAnswer>().at(0).exit_code, 5);
}

TEST(Outdating, ThePartnersRequestRunsDrbdadmAndItsExitCodeIsTranslated) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    const std::map<int, std::string> codes = {{0, "4"}, {5, "3"}, {17, "6"}, {1, "20"}};
    for (const auto& [exit_code, value] : codes) {
        Message request("start_outdate");
        request.set("dop_res", "r0").set("dest", "node-a");
        bench.hear(request);
        const auto runs = bench.take<hb::RunOutdate>();
        ASSERT_EQ(runs.size(), 1u);
        bench.take_sent();
        bench.step(hb::OutdateDone{runs[0].job, exit_code});
        EXPECT_EQ(bench.take_sent().at(0).get("dop_value"), value);
    }
    Message hostile("start_outdate");
    hostile.set("dop_res", "--help; reboot").set("dest", "node-a");
    bench.hear(hostile);
    EXPECT_TRUE(bench.take<hb::RunOutdate>().empty());
}

TEST(Clients, AreStartedWithCommunicationAndRestarted) {
    Bench bench(settings_for("node-a", "auto_failback on\nrespawn root /usr/bin/tool -x\n"));
    bench.start();
    EXPECT_TRUE(bench.take<hb::StartClient>().empty());
    bench.partner_beats = false;
    bench.pass(Time{12'000});
    EXPECT_EQ(bench.take<hb::StartClient>().size(), 1u);
    bench.step(hb::ClientExited{0, 1});
    EXPECT_EQ(bench.take<hb::StartClient>().size(), 1u);
    for (int i = 0; i < 20; ++i) {
        bench.step(hb::ClientExited{0, 1});
    }
    EXPECT_EQ(bench.take<hb::StartClient>().size(), 9u);  // too fast
}

TEST(Clients, ExitCode100IsFinalAndFailfastResets) {
    Bench bench(settings_for("node-a",
                             "auto_failback on\nrespawn root /bin/one\nfailfast root /bin/two\n"));
    bench.bring_up();
    bench.step(hb::ClientExited{0, 100});
    EXPECT_TRUE(bench.take<hb::StartClient>().empty());
    bench.step(hb::ClientExited{1, 0});
    EXPECT_EQ(bench.take<hb::StartClient>().size(), 1u);
    bench.step(hb::ClientExited{1, 3});
    EXPECT_EQ(bench.take<hb::Reboot>().size(), 1u);
}

TEST(Scripts, UnknownTypesRunARcScriptWithTheFields) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    Message message("Custom");
    message.set("word", "value");
    bench.hear(message);
    const auto scripts = bench.take<hb::RunRcScript>();
    ASSERT_EQ(scripts.size(), 1u);
    EXPECT_EQ(scripts[0].type, "custom");
    EXPECT_EQ(scripts[0].environment.at("HA_word"), "value");
    EXPECT_EQ(scripts[0].environment.at("HA_src"), "node-b");
    EXPECT_EQ(scripts[0].environment.at("HA_CURHOST"), "node-a");
    bench.hear(Message("../../etc/passwd"));
    EXPECT_TRUE(bench.take<hb::RunRcScript>().empty());
}

}  // namespace
}  // namespace test
