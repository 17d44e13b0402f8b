#include "heartbeat/tools/handover.h"

#include "tests/unit/hb_tools/fake_daemon.h"

#include <gtest/gtest.h>

#include <sstream>

namespace {

using hb::tools::Handover;

Said order(const FakeDaemon& daemon, Handover what, std::vector<std::string> words) {
    std::stringstream out;
    std::stringstream err;
    words.insert(words.end(), {"--run-dir", daemon.run_dir()});
    const int exit = hb::tools::run_handover(what, words, {out, err});
    return {exit, out.str(), err.str()};
}

TEST(Handover, SendsItsWords) {
    const FakeDaemon daemon(answers_with({}));
    const Said standby = order(daemon, Handover::Standby, {});
    EXPECT_EQ(standby.exit, 0);
    EXPECT_NE(standby.out.find(" Going standby [all].\n"), std::string::npos);
    EXPECT_NE(order(daemon, Handover::Standby, {"failback"}).out.find("[foreign]."),
              std::string::npos);
    EXPECT_EQ(order(daemon, Handover::Standby, {"local", "--wait"}).exit, 0);
    EXPECT_EQ(order(daemon, Handover::Takeover, {"foreign"}).out, "");
    EXPECT_EQ(daemon.requests(),
              (std::vector<std::string>{
                  "standby all", "standby failback", "standby local wait", "takeover foreign"}));
}

TEST(Handover, PassesARefusalOn) {
    const FakeDaemon daemon(answers_with({}, 1, "a standby is already running"));
    for (const Handover what : {Handover::Standby, Handover::Takeover}) {
        const Said said = order(daemon, what, {});
        EXPECT_EQ(said.exit, 1);
        EXPECT_EQ(said.out, "");
        EXPECT_NE(said.err.find(": a standby is already running\n"), std::string::npos);
    }
}

TEST(Handover, SaysWhatTheDaemonDid) {
    const FakeDaemon daemon(answers_with({}, 0, "takeover of node-b confirmed"));
    EXPECT_EQ(order(daemon, Handover::Takeover, {}).out, "takeover of node-b confirmed\n");
}

TEST(Handover, RefusesWrongUse) {
    const FakeDaemon daemon(answers_with({}));
    EXPECT_EQ(
        order(daemon, Handover::Standby, {"bogus"}).err,
        "hb_standby: wrong resources(bogus).\nusage:\nhb_standby [all|foreign|local|failback]\n");
    EXPECT_EQ(order(daemon, Handover::Takeover, {"bogus"}).exit, 1);
    EXPECT_EQ(order(daemon, Handover::Takeover, {"all", "local"}).exit, 1);
    EXPECT_EQ(order(daemon, Handover::Standby, {"--help"}).exit, 0);
    EXPECT_TRUE(daemon.requests().empty());
}

TEST(Handover, KnowsWhenNoDaemonRuns) {
    std::stringstream out;
    std::stringstream err;
    EXPECT_EQ(hb::tools::run_handover(Handover::Standby, {"--run-dir", "/nonexistent"}, {out, err}),
              1);
    EXPECT_EQ(out.str(), "");
    EXPECT_TRUE(err.str().starts_with("hb_standby: heartbeat is not running here"));
}

TEST(Handover, EndsItsWaitWithTheDaemon) {
    const FakeDaemon daemon([](const auto&) { return std::vector<std::string>{""}; });
    const Said said = order(daemon, Handover::Standby, {"--wait"});
    EXPECT_EQ(said.exit, 1);
    EXPECT_NE(said.err.find("closed the connection"), std::string::npos);
}

}  // namespace
