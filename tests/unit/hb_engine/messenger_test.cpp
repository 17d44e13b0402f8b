// Numbers, duplicates, gaps, retransmission. Heartbeat specification, section 2.7.
#include "heartbeat/engine/text.h"
#include "tests/unit/hb_engine/bench.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;

// A numbered message of node-b.
Message numbered(const std::string& type, std::uint64_t seq, std::uint64_t generation = 50) {
    Message message(type);
    if (type == "status") {
        message.set("st", "up").set("dt", "834").set("protocol", "1");
    }
    message.set("src", "node-b").set("seq", hb::to_hex(seq)).set("hg", hb::to_hex(generation));
    message.set("ts", "6b006770");
    return message;
}

class Messages : public testing::Test {
protected:
    Messages() : bench(settings_for("node-a")) {
        bench.partner_beats = false;
        bench.start();
        hear(numbered("status", 1));
        bench.take_sent();
    }

    void hear(const Message& message) { bench.step(hb::Received{"eth1", message}); }

    std::vector<Message> sent_of_type(const std::string& type) {
        std::vector<Message> list;
        for (Message& message : bench.take_sent()) {
            if (message.type() == type) {
                list.push_back(std::move(message));
            }
        }
        return list;
    }

    std::size_t scripts() { return bench.take<hb::RunRcScript>().size(); }

    Bench bench;
};

TEST_F(Messages, ACopyOverAnotherMediumIsOneMessageAndTwoLinks) {
    hear(numbered("hello", 2));
    bench.step(hb::Received{"eth0", numbered("hello", 2)});
    EXPECT_EQ(scripts(), 1u);
    const auto links = bench.engine.status().nodes[1].links;
    ASSERT_EQ(links.size(), 2u);
    EXPECT_TRUE(links[0].up);
    EXPECT_TRUE(links[1].up);
}

// The link has been cut; what came over it before is played again, and shows no life.
TEST_F(Messages, ARecordingDoesNotKeepALinkAlive) {
    const Message recorded = numbered("hello", 2);
    bench.step(hb::Received{"eth0", recorded});
    // Until the nodes have found each other a link has initdead, 12 s.
    for (std::uint64_t i = 0; i < 30; ++i) {
        bench.pass(Time{500});
        hear(numbered("status", 3 + i));
        bench.step(hb::Received{"eth0", recorded});
        bench.step(hb::Received{"eth0", numbered("hello", 2, 49)});
    }
    const auto links = bench.engine.status().nodes[1].links;
    ASSERT_EQ(links.size(), 2u);
    EXPECT_TRUE(links[0].up) << "the partner beats on " << links[0].name;
    EXPECT_FALSE(links[1].up) << "a recording keeps " << links[1].name << " alive";
}

TEST_F(Messages, AnEarlierGenerationIsAReplay) {
    hear(numbered("hello", 2, 49));
    EXPECT_EQ(scripts(), 0u);
    EXPECT_EQ(bench.engine.status().dropped_messages, 1u);
}

TEST_F(Messages, UnknownSendersAndMessagesWithoutNumberTimeOrTypeAreDropped) {
    hear(numbered("hello", 2).set("src", "node-x"));
    hear(numbered("hello", 2).set("seq", "0"));
    hear(numbered("hello", 2).set("seq", "xyz"));
    hear(numbered("hello", 2).set("hg", ""));
    hear(numbered("hello", 2).set("ts", "0"));
    hear(Message());
    EXPECT_EQ(scripts(), 0u);
    EXPECT_EQ(bench.engine.status().dropped_messages, 6u);
}

TEST_F(Messages, AMissingNumberIsAskedForUntilItComes) {
    hear(numbered("hello", 4));
    EXPECT_TRUE(sent_of_type("NS_rexmit").empty());  // messages overtake each other by one
    bench.pass(Time{250});
    auto asked = sent_of_type("NS_rexmit");
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_EQ(asked[0].get("dest"), "node-b");
    EXPECT_EQ(asked[0].get("firstseq"), asked[0].get("lastseq"));
    EXPECT_FALSE(asked[0].has("seq"));
    hear(numbered("hello", 3));
    hear(numbered("hello", 2));
    EXPECT_EQ(scripts(), 3u);
    bench.pass(Time{900});
    EXPECT_TRUE(sent_of_type("NS_rexmit").empty());
}

