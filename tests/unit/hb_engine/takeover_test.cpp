// From the silence of the partner to our agents, and what may stand between. Heartbeat
// specification, sections 3.3, 3.4 and 7.
#include "heartbeat/engine/heartbeat.h"
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

constexpr const char* kPing = "auto_failback on\nping 10.77.0.254\n";
constexpr const char* kHome = "node-b IPaddr::10.77.0.100/24/eth0:1 mysqld\n";  // the partner's

// Node-b, the home of the group, holds it; then it falls silent for good.
class Takeover : public testing::Test {
protected:
    void make(const std::string& policy = "", const std::string& lines = "auto_failback on\n") {
        bench.emplace(settings_for("node-a", lines, kHome, policy));
        bench->answer_pings = true;
        bench->bring_up("local");
        bench->partner_status("active");
        bench->take_sent();
        bench->partner_beats = false;
    }

    void return_of_the_partner() { bench->partner_status("active"); }

    std::optional<Bench> bench;
};

TEST_F(Takeover, ComesWhenTheAnnouncedDeadtimeHasPassed) {
    make();
    bench->pass(Time{2099});
    EXPECT_FALSE(bench->runs(kVip));
    bench->pass(Time{1});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->runs("mysqld"));
    EXPECT_EQ(bench->said(),
              (Lines{"stonith n_stnth",
                     "resource foreign mach_down",
                     "resource all 1 req_our_resources()"}));
    EXPECT_EQ(bench->engine.status().resources, "all");
    EXPECT_TRUE(bench->alarmed(hb::AlarmKind::takeover));
}

TEST_F(Takeover, TheDeadtimeIsTheOneThatThePartnerAnnounced) {
    make();
    bench->partner_status("active", "2710");  // 10 s
    bench->pass(Time{9999});
    EXPECT_FALSE(bench->runs(kVip));
    bench->pass(Time{1});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, OtherMessagesThanStatusDoNotKeepANodeAlive) {
    make();
    bench->pass(Time{2000});
    bench->hear(Message("chatter"));
    bench->pass(Time{100});
    EXPECT_EQ(bench->engine.status().nodes[1].status, "dead");
}

// It counts in whole seconds, and resets a node that hangs a moment after that is declared dead.
TEST_F(Takeover, WaitsForTheWatchdogOfASilentPartner) {
    make("", "auto_failback on\nwatchdog /dev/watchdog\n");
    bench->pass(Time{3499});  // announced are 2.1 s
    EXPECT_FALSE(bench->runs(kVip));
    bench->pass(Time{1});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, TheWatchdogsTimeIsDeadtimeInWholeSeconds) {
    using namespace std::chrono_literals;
    EXPECT_EQ(hb::watchdog_timeout(400ms), 1s);
    EXPECT_EQ(hb::watchdog_timeout(990ms), 1s);
    EXPECT_EQ(hb::watchdog_timeout(991ms), 2s);
    EXPECT_EQ(hb::watchdog_timeout(30s), 31s);
}

// Once in each silence, at half of the deadtime.
TEST_F(Takeover, TheReplicationIsAskedBeforeThePartnerIsDeclaredDead) {
    make();
    bench->pass(Time{1049});
    EXPECT_TRUE(bench->take<hb::SuspectPartner>().empty());
    bench->pass(Time{1});
    EXPECT_EQ(bench->take<hb::SuspectPartner>().size(), 1u);
    bench->pass(Time{900});
    bench->partner_status("active");
    bench->pass(Time{1049});
    EXPECT_TRUE(bench->take<hb::SuspectPartner>().empty());
    bench->pass(Time{1051});
    EXPECT_EQ(bench->take<hb::SuspectPartner>().size(), 1u);
    EXPECT_EQ(bench->take<hb::CutReplication>().size(), 1u);
}

