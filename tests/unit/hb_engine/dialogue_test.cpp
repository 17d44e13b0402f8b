// The recorded dialogues: what a real node-b said is fed to our node-a, and our answers are those
// that the real node-a gave. Heartbeat specification, section 2.11.
#include "heartbeat/engine/text.h"
#include "tests/unit/hb_engine/bench.h"
#include "tests/unit/hb_engine/replay.h"

#include <gtest/gtest.h>

namespace test {
namespace {

using hb::Time;
using hb::wire::Message;
using Lines = std::vector<std::string>;

// A capture, played from where the test says.
class Dialogue {
public:
    Dialogue(const std::string& directory, std::uint64_t generation, const std::string& lines)
        : recorded_(read_capture(directory)),
          bench(settings_for("node-a", lines), identity(generation)) {
        bench.partner_beats = false;
    }

    // Plays node-b's messages up to `end`; what we said, as Bench::said.
    Lines play(Time end) {
        for (; next_ < recorded_.size() && recorded_[next_].at <= end; ++next_) {
            const Recorded& one = recorded_[next_];
            pass_until(one.at);
            if (one.message.get("src") == "node-b" && !is_for_another_life(one.message)) {
                bench.step(hb::Received{"eth1", one.message});
            }
        }
        pass_until(end);
        return bench.said();
    }

    void start(Time at) {
        while (next_ < recorded_.size() && recorded_[next_].at < at) {
            ++next_;
        }
        origin_ = bench.now - at;
        bench.start();
        bench.said();
    }

private:
    // Acknowledgements are of the real node's numbers, which are not ours.
    static bool is_for_another_life(const Message& message) {
        return message.type().starts_with("NS_");
    }

    // The partner's messages to us carry the real node's uuid.
    hb::Start identity(std::uint64_t generation) const {
        hb::Start start = start_of(generation);
        for (const Recorded& one : recorded_) {
            const std::string_view uuid = one.message.get("srcuuid");
            if (one.message.get("src") == "node-a" && uuid.size() == start.uuid.size()) {
                std::copy(uuid.begin(), uuid.end(), start.uuid.begin());
            }
        }
        return start;
    }

    void pass_until(Time at) {
        if (origin_ + at > bench.now) {
            bench.pass(origin_ + at - bench.now);
        }
    }