TEST_F(Messages, NumbersInRequestsAreDecimal) {
    for (std::uint64_t seq = 2; seq <= 15; ++seq) {
        hear(numbered("hello", seq));
    }
    hear(numbered("hello", 17));
    bench.pass(Time{250});
    const auto asked = sent_of_type("NS_rexmit");
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].get("firstseq"), "16");
}

TEST_F(Messages, AnIrretrievablyLostNumberIsGivenUp) {
    hear(numbered("hello", 3));
    Message nak("NS_nak_rexmit");
    nak.set("src", "node-b").set("dest", "node-a").set("firstseq", "2").set("hg", "32");
    nak.set("ts", "6b006770");
    hear(nak);
    bench.pass(Time{900});
    EXPECT_TRUE(sent_of_type("NS_rexmit").empty());
}

TEST_F(Messages, AHugeGapIsNotAskedFor) {
    hear(numbered("hello", 1000));
    bench.pass(Time{300});
    EXPECT_TRUE(sent_of_type("NS_rexmit").empty());
    hear(numbered("hello", 1001));
    EXPECT_EQ(scripts(), 2u);
}

TEST_F(Messages, OneOfTenMessagesIsAcknowledged) {
    for (std::uint64_t seq = 2; seq <= 41; ++seq) {
        hear(numbered("hello", seq));
    }
    const auto acks = sent_of_type("NS_ackmsg");
    ASSERT_EQ(acks.size(), 4u);
    EXPECT_EQ(acks[0].get("dest"), "node-b");
    const auto seq = hb::parse_hex(acks[0].get("ackseq"));
    ASSERT_TRUE(seq);
    EXPECT_EQ(hb::parse_hex(acks[1].get("ackseq")), *seq + 10);
}

TEST_F(Messages, WhatIsAskedForIsSentAgainButNotAtEveryRequest) {
    Message request("NS_rexmit");
    request.set("src", "node-b").set("dest", "node-a").set("firstseq", "2").set("lastseq", "2");
    request.set("hg", "32").set("ts", "6b006770");
    bench.pass(Time{500});
    bench.take_sent();
    hear(request);
    const auto again = bench.take_sent();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].get("seq"), "2");
    EXPECT_EQ(again[0].get("st"), "up");
    hear(request);
    EXPECT_TRUE(bench.take_sent().empty());
}

TEST_F(Messages, WhatIsNoLongerInTheHistoryIsRefused) {
    for (int i = 0; i < 600; ++i) {
        Message own("chatter");
        bench.step(hb::LocalMessage{own});
    }
    bench.take_sent();
    Message request("NS_rexmit");
    request.set("src", "node-b").set("dest", "node-a").set("firstseq", "17").set("lastseq", "17");
    request.set("hg", "32").set("ts", "6b006770");
    hear(request);
    const auto naks = bench.take_sent();
    ASSERT_EQ(naks.size(), 1u);
    EXPECT_EQ(naks[0].type(), "NS_nak_rexmit");
    EXPECT_EQ(naks[0].get("firstseq"), "11");  // hexadecimal
    EXPECT_EQ(naks[0].get("info"), "seqno too low");
}

TEST_F(Messages, AMessageForAnotherNodeOnlyCounts) {
    hear(numbered("hello", 2).set("dest", "node-c"));
    hear(numbered("hello", 3));
    bench.pass(Time{300});
    EXPECT_EQ(scripts(), 1u);
    EXPECT_TRUE(sent_of_type("NS_rexmit").empty());
}

TEST_F(Messages, TimeStampsNeverGoBack) {
    bench.pass(Time{1000});
    const auto before = hb::parse_hex(bench.take_sent().back().get("ts"));
    bench.wall = 5;
    bench.pass(Time{1000});
    EXPECT_GE(hb::parse_hex(bench.take_sent().back().get("ts")), before);
}

TEST_F(Messages, LocalProgramsCannotSpeakInOurName) {
    Message forged("hello");
    forged.set("src", "node-b").set("seq", "999").set("word", "kept");
    bench.step(hb::LocalMessage{forged});
    const auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].get("src"), "node-a");
    EXPECT_NE(sent[0].get("seq"), "999");
    EXPECT_EQ(sent[0].get("word"), "kept");
    bench.step(hb::LocalMessage{Message("shutdone")});
    EXPECT_TRUE(bench.take_sent().empty());
}