TEST_F(Takeover, TheReplicationIsCutFirst) {
    make();
    bench->answer_cut = false;
    bench->pass(Time{2100});
    EXPECT_EQ(bench->take<hb::CutReplication>().size(), 1u);
    EXPECT_FALSE(bench->runs(kVip));
    bench->step(hb::ReplicationCut{true, ""});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, AReplicationThatDoesNotAnswerIsNotWaitedForLong) {
    make();
    bench->answer_cut = false;
    bench->pass(Time{7000});
    EXPECT_FALSE(bench->runs(kVip));
    bench->pass(Time{100});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, OwnSlownessIsNoDeath) {
    make();
    bench->pass(Time{500});
    bench->now += Time{1700};  // the loop was busy; the status waits in the socket
    bench->step(hb::Tick{});
    EXPECT_EQ(bench->engine.status().nodes[1].status, "active");
    bench->partner_status("active");
    bench->pass(Time{2000});
    EXPECT_EQ(bench->engine.status().nodes[1].status, "active");
    EXPECT_FALSE(bench->runs(kVip));
}

TEST_F(Takeover, WaitsForFencingAndTriesAgain) {
    make("", "auto_failback on\nstonith_host * external/ssh node-a node-b\n");
    bench->pass(Time{2100});
    auto fences = bench->take<hb::Fence>();
    ASSERT_EQ(fences.size(), 1u);
    EXPECT_EQ(fences[0].node, "node-b");
    bench->pass(Time{60'000});
    EXPECT_FALSE(bench->runs(kVip));
    bench->step(hb::FenceDone{fences[0].job, "node-b", false, "no answer"});
    EXPECT_TRUE(bench->alarmed(hb::AlarmKind::fencing));
    bench->pass(Time{5000});
    const auto again = bench->take<hb::Fence>();
    ASSERT_EQ(again.size(), 1u);
    bench->step(hb::FenceDone{fences[0].job, "node-b", true, "late"});
    EXPECT_FALSE(bench->runs(kVip));  // the first attempt's result counts no more
    bench->step(hb::FenceDone{again[0].job, "node-b", true, "off"});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->has_said("stonith OK"));
}

TEST_F(Takeover, APartnerThatHeldNothingIsFencedBeforeWeTakeMore) {
    bench.emplace(settings_for("node-a", "auto_failback on\nstonith_host * null node-b\n", kHome));
    bench->bring_up("none");
    bench->partner_beats = false;
    bench->pass(Time{2200});
    EXPECT_EQ(bench->take<hb::Fence>().size(), 1u);
    EXPECT_FALSE(bench->runs(kVip));
}

TEST_F(Takeover, NothingIsToBeDoneWhenWeHoldAllAndItHeldNothing) {
    bench.emplace(settings_for("node-a", "auto_failback on\nstonith_host * null node-b\n"));
    bench->partner_beats = false;
    bench->start();
    bench->pass(Time{12'000});
    auto fences = bench->take<hb::Fence>();
    ASSERT_EQ(fences.size(), 1u);
    bench->step(hb::FenceDone{fences[0].job, "node-b", true, ""});
    bench->pass(Time{10'000});
    bench->partner_restarts();
    bench->resource("none", "0");
    bench->take_sent();
    bench->pass(Time{5000});
    EXPECT_EQ(bench->engine.status().nodes[1].status, "dead");
    EXPECT_TRUE(bench->take<hb::Fence>().empty());
    EXPECT_TRUE(bench->has_said("stonith unneeded"));
}

TEST_F(Takeover, IsDelayedAndCancelledByTheReturn) {
    make("takeover_delay 5\n");
    bench->pass(Time{2100});
    EXPECT_TRUE(bench->alarmed(hb::AlarmKind::takeover));
    bench->pass(Time{4999});
    EXPECT_FALSE(bench->runs(kVip));
    return_of_the_partner();
    bench->partner_beats = true;
    bench->pass(Time{20'000});
    EXPECT_FALSE(bench->runs(kVip));
    EXPECT_TRUE(bench->take<hb::Restart>().empty());  // nothing was begun
}

TEST_F(Takeover, APersonsWordEndsTheDelay) {
    make("takeover_delay 50\n");
    bench->pass(Time{3000});
    bench->hanging.insert("start mysqld");
    bench->step(hb::Command{9, hb::Command::Verb::takeover, "all"});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->take<hb::CommandDone>().empty());  // mysqld does not run yet
    bench->step(hb::AgentDone{bench->last_job, hb::AgentEnd::exited, 0, ""});
    const auto done = bench->take<hb::CommandDone>();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].exit_code, 0);
}

TEST_F(Takeover, APersonsWordDoesNotTakeTheTimeThatAnIsolatedPartnerNeeds) {
    make("takeover_delay 5\nquorum_ping 1\n", kPing);
    bench->pass(Time{4000});
    bench->step(hb::Command{9, hb::Command::Verb::takeover, "all"});
    EXPECT_EQ(bench->take<hb::CommandDone>().at(0).exit_code, 1);
    EXPECT_FALSE(bench->runs(kVip));
}

TEST_F(Takeover, WhoWaitsHearsThatThePartnerIsBack) {
    make("takeover manual\n");
    bench->pass(Time{3000});
    bench->step(hb::Command{9, hb::Command::Verb::await_takeover, ""});
    EXPECT_TRUE(bench->take<hb::CommandDone>().empty());
    return_of_the_partner();
    EXPECT_EQ(bench->take<hb::CommandDone>().at(0).exit_code, 1);
}

TEST_F(Takeover, PeopleAreToldOfEveryDeath) {
    make("takeover manual\n");
    const auto told = [&] {
        std::vector<hb::AlarmKind> kinds;
        for (const hb::Alarm& alarm : bench->take<hb::Alarm>()) {
            kinds.push_back(alarm.kind);
        }
        return kinds;
    };
    const std::vector<hb::AlarmKind> wanted = {hb::AlarmKind::node_dead, hb::AlarmKind::takeover};
    told();
    bench->pass(Time{3000});
    EXPECT_EQ(told(), wanted);
    return_of_the_partner();
    told();
    bench->pass(Time{5000});  // silent again
    EXPECT_EQ(told(), wanted);
}

TEST_F(Takeover, WhoWaitsHearsAfterOurOwnGroups) {
    bench.emplace(settings_for("node-a",
                               "auto_failback on\n",
                               std::string("node-a ") + kVip + " mysqld\n",
                               "takeover manual\n"));
    bench->bring_up("all");
    bench->partner_beats = false;
    bench->pass(Time{4000});
    bench->hanging.insert("start mysqld");
    bench->step(hb::Command{9, hb::Command::Verb::takeover, "all"});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->take<hb::CommandDone>().empty());
    bench->step(hb::AgentDone{bench->last_job, hb::AgentEnd::exited, 0, ""});
    EXPECT_EQ(bench->take<hb::CommandDone>().at(0).exit_code, 0);
}

TEST_F(Takeover, ADeviceThatLiesIsFoundOutWhenTheNodeIsHeard) {
    make("", "auto_failback on\nstonith_host * null node-b\n");
    bench->pass(Time{2100});
    const auto fences = bench->take<hb::Fence>();
    ASSERT_EQ(fences.size(), 1u);
    return_of_the_partner();
    const auto cancelled = bench->take<hb::CancelFence>();
    ASSERT_EQ(cancelled.size(), 1u);
    EXPECT_EQ(cancelled[0].job, fences[0].job);
    EXPECT_FALSE(bench->alarmed(hb::AlarmKind::fencing));
    bench->step(hb::FenceDone{fences[0].job, "node-b", true, "off"});
    EXPECT_TRUE(bench->alarmed(hb::AlarmKind::fencing));
    EXPECT_FALSE(bench->runs(kVip));
}

TEST_F(Takeover, ComesAfterTheDelay) {
    make("takeover_delay 5\n");
    bench->pass(Time{7100});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, WaitsForAPersonsWord) {
    make("takeover manual\n");
    bench->pass(Time{3'600'000});
    EXPECT_FALSE(bench->runs(kVip));
    EXPECT_NE(bench->engine.status().pending.find("hb_takeover"), std::string::npos);
    bench->step(hb::Command{9, hb::Command::Verb::takeover, "all"});
    EXPECT_TRUE(bench->runs(kVip));
    const auto done = bench->take<hb::CommandDone>();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].exit_code, 0);
}

TEST_F(Takeover, ThereIsNothingToConfirmWhileThePartnerLives) {
    make("takeover manual\n");
    bench->step(hb::Command{9, hb::Command::Verb::confirm_takeover, ""});
    EXPECT_EQ(bench->take<hb::CommandDone>().at(0).exit_code, 1);
}

TEST_F(Takeover, NeedsTheAnswersOfPingNodesAndGraceForAnIsolatedPartner) {
    make("quorum_ping 1\n", kPing);
    bench->pass(
        Time{8100});  // 2.1 s of deadtime, 4 s until it must have noticed, 2.1 s for its stops
    EXPECT_FALSE(bench->runs(kVip));
    bench->pass(Time{1200});
    EXPECT_TRUE(bench->runs(kVip));
}

TEST_F(Takeover, DoesNotComeOnAnIsolatedNode) {
    make("quorum_ping 1\n", kPing);
    bench->answer_pings = false;
    bench->pass(Time{600'000});
    EXPECT_FALSE(bench->runs(kVip));
    EXPECT_EQ(bench->engine.status().pending, "answers of ping nodes");
    bench->answer_pings = true;
    bench->pass(Time{8000});
    EXPECT_TRUE(bench->runs(kVip));
}

class Isolated : public testing::Test {
protected:
    Isolated()
        : bench(settings_for(
              "node-a", kPing, std::string("node-a ") + kVip + " mysqld\n", "quorum_ping 1\n")) {
        bench.answer_pings = true;
        bench.bring_up("none");
        EXPECT_TRUE(bench.runs(kVip));
        bench.partner_status("active");
        bench.partner_beats = false;
    }

    Bench bench;
};

TEST_F(Isolated, StopsItsResourcesBeforeThePartnerMayStartThem) {
    bench.answer_pings = false;
    bench.pass(Time{2600});
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_EQ(bench.engine.status().nodes[0].hold, "none");
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::partition));
    EXPECT_TRUE(bench.take<hb::Reboot>().empty());
}

TEST_F(Isolated, ResetsItselfWhenTheResourcesDoNotStopInTime) {
    bench.answer_pings = false;
    bench.hanging.insert("stop mysqld");
    bench.pass(Time{6200});  // the partner may begin 2100 + 4000 + 2100 ms after our last heartbeat
    EXPECT_EQ(bench.take<hb::Reboot>().size(), 1u);
}

TEST_F(Isolated, DoesNotWaitForTheLongDeadtimeOfARestartingPartner) {
    bench.partner_status("active", "7d64");
    bench.answer_pings = false;
    bench.pass(Time{4000});
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_EQ(bench.engine.status().nodes[1].status, "active");
    bench.answer_pings = true;
    bench.partner_beats = true;
    bench.pass(Time{20'000});
    EXPECT_TRUE(bench.runs(kVip));  // nobody else holds it
}

// It may be started again unheard; then it waits for initdead, 12 s, before it takes anything.
TEST_F(Isolated, TrustsAPartnerThatSaidGoodbyeForAsLongAsItNeedsToReturn) {
    Message done("shutdone");
    done.set("st", "dead");
    bench.hear(done);
    bench.pass(Time{5000});
    EXPECT_TRUE(bench.runs(kVip));
    bench.answer_pings = false;
    bench.pass(Time{11'000});
    EXPECT_TRUE(bench.runs(kVip));
    bench.pass(Time{3000});
    EXPECT_FALSE(bench.runs(kVip));
}

TEST_F(Isolated, KeepsItsResourcesWhileAPingNodeAnswers) {
    bench.pass(Time{60'000});
    EXPECT_TRUE(bench.runs(kVip));
}

TEST_F(Isolated, NoticesPingNodesThatFallSilentLater) {
    bench.pass(Time{30'000});
    bench.answer_pings = false;
    bench.pass(Time{4000});
    EXPECT_FALSE(bench.runs(kVip));
}

TEST_F(Takeover, OnAnOrderlyGoodbyeNeedsNoFencingAndNoDelay) {
    make("takeover manual\n", "auto_failback on\nstonith_host * null node-b\n");
    Message leaving("resource");
    leaving.set("rsc_hold", "none").set("rtype", "full").set("isstable", "0");
    leaving.set("info", "shutdown");
    bench->hear(leaving);
    Message done("shutdone");
    done.set("st", "dead");
    bench->hear(done);
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->take<hb::CutReplication>().empty());  // its disk is still good
    bench->pass(Time{3000});
    EXPECT_TRUE(bench->take<hb::Fence>().empty());
    EXPECT_TRUE(bench->has_said("stonith unneeded"));
}

TEST_F(Takeover, ARestartedPartnerIsNoPartition) {
    make();
    bench->pass(Time{5000});
    ASSERT_TRUE(bench->runs(kVip));
    bench->partner_beats = true;
    bench->partner_restarts();
    bench->pass(Time{5000});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_TRUE(bench->take<hb::Restart>().empty());
    EXPECT_FALSE(bench->alarmed(hb::AlarmKind::partition));
}

TEST_F(Takeover, GroupsGoHomeWhenTheirHomeIsBackAndStable) {
    make();
    bench->pass(Time{3000});
    bench->partner_beats = true;
    bench->partner_restarts();
    bench->partner_status("active");
    bench->hear(Message("starting"));
    bench->said();
    bench->resource("none", "0");
    bench->resource("none", "1");
    EXPECT_EQ(bench->said(), (Lines{"resource all 1", "ask_resources foreign me"}));
    bench->ask("foreign", "other");
    EXPECT_EQ(bench->said(), (Lines{"resource local 0 standby", "ask_resources foreign done"}));
    EXPECT_FALSE(bench->runs(kVip));
    bench->resource("local", "1");
    bench->ask("foreign", "done");
    bench->resource("local", "1");
    EXPECT_EQ(bench->engine.status().resources, "local");
}

TEST_F(Takeover, AnUnansweredOfferToGoHomeIsRepeated) {
    make();
    bench->pass(Time{3000});
    bench->partner_beats = true;
    bench->partner_restarts();
    bench->partner_status("active");
    bench->resource("none", "1");
    EXPECT_TRUE(bench->has_said("ask_resources foreign me"));
    bench->pass(Time{15'500});  // 10 s for the answer, 5 s after the first refusal
    EXPECT_TRUE(bench->has_said("ask_resources foreign me"));
}

TEST_F(Takeover, APartnerThatIsHeardAtLastIsToldThatWeStart) {
    bench.emplace(settings_for("node-a", kPing, kHome, "quorum_ping 1\n"));
    bench->partner_beats = false;
    bench->start();
    bench->pass(Time{20'000});
    EXPECT_FALSE(bench->runs(kVip));
    bench->take_sent();
    bench->partner_beats = true;
    bench->partner_status("active");
    EXPECT_TRUE(bench->has_said("starting none"));
}

TEST_F(Takeover, APartnerThatRestartedUnheardIsToldWhatWeHold) {
    make("", "auto_failback off\n");
    bench->pass(Time{3000});
    bench->take_sent();
    bench->partner_restarts_unheard();
    EXPECT_TRUE(bench->has_said("resource all 1"));
}

TEST_F(Takeover, GroupsStayWithAutoFailbackOff) {
    make("", "auto_failback off\n");
    bench->pass(Time{3000});
    bench->partner_beats = true;
    bench->partner_restarts();
    bench->partner_status("active");
    bench->hear(Message("starting"));
    bench->resource("none", "1");
    bench->pass(Time{30'000});
    EXPECT_TRUE(bench->runs(kVip));
    EXPECT_FALSE(bench->has_said("ask_resources foreign me"));
}

TEST_F(Takeover, LosingOneOfTwoPathsIsAnAlarmOnly) {
    make("", "auto_failback on\nucast eth0 10.77.0.2\n");
    bench->partner_beats = true;
    Message once("chatter");
    bench->pass(Time{900});
    Message copy = once;
    copy.set("src", "node-b").set("seq", "1").set("hg", "32").set("ts", "1");
    bench->step(hb::Received{"eth0", copy});
    bench->take<hb::Alarm>();
    bench->pass(Time{3000});
    EXPECT_TRUE(bench->alarmed(hb::AlarmKind::last_link));
    EXPECT_FALSE(bench->runs(kVip));
}

}  // namespace
}  // namespace test
