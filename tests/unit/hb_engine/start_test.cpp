// From the first heartbeat to groups that run.
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

TEST(Start, ThreeStatusMessagesWithAnnouncedDeadtimeOfTheStartPhase) {
    Bench bench(settings_for("node-a"));
    bench.start();
    const auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_EQ(sent[0].get("st"), "init");
    EXPECT_EQ(sent[1].get("st"), "up");
    EXPECT_EQ(sent[2].get("st"), "up");
    EXPECT_EQ(sent[0].get("dt"), "1004");
    EXPECT_EQ(sent[0].get("seq"), "1");
    EXPECT_EQ(sent[2].get("seq"), "3");
    EXPECT_EQ(sent[0].get("hg"), "64");
    EXPECT_EQ(sent[0].get("ttl"), "3");
    EXPECT_EQ(sent[0].get("protocol"), "1");
}

TEST(Start, OrderOfTheFieldsIsTheOriginals) {
    Bench bench(settings_for("node-a"));
    bench.start();
    std::vector<std::string> names;
    for (const auto& field : bench.sent.front().fields()) {
        names.push_back(field.name);
    }
    std::erase(names, "heard");  // ours alone
    EXPECT_EQ(
        names,
        (Lines{"t", "st", "dt", "protocol", "src", "srcuuid", "seq", "hg", "ts", "ld", "ttl"}));
}

TEST(Start, TheMemberListIsAskedForUntilItComes) {
    Bench bench(settings_for("node-a"));
    bench.start();
    bench.partner_status("up");
    EXPECT_EQ(bench.said(), Lines{"reqnodes"});
    bench.pass(Time{1000});
    EXPECT_EQ(bench.said(), Lines{"reqnodes"});
    EXPECT_EQ(bench.engine.status().status, "up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    bench.hear(answer);
    EXPECT_EQ(bench.engine.status().status, "active");
    EXPECT_EQ(bench.said(), Lines{"starting none"});
}

TEST(Start, ARequestForTheMemberListIsAnsweredWithAllMembers) {
    Bench bench(settings_for("node-a"));
    bench.start();
    bench.partner_status("up");
    bench.take_sent();
    Message request("reqnodes");
    request.set("dest", "node-a");
    bench.hear(request);
    const auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].type(), "repnodes");
    EXPECT_EQ(sent[0].get("nodelist"), "node-a node-b ");
    EXPECT_EQ(sent[0].get("delnodelist"), " ");
    EXPECT_EQ(sent[0].get("dest"), "node-b");
    EXPECT_EQ(sent[0].get("destuuid"), "BBBBBBBBBBBBBBBB");
}

TEST(Start, BothNodesWaitTenSecondsForEachOther) {
    Bench bench(settings_for("node-a"));
    bench.start();
    bench.partner_status("up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    bench.hear(answer);
    bench.hear(Message("starting"));
    bench.resource("none", "0");
    EXPECT_EQ(bench.said(), (Lines{"reqnodes", "starting none", "resource none 0"}));
    bench.pass(Time{9900});
    EXPECT_FALSE(bench.runs(kVip));
    bench.pass(Time{200});
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_TRUE(bench.runs("mysqld"));
    EXPECT_EQ(
        bench.said(),
        (Lines{"resource local 1", "ip-request-resp", "resource local 1 req_our_resources()"}));
}

TEST(Start, APartnerThatIsStableEndsTheWait) {
    Bench bench(settings_for("node-a"));
    bench.start();
    bench.partner_status("up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    bench.hear(answer);
    bench.resource("none", "0");
    bench.said();
    bench.resource("local", "1");
    EXPECT_EQ(bench.said(),
              (Lines{"resource none 0",
                     "resource local 1",
                     "ip-request-resp",
                     "resource local 1 req_our_resources()"}));
    EXPECT_EQ(bench.group_state(), "running");
}

TEST(Start, AHolderOfOurGroupsKeepsThem) {
    Bench bench(settings_for("node-a"));
    bench.start();
    bench.partner_status("up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    bench.hear(answer);
    bench.said();
    bench.resource("all", "1");
    EXPECT_EQ(bench.said(), (Lines{"resource none 0", "resource none 1"}));
    bench.pass(Time{20'000});
    EXPECT_FALSE(bench.runs(kVip));
}

TEST(Start, ALoneNodeTakesEverythingAfterInitdead) {
    Bench bench(settings_for("node-b"));
    bench.partner_beats = false;
    bench.start();
    bench.said();
    bench.pass(Time{11'999});
    EXPECT_FALSE(bench.runs(kVip));
    bench.pass(Time{1});
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_EQ(bench.said(),
              (Lines{"starting none",
                     "stonith n_stnth",
                     "resource foreign mach_down",
                     "resource all 1 req_our_resources()"}));
    bench.pass(Time{10'000});
    EXPECT_EQ(bench.said(), Lines{"resource all 1"});
    EXPECT_EQ(bench.engine.status().resources, "all");
}

TEST(Start, WhatRunsAlreadyIsAdoptedUnlessThePartnerHoldsIt) {
    Bench bench(settings_for("node-a"));
    bench.running = {kVip, "mysqld"};
    bench.bring_up("none");
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_EQ(bench.engine.status().nodes[0].hold, "local");

    Bench late(settings_for("node-a"));
    late.running = {kVip, "mysqld"};
    late.bring_up("foreign");
    EXPECT_FALSE(late.runs(kVip));
    EXPECT_FALSE(late.runs("mysqld"));
    EXPECT_EQ(late.engine.status().nodes[0].hold, "none");
}

TEST(Start, AQuickRestartKeepsTheResources) {
    hb::Start start = start_of();
    start.restart_hold = hb::Hold::local;
    Bench bench(settings_for("node-a"), start);
    bench.running = {kVip, "mysqld"};
    bench.start();
    bench.partner_status("up");
    EXPECT_EQ(bench.engine.status().nodes[0].hold, "local");
    bench.pass(Time{12'000});
    for (const std::string& call : bench.calls) {
        EXPECT_TRUE(call.starts_with("status ")) << call;
    }
}

}  // namespace
}  // namespace test