TEST_F(Messages, AnotherMachineWithOurNameIsAnAlarm) {
    hear(numbered("status", 1, 100).set("src", "node-a"));
    EXPECT_FALSE(bench.alarmed(hb::AlarmKind::partition));
    hear(numbered("status", 1, 101).set("src", "node-a"));
    EXPECT_TRUE(bench.alarmed(hb::AlarmKind::partition));
}

}  // namespace

// We were restarted. The partner is dead, and somebody plays what it said when it lived: that must
// not keep us from taking over.
TEST(Replays, OfWhatWasHeardBeforeOurRestartAreNoSignOfLife) {
    hb::Start start = test::start_of();
    start.heard = {{"node-b", 50, 1000}};
    test::Bench bench(test::settings_for("node-a"), start);
    bench.partner_beats = false;
    bench.start();
    for (std::uint64_t seq = 990; seq < 1020; ++seq) {
        const std::uint64_t generation = seq <= 1000 ? 50 : 49;
        Message status = numbered("status", seq, generation);
        status.set("st", "active").set("dt", "834").set("protocol", "1");
        bench.step(hb::Received{"eth1", status});
        bench.pass(Time{500});
    }
    EXPECT_EQ(bench.engine.status().nodes[1].status, "dead");
    EXPECT_TRUE(bench.runs("mysqld"));
    // A later word of the same life, or a new life, is news.
    Message alive = numbered("status", 1001, 50);
    alive.set("st", "active").set("dt", "834").set("protocol", "1");
    bench.step(hb::Received{"eth1", alive});
    EXPECT_EQ(bench.engine.status().nodes[1].status, "active");
}

// The number of the last message that was heard is on disk a minute late: after a power cut the
// last goodbye, or "I hold nothing", could be played again. Only who names a heartbeat of our
// present life is believed, and no recording from before our start does.
TEST(Replays, OfAGoodbyeFromBeforeAPowerCutIsNone) {
    for (const bool told_now : {false, true}) {
        hb::Start start = test::start_of();
        start.heard = {{"node-b", 50, 1000}};
        test::Bench bench(test::settings_for("node-a"), start);
        bench.partner_beats = false;
        bench.start();
        const auto status = [&](std::uint64_t seq, std::uint64_t ours) {
            Message message = numbered("status", seq, 50);
            message.set("st", "active").set("dt", "834").set("protocol", "1");
            message.set("heard", hb::to_hex(ours) + ".1");
            return message;
        };
        Message hold = numbered("resource", 1003, 50);
        hold.set("rsc_hold", "none").set("rtype", "full").set("isstable", "1");
        Message goodbye = numbered("shutdone", 1004, 50);
        goodbye.set("st", "dead");
        const std::uint64_t life = start.generation;
        bench.step(hb::Received{"eth1", status(1001, life - 1)});
        bench.step(hb::Received{"eth1", status(1002, told_now ? life : life - 1)});
        bench.step(hb::Received{"eth1", hold});
        bench.step(hb::Received{"eth1", goodbye});
        EXPECT_EQ(bench.engine.status().nodes[1].stable, told_now);
        EXPECT_EQ(bench.engine.status().partner, told_now ? "left" : "alive");
    }
}

TEST(Replays, OfAPingNodesAnswersAreNoSignOfLife) {
    test::Bench bench(
        test::settings_for("node-a", "deadping 3\nping 10.77.0.254\nauto_failback on\n"));
    bench.start();
    const auto answer = [](Time sent) {
        Message echo("NS_st");
        echo.set("st", "ping").set("info", "ping").set("src", "10.77.0.254").set("ts", "6b006770");
        echo.set("sent", hb::to_hex(static_cast<std::uint64_t>(sent.count())));
        return echo;
    };
    const Message recorded = answer(bench.now);
    bench.step(hb::Received{"10.77.0.254", recorded});
    EXPECT_EQ(bench.engine.status().nodes[2].status, "ping");
    for (int i = 0; i < 14; ++i) {
        bench.pass(Time{1000});
        bench.step(hb::Received{"10.77.0.254", recorded});
    }
    EXPECT_EQ(bench.engine.status().nodes[2].status, "dead");
    bench.step(hb::Received{"10.77.0.254", answer(bench.now - Time{5})});
    EXPECT_EQ(bench.engine.status().nodes[2].status, "ping");
}

}  // namespace test
