// Faults that no other test noticed when they were put into the engine (tests/hbsim/mutants): what
// is looked at once more before it is done, and what ends in the middle.
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

constexpr const char* kWithPing = "auto_failback on\nping 10.77.0.254\n";
constexpr const char* kTheirs = "node-b IPaddr::10.77.0.100/24/eth0:1 mysqld\n";
constexpr const char* kTwoHomes =
    "node-a IPaddr::10.77.0.100/24/eth0:1 mysqld\nnode-b IPaddr::10.77.0.101/24/eth0:2 httpd\n";
constexpr const char* kTwoOfOurs =
    "node-a IPaddr::10.77.0.100/24/eth0:1 mysqld\nnode-a IPaddr::10.77.0.101/24/eth0:2 httpd\n";

// Node-b holds its group and falls silent.
void lose_the_holder(Bench& bench) {
    bench.answer_pings = true;
    bench.bring_up("local");
    bench.partner_status("active");
    bench.take_sent();
    bench.kept.clear();
    bench.partner_beats = false;
}

hb::AgentDone ended(const Bench& bench, hb::AgentEnd end = hb::AgentEnd::exited) {
    return hb::AgentDone{bench.last_job, end, 0, ""};
}

std::ptrdiff_t times(const Lines& lines, const std::string& line) {
    return std::count(lines.begin(), lines.end(), line);
}

TEST(Quorum, IsLookedAtAgainAfterTheGrace) {
    Bench bench(settings_for("node-a", kWithPing, kTheirs, "quorum_ping 1\n"));
    lose_the_holder(bench);
    bench.pass(Time{5000});
    EXPECT_EQ(bench.engine.status().pending, "takeover delay");
    bench.answer_pings = false;
    bench.pass(Time{30'000});
    EXPECT_EQ(times(bench.calls, std::string("start ") + kVip), 0);  // nor begun and given up
}

TEST(Quorum, APersonsWordInManualModeDoesNotEndTheGrace) {
    Bench bench(settings_for("node-a", kWithPing, kTheirs, "quorum_ping 1\ntakeover manual\n"));
    lose_the_holder(bench);
    bench.pass(Time{5000});
    bench.step(hb::Command{1, hb::Command::Verb::takeover, "all"});
    bench.pass(Time{1000});
    EXPECT_FALSE(bench.runs(kVip));
    bench.pass(Time{5000});
    EXPECT_TRUE(bench.runs(kVip));
}

// The partner goes on saying which of our heartbeats it heard last: it is an old one.
TEST(Quorum, AHolderThatIsNotHeardStopsWithoutBeingTold) {
    Bench bench(settings_for(
        "node-a", kWithPing, std::string("node-a ") + kVip + " mysqld\n", "quorum_ping 1\n"));
    bench.answer_pings = true;
    bench.bring_up("none");
    ASSERT_TRUE(bench.runs(kVip));
    bench.partner_beats = bench.answer_pings = false;
    for (int i = 0; i < 10; ++i) {
        Message status("status");
        status.set("st", "active").set("dt", "834").set("heard", "64.3");
        bench.hear(status);
        bench.pass(Time{500});
    }
    EXPECT_FALSE(bench.runs(kVip));
}

TEST(Quorum, AnIsolationKillsTheStartThatIsAtWorkAndForgetsItsBatch) {
    Bench bench(settings_for("node-a", kWithPing, kTheirs, "quorum_ping 1\n"));
    lose_the_holder(bench);
    bench.hanging.insert("start mysqld");
    bench.pass(Time{9500});
    ASSERT_TRUE(bench.runs(kVip));
    bench.answer_pings = false;
    bench.said();
    std::size_t killed = 0;
    for (int i = 0; i < 50 && killed == 0; ++i) {
        bench.pass(Time{100});
        killed = bench.take<hb::KillAgent>().size();
    }
    ASSERT_EQ(killed, 1u);
    bench.step(ended(bench, hb::AgentEnd::killed));
    bench.pass(Time{500});
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_EQ(times(bench.said(), "resource foreign mach_down"), 0);
}

TEST(Death, OfAPartnerThatClaimsWhatWeHoldIsNoReliefFromFencing) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kTwoHomes));
    lose_the_holder(bench);
    bench.pass(Time{3000});
    ASSERT_EQ(bench.engine.status().resources, "all");
    bench.partner_restarts();
    bench.partner_status("active");
    bench.resource("local", "0");
    bench.said();
    bench.pass(Time{2500});
    EXPECT_EQ(times(bench.said(), "stonith n_stnth"), 1);
}

