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

    void command(hb::Command::Verb verb, const std::string& arg) {
        bench.step(hb::Command{1, verb, arg});
    }

    // "-": the command has not been answered yet.
    std::string answer() {
        const auto done = bench.take<hb::CommandDone>();
        EXPECT_LE(done.size(), 1u);
        return done.empty() ? "-" : std::to_string(done[0].exit_code) + " " + done[0].text;
    }

    std::string refusal(hb::Command::Verb verb, const std::string& arg) {
        command(verb, arg);
        return answer().substr(0, 2);
    }

    Bench bench;
};

TEST_F(Standby, IsOfferedAcceptedGivenAndConfirmed) {
    command(hb::Command::Verb::standby, "");
    EXPECT_EQ(bench.said(), Lines{"ask_resources all me"});
    EXPECT_TRUE(bench.runs(kVip));
    bench.ask("all", "other");
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_EQ(bench.said(), (Lines{"resource none 0 standby", "ask_resources all done"}));
    bench.pass(Time{60'000});
    EXPECT_EQ(answer(), "-");  // our agents have stopped; the partner's are at work
    bench.said();
    bench.ask("all", "done");
    EXPECT_EQ(answer(), "0 node-b runs the resources");
    EXPECT_EQ(bench.said(), Lines{"resource none 1"});
    EXPECT_EQ(bench.engine.status().resources, "none");
}

TEST_F(Standby, WhoWaitsHearsThatThePartnerCouldNotStartAll) {
    command(hb::Command::Verb::standby, "");
    bench.ask("all", "other");
    Message done("ask_resources");
    done.set("rsc_hold", "all").set("info", "done").set("result", "bad");
    bench.hear(done);
    EXPECT_TRUE(answer().starts_with("1 node-b could not start all"));
    EXPECT_EQ(bench.engine.status().standby, "not");
}

TEST_F(Standby, WhoWaitsHearsOfEveryOtherEnd) {
    command(hb::Command::Verb::standby, "");
    bench.pass(Time{10'100});
    EXPECT_TRUE(answer().starts_with("1 the partner does not answer"));
    command(hb::Command::Verb::standby, "");
    bench.partner_beats = false;
    bench.pass(Time{3000});
    EXPECT_EQ(answer(), "1 the other node is gone");
}

TEST_F(Standby, ATakeoverIsAnsweredWhenOurAgentsAreReady) {
    command(hb::Command::Verb::standby, "");
    bench.ask("all", "other");
    bench.ask("all", "done");
    bench.resource("all", "1");
    answer();
    bench.said();
    command(hb::Command::Verb::takeover, "all");
    bench.ask("all", "me");
    EXPECT_EQ(answer(), "-");
    bench.hanging.insert("start mysqld");
    bench.ask("all", "done");
    EXPECT_EQ(answer(), "-");
    bench.step(hb::AgentDone{bench.last_job, hb::AgentEnd::exited, 0, ""});
    EXPECT_EQ(answer(), "0 Took resources from the partner");
}

TEST_F(Standby, ATakerThatFailsSaysSoToBoth) {
    command(hb::Command::Verb::standby, "");
    bench.ask("all", "other");
    bench.ask("all", "done");
    bench.resource("all", "1");
    answer();
    command(hb::Command::Verb::takeover, "all");
    bench.ask("all", "me");
    bench.wrong["start mysqld"] = hb::AgentDone{0, hb::AgentEnd::exited, 1, ""};
    bench.take_sent();
    bench.ask("all", "done");
    EXPECT_TRUE(answer().starts_with("1 Took resources from the partner, but not all"));
    const auto sent = bench.take_sent();
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.front().type(), "ask_resources");
    EXPECT_EQ(sent.front().get("result"), "bad");
}

TEST_F(Standby, ATakeoverThatIsNotHeardIsAnsweredSoon) {
    command(hb::Command::Verb::takeover, "all");
    bench.pass(Time{5100});
    EXPECT_TRUE(answer().starts_with("1 the partner has offered nothing"));
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
    EXPECT_EQ(refusal(hb::Command::Verb::standby, "all"), "1 ");
    EXPECT_EQ(refusal(hb::Command::Verb::takeover, "all"), "1 ");
    EXPECT_EQ(refusal(hb::Command::Verb::standby, "nonsense"), "1 ");
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
