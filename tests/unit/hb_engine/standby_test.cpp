// The hand-over between live nodes. Heartbeat specification, section 3.7.
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

class Standby : public testing::Test {
protected:
    Standby() : bench(settings_for("node-a")) { bench.bring_up(); }

    int command(hb::Command::Verb verb, const std::string& arg) {
        bench.step(hb::Command{1, verb, arg});
        return bench.take<hb::CommandDone>().at(0).exit_code;
    }

    Bench bench;
};

TEST_F(Standby, IsOfferedAcceptedGivenAndConfirmed) {
    EXPECT_EQ(command(hb::Command::Verb::standby, ""), 0);
    EXPECT_EQ(bench.said(), Lines{"ask_resources all me"});
    EXPECT_TRUE(bench.runs(kVip));
    bench.ask("all", "other");
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_EQ(bench.said(), (Lines{"resource none 0 standby", "ask_resources all done"}));
    bench.ask("all", "done");
    EXPECT_EQ(bench.said(), Lines{"resource none 1"});
    EXPECT_EQ(bench.engine.status().resources, "none");
}

TEST_F(Standby, WithoutAnAnswerNothingMoves) {
    command(hb::Command::Verb::standby, "local");
    bench.pass(Time{10'100});
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_EQ(bench.engine.status().standby, "not");
    bench.ask("local", "other");
    EXPECT_TRUE(bench.runs(kVip));
}

TEST_F(Standby, AnOfferThatOvertookTheReportIsTakenWhenTheReportComes) {
    bench.resource("local", "0");
    bench.said();
    bench.ask("local", "me");
    EXPECT_EQ(bench.said(), Lines{});
    bench.resource("local", "1");
    EXPECT_EQ(bench.said(), (Lines{"resource local 1", "ask_resources local other"}));
    bench.ask("local", "done");
    bench.resource("local", "0");
    bench.ask("local", "me");
    bench.pass(Time{3000});
    bench.said();
    bench.resource("local", "1");  // too late
    EXPECT_EQ(bench.said(), Lines{"resource all 1"});
}

TEST_F(Standby, AnOfferThatIsRepeatedIsAnsweredAgain) {
    bench.ask("local", "me");
    bench.said();
    bench.ask("local", "me");
    EXPECT_EQ(bench.said(), Lines{"ask_resources local other"});
}

TEST_F(Standby, AGiverThatDoesNotBeginIsNotWaitedForLong) {
    bench.ask("local", "me");
    bench.pass(Time{15'100});
    EXPECT_EQ(bench.engine.status().standby, "not");
    bench.ask("local", "me");
    bench.resource("none", "0");
    bench.pass(Time{600'000});
    EXPECT_EQ(bench.engine.status().standby, "other");
}

TEST_F(Standby, IsRefusedWithoutAPartner) {
    bench.partner_beats = false;
    bench.pass(Time{5000});
    EXPECT_EQ(command(hb::Command::Verb::standby, "all"), 1);
    EXPECT_EQ(command(hb::Command::Verb::takeover, "all"), 1);
    EXPECT_EQ(command(hb::Command::Verb::standby, "nonsense"), 1);
}

TEST_F(Standby, TheTakerStartsWhenTheGiverHasStopped) {
    bench.ask("local", "me");  // node-b's own groups; there are none in the file
    EXPECT_EQ(bench.said(), Lines{"ask_resources local other"});
    EXPECT_EQ(bench.engine.status().nodes[0].hold, "local");
    bench.ask("local", "done");
    EXPECT_EQ(bench.said(), (Lines{"ask_resources local done", "resource all 1"}));
}

TEST_F(Standby, ADeathOfTheGiverEndsItInATakeover) {
    bench.ask("local", "me");
    bench.partner_beats = false;
    bench.pass(Time{3000});
    EXPECT_EQ(bench.engine.status().standby, "not");
    EXPECT_EQ(bench.engine.status().resources, "all");
}

TEST_F(Standby, ARequestOfThePartnerIsMirrored) {
    Message request("hb_takeover");
    request.set("rsc_hold", "foreign");  // its foreign groups are ours
    bench.hear(request);
    EXPECT_EQ(bench.said(), Lines{"ask_resources local me"});
}

TEST_F(Standby, TheOriginalsCommandsComeThroughTheFifo) {
    Message message("ask_resources");
    message.set("rsc_hold", "all").set("info", "me");
    bench.step(hb::LocalMessage{message});
    EXPECT_EQ(bench.said(), Lines{"ask_resources all me"});
}

TEST_F(Standby, OfTwoRequestsAtOnceTheLesserNamesWins) {
    command(hb::Command::Verb::standby, "all");
    bench.said();
    bench.ask("all", "me");  // node-b's
    EXPECT_EQ(bench.said(), Lines{});
    bench.ask("all", "other");
    EXPECT_FALSE(bench.runs(kVip));
}

TEST(LegacyMode, GroupsAreAskedForAndGivenOnRequest) {
    Bench bench(settings_for("node-a", "auto_failback legacy\n"));
    bench.start();
    bench.partner_status("up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    bench.hear(answer);
    EXPECT_EQ(bench.said(), (Lines{"reqnodes", "ip-request"}));
    Message response("ip-request-resp");
    response.set("dest", "node-a").set("ipaddr", kVip).set("weown", "no").set("ok", "OK");
    bench.hear(response);
    EXPECT_TRUE(bench.runs(kVip));

    Message request("ip-request");
    request.set("ipaddr", kVip);
    bench.hear(request);
    EXPECT_FALSE(bench.runs(kVip));
    const auto sent = bench.take_sent();
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.back().type(), "ip-request-resp");
    EXPECT_EQ(sent.back().get("weown"), "yes");
    EXPECT_EQ(sent.back().get("ok"), "OK");
}

TEST(LegacyMode, AnAnswerThatNobodyAskedForStartsNothing) {
    Bench bench(settings_for("node-a", "auto_failback legacy\n"));
    bench.start();
    bench.partner_status("up");
    Message response("ip-request-resp");
    response.set("dest", "node-a").set("ipaddr", kVip).set("weown", "no").set("ok", "OK");
    bench.hear(response);
    EXPECT_FALSE(bench.runs(kVip));
}

}  // namespace
}  // namespace test