    std::vector<Recorded> recorded_;
    std::size_t next_ = 0;
    Time origin_{};

public:
    Bench bench;
};

TEST(Dialogue, StartOfBothNodes) {
    Dialogue dialogue("classic-sha1-failback-on", 0x6b006771, "auto_failback on\n");
    dialogue.start(Time{0});
    // Our ten seconds begin earlier than the original's, which acts on a grid of half seconds: it
    // is we who are stable first.
    EXPECT_EQ(dialogue.play(Time{13'000}),
              (Lines{"reqnodes",
                     "repnodes",
                     "starting none",
                     "resource none 0",
                     "resource local 1",
                     "ip-request-resp",
                     "resource local 1 req_our_resources()",
                     "resource local 1"}));
    EXPECT_EQ(dialogue.bench.group_state(), "running");
    EXPECT_EQ(dialogue.bench.engine.status().resources, "local");
    EXPECT_EQ(dialogue.bench.engine.status().dropped_messages, 0u);
}

TEST(Dialogue, StandbyTakeoverAndStandbyOfThePartner) {
    Dialogue dialogue("classic-sha1-failback-on", 0x6b006771, "auto_failback on\n");
    dialogue.start(Time{0});
    dialogue.play(Time{24'500});

    dialogue.bench.step(hb::Command{1, hb::Command::Verb::standby, "all"});
    EXPECT_EQ(dialogue.play(Time{26'000}),
              (Lines{"ask_resources all me",
                     "resource none 0 standby",
                     "ask_resources all done",
                     "resource none 1"}));  // the original says it twice
    EXPECT_FALSE(dialogue.bench.runs(kVip));
    EXPECT_EQ(dialogue.bench.engine.status().resources, "none");

    dialogue.play(Time{38'500});
    dialogue.bench.step(hb::Command{2, hb::Command::Verb::takeover, "all"});
    EXPECT_EQ(dialogue.play(Time{40'000}),
              (Lines{"hb_takeover all",
                     "ask_resources all other",
                     "ask_resources all done",
                     "resource all 1",
                     "resource all 1"}));
    EXPECT_TRUE(dialogue.bench.runs(kVip));

    dialogue.play(Time{52'800});
    EXPECT_EQ(dialogue.play(Time{54'500}),
              (Lines{"ask_resources foreign other",
                     "ask_resources foreign done",
                     "resource all 1",
                     "resource all 1"}));
    EXPECT_EQ(dialogue.bench.engine.status().dropped_messages, 0u);

    dialogue.bench.step(hb::Command{3, hb::Command::Verb::shutdown, ""});
    const Lines leaving = dialogue.play(Time{66'900});
    ASSERT_GE(leaving.size(), 2u);
    EXPECT_EQ(leaving[0], "resource none 0 shutdown");
    EXPECT_EQ(leaving[1], "shutdone");
    EXPECT_EQ(dialogue.bench.take<hb::Exit>().size(), 1u);
}

TEST(Dialogue, FailbackAfterACrash) {
    Dialogue dialogue("classic-sha1-failback-on", 0x6b006773, "auto_failback on\n");
    dialogue.start(Time{115'207});
    const Lines said = dialogue.play(Time{119'500});
    EXPECT_EQ(said,
              (Lines{"reqnodes",
                     "starting none",
                     "resource none 0",
                     "resource none 1",
                     "ask_resources foreign other",
                     "ask_resources foreign done",
                     "resource local 1",
                     "resource local 1"}));
    EXPECT_EQ(dialogue.bench.engine.status().resources, "local");
    EXPECT_TRUE(dialogue.bench.runs("mysqld"));

    const Lines partner_left = dialogue.play(Time{148'000});
    EXPECT_EQ(partner_left,
              (Lines{"resource foreign mach_down",
                     "resource all 1 req_our_resources()",
                     "stonith unneeded"}));
    EXPECT_EQ(dialogue.bench.engine.status().resources, "all");
}

TEST(Dialogue, RealIpfailMovesTheResourcesToUs) {
    Dialogue dialogue("ipfail",
                      0x6b00695e,
                      "auto_failback off\nucast eth0 10.77.0.2\nping 10.77.0.254\n"
                      "respawn hacluster /usr/libexec/heartbeat/ipfail\n");
    dialogue.bench.answer_pings = true;
    dialogue.start(Time{8});
    dialogue.play(Time{32'000});
    EXPECT_EQ(dialogue.bench.engine.status().resources, "local");

    // Our ping node stops answering, as the real node-a's did.
    dialogue.bench.answer_pings = false;
    const Lines said = dialogue.play(Time{43'000});
    EXPECT_NE(std::find(said.begin(), said.end(), "num_ping_nodes 0"), said.end());
    EXPECT_NE(std::find(said.begin(), said.end(), "ask_resources all me"), said.end());
    EXPECT_NE(std::find(said.begin(), said.end(), "ask_resources all done"), said.end());
    EXPECT_FALSE(dialogue.bench.runs(kVip));
}

TEST(Dialogue, TheOriginalsQuestionForAClientIsAnswered) {
    Bench bench(settings_for("node-a",
                             "auto_failback off\nping 10.77.0.254\n"
                             "respawn hacluster /usr/libexec/heartbeat/ipfail\n"));
    bench.answer_pings = true;
    bench.bring_up();
    Message query("query-cstatus");
    query.set("dest", "node-a").set("cn", "ipfail").set("from_id", "2874");
    bench.hear(query);
    query.set("cn", "nosuch").set("from_id", "2875");
    bench.hear(query);
    const auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(sent[0].type(), "respond-cstatus");
    EXPECT_EQ(sent[0].get("cs"), "online");
    EXPECT_EQ(sent[0].get("to_id"), "2874");
    EXPECT_EQ(sent[0].get("result"), "OK");
    EXPECT_EQ(sent[1].get("cs"), "offline");
}

}  // namespace
}  // namespace test
