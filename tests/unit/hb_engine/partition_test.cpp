// Nodes that return and were never gone, and the node that stood still itself. Heartbeat
// specification, sections 3.3, 3.5 and 7.
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

// Both hold everything after a cut of all links, then they hear each other again.
void part_and_heal(Bench& bench) {
    bench.bring_up("local");
    bench.partner_beats = false;
    bench.pass(Time{6000});
    bench.take_sent();
    bench.kept.clear();
    bench.partner_beats = true;
    bench.partner_status("active");
}

constexpr const char* kBoth =
    "node-a IPaddr::10.77.0.100/24/eth0:1 mysqld\nnode-b IPaddr::10.77.0.101/24/eth0:2 httpd\n";

TEST(Partition, HealedMakesTheNodeReleaseAndRestart) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kBoth));
    part_and_heal(bench);
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::partition));
    bench.pass(Time{1900});
    EXPECT_TRUE(bench.runs("httpd"));
    bench.pass(Time{200});
    EXPECT_FALSE(bench.runs("httpd"));
    EXPECT_FALSE(bench.runs("mysqld"));
    const auto sent = bench.take_sent();
    const auto last = std::find_if(sent.rbegin(), sent.rend(), [](const Message& message) {
        return message.type() == "status";
    });
    EXPECT_EQ(last->get("dt"), "7d64");  // the partner is to wait for the new life
    bench.pass(Time{3000});
    const auto restarts = bench.take<hb::Restart>();
    ASSERT_EQ(restarts.size(), 1u);
    EXPECT_EQ(restarts[0].hold, hb::Hold::none);
    EXPECT_FALSE(bench.engine.next_wakeup());
}

// It restarts in any case, as we do, and takes what we say before that for a conflict.
TEST(Partition, TheOriginalIsToldNothingOfWhatWeHoldBeforeBothRestart) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kBoth));
    part_and_heal(bench);
    bench.pass(Time{1900});
    EXPECT_EQ(bench.said(), Lines{});
    bench.pass(Time{200});
    EXPECT_TRUE(bench.has_said("resource none 0 shutdown"));
}

TEST(Partition, NobodyRestartsWhenThePartnerRunsNothingThatWeRun) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kBoth));
    part_and_heal(bench);
    bench.resource("none", "1");  // it was isolated and has stopped everything
    bench.pass(Time{10'000});
    EXPECT_TRUE(bench.take<hb::Restart>().empty());
    EXPECT_TRUE(bench.runs("httpd"));
    EXPECT_EQ(bench.engine.status().resources, "all");
}

TEST(Partition, ASecondDeathBeforeTheRestartCallsItOff) {
    Bench bench(settings_for("node-a", "auto_failback off\n", kBoth));
    part_and_heal(bench);
    bench.partner_status("active", "3e8");  // one second
    bench.partner_beats = false;
    bench.pass(Time{10'000});
    EXPECT_TRUE(bench.take<hb::Restart>().empty());
    EXPECT_TRUE(bench.runs("httpd"));
}

TEST(Partition, GentlyTheLaterTakerReleasesOnly) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kBoth, "partition_policy gentle\n"));
    part_and_heal(bench);
    EXPECT_TRUE(bench.has_said("partition_claim all"));
    bench.pass(Time{1000});
    EXPECT_TRUE(bench.runs("httpd"));
    Message claim("partition_claim");
    claim.set("rsc_hold", "all").set("answer", "0");
    claim.set("local", "10000").set("foreign", "100");  // its own for long, ours since the cut
    bench.hear(claim);
    EXPECT_FALSE(bench.runs("httpd"));
    EXPECT_TRUE(bench.runs("mysqld"));
    EXPECT_EQ(bench.engine.status().nodes[0].hold, "local");
    bench.pass(Time{10'000});
    EXPECT_TRUE(bench.take<hb::Restart>().empty());
}

TEST(Partition, GentlyWithAPartnerThatDoesNotSettleWeRestart) {
    Bench bench(settings_for("node-a", "auto_failback on\n", kBoth, "partition_policy gentle\n"));
    part_and_heal(bench);
    bench.resource("all", "1");
    bench.pass(Time{10'000});
    EXPECT_EQ(bench.take<hb::Restart>().size(), 1u);
    EXPECT_FALSE(bench.runs("mysqld"));
}

TEST(Partition, AStatusFromBeforeTheDeathIsNoReturn) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    Message old("status");
    old.set("st", "active").set("dt", "834").set("src", "node-b").set("seq", "2").set("hg", "32");
    old.set("ts", "6b006770");
    bench.partner_beats = false;
    bench.pass(Time{5000});
    bench.step(hb::Received{"eth1", old});
    EXPECT_EQ(bench.engine.status().nodes[1].status, "dead");
}

TEST(Partition, APartnerThatTellsOurDeathMakesUsRelease) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    ASSERT_TRUE(bench.runs(kVip));
    Message told("stonith");
    told.set("node", "node-a").set("result", "unneeded");
    bench.hear(told);
    EXPECT_TRUE(bench.runs(kVip));
    told.set("result", "n_stnth");
    bench.hear(told);
    EXPECT_FALSE(bench.runs(kVip));
    bench.pass(Time{3000});
    EXPECT_EQ(bench.take<hb::Restart>().size(), 1u);
}

TEST(Stall, ANodeThatStoodStillReleasesInSilenceAndRestarts) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    ASSERT_TRUE(bench.runs(kVip));
    bench.stand_still(Time{2200});
    bench.step(hb::Tick{});
    EXPECT_FALSE(bench.runs(kVip));
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::stall));
    bench.partner_beats = false;
    bench.pass(Time{5000});
    EXPECT_TRUE(bench.take_sent().empty());  // in its old life the partner would see a partition
    EXPECT_EQ(bench.take<hb::Restart>().size(), 1u);
}

TEST(Stall, AWallClockThatJumpsIsNone) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.wall += 100'000;
    bench.pass(Time{3000});
    bench.wall -= 1'000'000;
    bench.pass(Time{3000});
    EXPECT_TRUE(bench.runs(kVip));
    EXPECT_EQ(bench.engine.status().nodes[1].status, "active");
}

TEST(Audit, TwoClaimsAreAnAlarmAndTheLaterTakerReleases) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.resource("foreign", "1");
    bench.pass(Time{11'000});
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::dual_claim));
    Message claim("partition_claim");
    claim.set("rsc_hold", "foreign").set("answer", "0").set("foreign", "100000");
    bench.hear(claim);
    EXPECT_FALSE(bench.runs(kVip));
}

TEST(Audit, OurGroupsThatNobodyHoldsAreAcquired) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::Command{1, hb::Command::Verb::standby, "all"});
    bench.ask("all", "other");
    bench.ask("all", "done");
    bench.resource("none", "1");
    bench.pass(Time{12'000});
    EXPECT_TRUE(bench.runs(kVip));
}

TEST(Audit, ADuplicateAddressIsAnAlarm) {
    Bench bench(settings_for("node-a"));
    bench.bring_up();
    bench.step(hb::AddressConflict{"10.77.0.100", "02:00:00:00:00:02"});
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::duplicate_address));
    EXPECT_TRUE(bench.runs(kVip));
}

}  // namespace
}  // namespace test
