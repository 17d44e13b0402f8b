// The original's answers, as captured from a real daemon in the state of sample_status().
#include "heartbeat/tools/cl_status.h"

#include "tests/unit/hb_tools/fake_daemon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

namespace {

namespace control = hb::control;

Said ask(const FakeDaemon& daemon, std::vector<std::string> words) {
    std::stringstream out;
    std::stringstream err;
    words.insert(words.end(), {"--run-dir", daemon.run_dir(), "--node", "node-a"});
    const int exit = hb::tools::run_cl_status(words, {out, err});
    return {exit, out.str(), err.str()};
}

// "0 text": exit code and standard output.
std::string answer(std::vector<std::string> words, control::Status status = sample_status()) {
    const FakeDaemon daemon(answers_with(std::move(status)));
    const Said said = ask(daemon, std::move(words));
    return std::to_string(said.exit) + " " + said.out;
}

const std::string kNodesVerbose =
    "\n10.77.0.254\tping\t(nodetype: ping)\n\t10.77.0.254\tup\n"
    "\nnode-b\tactive\t(nodetype: normal)\n\teth0\tup\n\teth1\tup\n"
    "\nnode-a\tactive\t(nodetype: normal)\n\teth0\tdead\n\teth1\tdead\n";

TEST(ClStatus, SaysWhetherHeartbeatRuns) {
    EXPECT_EQ(answer({"hbstatus"}), "0 Heartbeat is running on this machine.\n");
    EXPECT_EQ(answer({"hbstatus", "-v"}),
              "0 version:\t0.1.0\nmanaged by:\t\"haresources\"\n" + kNodesVerbose);
}

TEST(ClStatus, ListsNodes) {
    EXPECT_EQ(answer({"listnodes"}), "0 10.77.0.254\nnode-b\nnode-a\n");
    EXPECT_EQ(answer({"listnodes", "-p"}), "0 10.77.0.254\n");
    EXPECT_EQ(answer({"listnodes", "-n"}), "0 node-b\nnode-a\n");
    EXPECT_EQ(answer({"listnodes", "-np"}), "0 10.77.0.254\nnode-b\nnode-a\n");
    EXPECT_EQ(answer({"listnodes", "-v"}), "0 " + kNodesVerbose);
    EXPECT_EQ(answer({"listnodes", "-m"}),
              "0 The nodes are as follow:\n10.77.0.254\nnode-b\nnode-a\n");
    EXPECT_EQ(
        answer({"listnodes", "-vmn"}),
        "0 The nodes are as follow:\n"
        "\nnode-b\tactive\t(nodetype: normal)\n\tthis node has the following heartbeat links:\n"
        "\teth0\tup\n\teth1\tup\n"
        "\nnode-a\tactive\t(nodetype: normal)\n\tthis node has the following heartbeat links:\n"
        "\teth0\tdead\n\teth1\tdead\n");
}

TEST(ClStatus, ListsTheLinksOfThisNodeAsDead) {
    control::Status status = sample_status();
    status.nodes[0].links.clear();
    status.media.push_back(status.media[0]);  // a second peer address on the same interface
    EXPECT_EQ(answer({"listnodes", "-v"}, status), "0 " + kNodesVerbose);
    EXPECT_EQ(answer({"hblinkstatus", "node-a", "eth0"}, status), "1 dead\n");
}

TEST(ClStatus, TellsTheStateOfANode) {
    EXPECT_EQ(answer({"nodestatus", "node-b"}), "0 active\n");
    EXPECT_EQ(answer({"nodestatus", "NODE-B"}), "0 active\n");
    EXPECT_EQ(answer({"nodestatus", "10.77.0.254"}), "0 ping\n");
    EXPECT_EQ(answer({"nodestatus", "-m", "node-b"}), "0 The cluster node node-b is active\n");
    EXPECT_EQ(answer({"nodestatus", "nosuch"}), "11 Error. May be due to incorrect node name\n");
    EXPECT_EQ(answer({"nodestatus"}), "11 Not enough parameters.\n");
    control::Status status = sample_status();
    status.nodes[1].status = "dead";
    EXPECT_EQ(answer({"nodestatus", "node-b"}, status), "1 dead\n");
    EXPECT_EQ(answer({"nodestatus", "-m", "node-b"}, status),
              "1 The cluster node node-b is dead\n");
}

TEST(ClStatus, TellsTypeWeightAndSite) {
    EXPECT_EQ(answer({"nodetype", "node-b"}), "0 normal\n");
    EXPECT_EQ(answer({"nodetype", "10.77.0.254"}), "0 ping\n");
    EXPECT_EQ(answer({"nodetype", "-m", "node-b"}), "0 The node node-b's type: normal\n");
    EXPECT_EQ(answer({"nodetype", "nosuch"}), "11 Error. May be due to incorrect node name\n");
    EXPECT_EQ(answer({"nodeweight", "node-b"}), "0 100\n");
    EXPECT_EQ(answer({"nodeweight", "-m", "node-b"}),
              "0 The weight of the cluster node node-b is 100\n");
    EXPECT_EQ(answer({"nodesite", "node-b"}), "0 \n");
    EXPECT_EQ(answer({"nodesite", "-m", "node-b"}), "0 The site of the cluster node node-b is \n");
}

TEST(ClStatus, TellsTheStateOfLinks) {
    EXPECT_EQ(answer({"listhblinks", "node-b"}), "0 \teth0\n\teth1\n");
    EXPECT_EQ(answer({"listhblinks", "-v", "node-b"}), "0 \teth0\tup\n\teth1\tup\n");
    EXPECT_EQ(answer({"listhblinks", "-m", "node-b"}),
              "0 \tthis node has the following heartbeat links:\n\teth0\n\teth1\n");
    EXPECT_EQ(answer({"listhblinks", "10.77.0.254"}), "0 \t10.77.0.254\n");
    EXPECT_EQ(answer({"listhblinks", "nosuch"}), "13 ");
    EXPECT_EQ(answer({"hblinkstatus", "node-b", "eth1"}), "0 up\n");
    EXPECT_EQ(answer({"hblinkstatus", "node-a", "eth1"}), "1 dead\n");
    EXPECT_EQ(answer({"hblinkstatus", "-m", "node-b", "eth1"}),
              "0 The node node-b's heartbeat link eth1 is up\n");
    EXPECT_EQ(answer({"hblinkstatus", "node-b", "eth9"}), "13 ");
    EXPECT_EQ(answer({"hblinkstatus", "nosuch", "eth1"}), "13 ");
    EXPECT_EQ(answer({"hblinkstatus", "node-b"}), "11 No enough parameter.\n");
}

TEST(ClStatus, TellsWhatThisNodeHolds) {
    EXPECT_EQ(answer({"rscstatus"}), "0 local\n");
    EXPECT_EQ(answer({"rscstatus", "-m"}), "0 This node is holding local resources.\n");
    control::Status status = sample_status();
    status.resources = "transition";
    EXPECT_EQ(answer({"rscstatus"}, status), "0 transition\n");
}

TEST(ClStatus, AsksForClients) {
    const auto said = [](int exit, const std::string& text, std::vector<std::string> words) {
        const FakeDaemon daemon(answers_with(sample_status(), exit, text));
        return ask(daemon, std::move(words));
    };
    EXPECT_EQ(said(0, "online", {"clientstatus", "node-a", "ipfail"}).out, "online\n");
    const Said offline = said(1, "offline", {"clientstatus", "-m", "node-a", "nosuch"});
    EXPECT_EQ(offline.out, "offline\n");
    EXPECT_EQ(offline.exit, 1);
    const Said silent = said(13, "", {"clientstatus", "node-b", "ipfail", "50"});
    EXPECT_EQ(silent.exit, 13);
    EXPECT_NE(silent.err.find("ERROR: Cannot get heartbeat client ipfail's status\n"),
              std::string::npos);
    EXPECT_NE(silent.err.find("ERROR: REASON: No timely response.\n"), std::string::npos);
    EXPECT_EQ(said(0, "", {"clientstatus", "node-a"}).exit, 11);
    EXPECT_EQ(said(0, "", {"clientstatus", "node-a", "x", "soon"}).exit, 11);
}

TEST(ClStatus, AsksForParameters) {
    const FakeDaemon daemon([](const control::Request& request) -> std::vector<std::string> {
        if (request.kind == control::RequestKind::Status) {
            return {reply_line(request, 0, "", control::to_json(sample_status()))};
        }
        if (request.name == "deadtime") {
            return {reply_line(request, 0, "", {{"value", "2100ms"}})};
        }
        return {reply_line(request, 1, "")};
    });
    EXPECT_EQ(ask(daemon, {"hbparameter", "-p", "deadtime"}).out, "2100ms\n");
    EXPECT_EQ(ask(daemon, {"hbparameter", "-m", "-p", "deadtime"}).out,
              "Heartbeat parameter deadtime's value: 2100ms\n");
    EXPECT_EQ(ask(daemon, {"hbparameter", "-p", "hbversion"}).out, "0.1.0\n");
    const Said unset = ask(daemon, {"hbparameter", "-p", "nosuch"});
    EXPECT_EQ(unset.exit, 1);
    EXPECT_NE(unset.err.find(" node-a cl_status: ["), std::string::npos);
    EXPECT_NE(unset.err.find("]: ERROR: Cannot get parameter nosuch's value\n"), std::string::npos);
    EXPECT_EQ(ask(daemon, {"hbparameter", "deadtime"}).exit, 11);
    EXPECT_EQ(ask(daemon, {"hbparameter"}).exit, 11);
}

TEST(ClStatus, KnowsWhenNoDaemonRuns) {
    std::stringstream out;
    std::stringstream err;
    EXPECT_EQ(hb::tools::run_cl_status({"hbstatus", "--run-dir", "/nonexistent"}, {out, err}), 1);
    EXPECT_EQ(out.str(), "Heartbeat is stopped on this machine.\n");
    EXPECT_EQ(err.str(), "");
    const std::vector<std::vector<std::string>> questions = {{"listnodes"},
                                                             {"nodestatus", "x"},
                                                             {"rscstatus"},
                                                             {"clientstatus", "x", "y"},
                                                             {"hbparameter", "-p", "keepalive"}};
    for (const std::vector<std::string>& words : questions) {
        std::vector<std::string> all = words;
        all.insert(all.end(), {"--run-dir", "/nonexistent"});
        std::stringstream complaint;
        EXPECT_EQ(hb::tools::run_cl_status(all, {out, complaint}), 1) << words[0];
        EXPECT_NE(complaint.str().find("ERROR: Cannot signon with heartbeat\n"), std::string::npos);
    }
}

TEST(ClStatus, DoesNotHangWithTheDaemon) {
    const FakeDaemon daemon([](const auto&) { return std::vector<std::string>(); });
    const auto start = std::chrono::steady_clock::now();
    const Said said = ask(daemon, {"rscstatus"});
    EXPECT_EQ(said.exit, 1);
    EXPECT_NE(said.err.find("does not answer"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST(ClStatus, RefusesWrongUse) {
    EXPECT_EQ(answer({"bogus"}), "11 ");
    EXPECT_EQ(answer({"hbstatus", "-x"}), "11 ");
    EXPECT_TRUE(answer({}).starts_with("0 Ask the failover daemon"));
    EXPECT_TRUE(answer({"--help"}).starts_with("0 Ask the failover daemon"));
}

TEST(ClStatus, SurvivesADaemonThatTalksNonsense) {
    for (const char* line : {"garbage\n",
                             "{}\n",
                             "{\"id\":1,\"exit\":0,\"data\":{\"nodes\":3}}\n",
                             "{\"id\":1,\"exit\":0,\"data\":[]}\n",
                             ""}) {
        const FakeDaemon daemon([&](const auto&) { return std::vector<std::string>{line}; });
        EXPECT_EQ(ask(daemon, {"listnodes"}).exit, 1) << line;
    }
}

}  // namespace