TEST(Death, AGoodbyeIsForgottenWithTheLifeThatSaidIt) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kTheirs));
    lose_the_holder(bench);
    Message done("shutdone");
    done.set("st", "dead");
    bench.hear(done);
    ASSERT_TRUE(bench.runs(kVip));
    bench.partner_restarts_unheard();
    bench.said();
    bench.pass(Time{3000});
    EXPECT_EQ(times(bench.said(), "stonith n_stnth"), 1);
}

// What was recorded before the death is not taken for an answer after it.
TEST(Death, NothingFromBeforeItIsBelieved) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kTheirs));
    lose_the_holder(bench);
    bench.pass(Time{3000});
    ASSERT_TRUE(bench.runs(kVip));
    bench.said();
    Message old("starting");
    old.set("src", "node-b").set("seq", "5").set("hg", "32").set("ts", "6b006770");
    bench.step(hb::Received{"eth1", old});
    EXPECT_EQ(bench.said(), Lines{});
}

TEST(ToldDead, ANodeKillsTheAgentThatIsAtWork) {
    Bench bench(settings_for("node-a"));
    bench.hanging.insert("start mysqld");
    bench.bring_up();
    ASSERT_TRUE(bench.runs(kVip));
    Message notice("takeover_notice");
    notice.set("node", "node-a").set("delay", "1000");
    bench.hear(notice);
    EXPECT_EQ(bench.take<hb::KillAgent>().size(), 1u);
}

TEST(FirstLook, IsAwaitedBeforeAnythingIsCertain) {
    Bench bench(settings_for("node-a"));
    bench.hanging.insert("status mysqld");
    bench.bring_up();
    bench.resource("none", "1");
    bench.pass(Time{10'000});
    EXPECT_EQ(bench.engine.status().phase, "received");
    EXPECT_EQ(times(bench.calls, "start mysqld"), 0);
}

// The daemon before this one had it in its file, and was stopping it. Until that has ended it is
// claimed, and what has come of it is asked for.
TEST(FirstLook, IsAlsoForAGroupThatComesWithAReloadWhileAnEarlierAgentWorksOnIt) {
    hb::Start start = start_of();
    start.agents.push_back({7, "httpd", hb::AgentOperation::stop});
    Bench bench(settings_for("node-a"), start);
    bench.bring_up("none");
    const hb::Settings more = settings_for("node-a", "auto_failback on\n", kTwoHomes);
    bench.step(hb::SettingsChanged{more.resources, more.policy});
    bench.pass(Time{1000});
    bench.calls.clear();
    bench.said();
    bench.step(hb::AgentDone{7, hb::AgentEnd::killed, 0, ""});
    bench.pass(Time{1000});
    EXPECT_EQ(times(bench.calls, "status httpd"), 1);
    EXPECT_EQ(times(bench.said(), "resource local 1"), 1);
}

// We hear no more of a life than that it stops everything; the next one is another.
TEST(UnknownLife, ThatWasLeavingIsForgottenWithTheNext) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kTwoHomes, "takeover manual\n"));
    bench.partner_beats = false;
    bench.start();
    bench.pass(Time{13'000});
    Message leaving("resource");
    leaving.set("rsc_hold", "none").set("rtype", "full").set("isstable", "0");
    leaving.set("info", "shutdown");
    bench.hear(leaving);
    bench.partner_restarts();
    bench.partner_beats = true;
    bench.partner_status("active");
    bench.hear(Message("starting"));
    bench.resource("local", "1");
    bench.pass(Time{20'000});
    EXPECT_EQ(bench.engine.status().phase, "stable");
}

// It has settled in its new life before we hear it, so it asks nothing and has nothing new to say.
TEST(UnknownLife, ThatDoesNotSayWhatItHoldsIsAsked) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kTwoHomes));
    bench.bring_up("local");
    bench.partner_restarts_unheard();
    bench.said();
    bench.pass(Time{11'000});
    EXPECT_GE(times(bench.said(), "starting local"), 2);
    bench.resource("local", "1");
    EXPECT_EQ(bench.engine.status().resources, "local");
    bench.said();
    bench.pass(Time{20'000});
    EXPECT_EQ(times(bench.said(), "starting local"), 0);
    EXPECT_GT(*bench.engine.next_wakeup(), bench.now + Time{1});  // and nobody wakes us for it
}

TEST(Failback, ThatWasRefusedIsNotOfferedAgainAtEveryReport) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kTheirs));
    lose_the_holder(bench);
    bench.pass(Time{3000});
    bench.partner_beats = true;
    bench.partner_restarts();
    bench.partner_status("active");
    bench.hear(Message("starting"));
    bench.resource("none", "1");
    EXPECT_EQ(times(bench.said(), "ask_resources foreign me"), 1);
    bench.pass(Time{10'100});  // it does not answer
    bench.said();
    for (int i = 0; i < 4; ++i) {
        bench.resource("none", "1");
        bench.pass(Time{900});
    }
    EXPECT_EQ(times(bench.said(), "ask_resources foreign me"), 0);
}

// A hand-over of everything, offered to a partner of our kind and accepted.
class Handover : public testing::Test {
protected:
    Handover() : bench(settings_for("node-a", "auto_failback off\n")) {
        bench.bring_up();
        Message status("status");
        status.set("st", "active").set("dt", "834").set("heard", "64.1");
        bench.hear(status);
        bench.said();
        bench.step(hb::Command{1, hb::Command::Verb::standby, "all"});
        for (const Message& message : bench.take_sent()) {
            if (message.type() == "ask_resources") {
                id = std::string(message.get("handover"));
            }
        }
        EXPECT_FALSE(id.empty());
    }

    void answer(const std::string& word) {
        Message message("ask_resources");
        message.set("rsc_hold", "all").set("info", word).set("handover", id);
        bench.hear(message);
    }

    Bench bench;
    std::string id;
};

TEST_F(Handover, ThatEndsWhileWeStopIsTakenBack) {
    bench.hanging.insert("stop mysqld");
    answer("other");
    Message over("handover_ended");
    over.set("handover", id).set("reason", "unknown").set("rsc_hold", "none");
    bench.hear(over);
    bench.running.erase("mysqld");
    bench.step(ended(bench));
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_TRUE(bench.runs("mysqld"));
    EXPECT_EQ(times(bench.said(), "ask_resources all done"), 0);
}

TEST_F(Handover, TheGiverSaysAgainThatItHasStopped) {
    answer("other");
    EXPECT_EQ(times(bench.said(), "ask_resources all done"), 1);
    bench.pass(Time{5200});
    EXPECT_EQ(times(bench.said(), "ask_resources all done"), 1);
}

// Node-a could not start its group and has given it to node-b.
class GivenAway : public testing::Test {
protected:
    GivenAway() : bench(settings_for("node-a", "auto_failback on\n")) {
        bench.wrong["start mysqld"] = hb::AgentDone{0, hb::AgentEnd::exited, 1, ""};
        bench.bring_up();
        bench.resource("none", "1");
        bench.pass(Time{25'000});
    }

    void give() {
        bench.ask("local", "other");
        bench.ask("local", "done");
        bench.resource("foreign", "1");
        bench.pass(Time{2000});
        bench.said();
    }

    void offer(bool failed) {
        Message message("ask_resources");
        message.set("rsc_hold", "foreign").set("info", "me").set("handover", "32.1");
        if (failed) {
            message.set("reason", "failed");
        }
        bench.hear(message);
    }

    Bench bench;
};

TEST_F(GivenAway, TheRefusalOfItsReturnIsSaid) {
    give();
    offer(false);
    EXPECT_EQ(bench.said(), Lines{"handover_ended none"});
}

TEST_F(GivenAway, WhatFailsAtThePartnerTooIsTakenBackAfterAMinute) {
    give();
    bench.pass(Time{60'000});
    bench.said();
    offer(true);
    EXPECT_EQ(times(bench.said(), "ask_resources foreign other"), 1);
}

TEST_F(GivenAway, APartnerThatDoesNotTakeItIsNotTheOnlyOneThatTries) {
    bench.calls.clear();
    bench.pass(Time{120'000});
    EXPECT_GE(times(bench.calls, "start mysqld"), 1);
}

TEST(Queue, AGroupThatWasGivenAwayMeanwhileIsNotStarted) {
    Bench bench(settings_for("node-a", "auto_failback legacy\n", kTwoOfOurs));
    bench.partner_beats = false;
    bench.hanging.insert("start mysqld");
    bench.start();
    bench.pass(Time{60'000});
    ASSERT_TRUE(bench.runs(kVip));
    bench.partner_status("up");
    Message request("ip-request");
    request.set("ipaddr", "IPaddr::10.77.0.101/24/eth0:2");
    bench.hear(request);
    bench.running.insert("mysqld");
    bench.step(ended(bench));
    EXPECT_EQ(times(bench.calls, "start IPaddr::10.77.0.101/24/eth0:2"), 0);
}

}  // namespace
}  // namespace test
