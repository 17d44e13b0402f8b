#include "heartbeat/agents/probe_answers.h"

#include <gtest/gtest.h>

namespace {

using namespace hb;

ChildResult ended(int exit, const std::string& output, const std::string& text = "exit code") {
    ChildResult result;
    result.exit = exit;
    result.output = output;
    result.text = text;
    return result;
}

TEST(ProbeAnswers, AServerAnswersTheQueryOrRefusesIt) {
    EXPECT_TRUE(answer_of_query("query", ended(0, "1\n")).ok);
    EXPECT_FALSE(answer_of_query("query", ended(0, "")).ok);
    EXPECT_FALSE(answer_of_query("query", ended(0, "11\n")).ok);
    EXPECT_FALSE(answer_of_query("query", ended(1, "1\n")).ok);
    const ProbeAnswer refused =
        answer_of_query("query", ended(1, "", "exit code 1: ERROR 1045 (28000): Access denied"));
    EXPECT_TRUE(refused.ok);
    EXPECT_TRUE(refused.refused);
    const ProbeAnswer gone =
        answer_of_query("query", ended(1, "", "exit code 1: ERROR 2002 (HY000)"));
    EXPECT_FALSE(gone.ok);
    EXPECT_FALSE(gone.refused);
    EXPECT_EQ(gone.text, "query failed: exit code 1: ERROR 2002 (HY000)");
}

// A server that refuses and then hangs is no server that lives.
TEST(ProbeAnswers, WhatWasEndedFromOutsideHasNotAnswered) {
    ChildResult result = ended(0, "1\n");
    result.timed_out = true;
    EXPECT_FALSE(answer_of_query("query", result).ok);
    EXPECT_FALSE(answer_of_write("write", result).ok);
    result = ended(1, "", "ERROR 1045 (28000)");
    result.killed = true;
    EXPECT_FALSE(answer_of_query("query", result).ok);
}

TEST(ProbeAnswers, TheReasonIsTheChildsFirstLineInPrintableText) {
    EXPECT_EQ(answer_of_write("write to /data", ended(1, "/data: Input/output error\nmore")).text,
              "write to /data failed: /data: Input/output error");
    EXPECT_EQ(answer_of_write("write", ended(1, std::string("a\0\x1b[2Jb", 7))).text,
              "write failed: a??[2Jb");
    EXPECT_LE(answer_of_write("write", ended(1, std::string(5000, 'x'))).text.size(), 320U);
    ChildResult missing = ended(-1, "old");
    missing.missing = true;
    missing.text = "no such program";
    EXPECT_EQ(answer_of_write("write", missing).text, "write failed: no such program");
}

TEST(ProbeAnswers, AnAgentHasToSayThatItRuns) {
    const ChildResult result = ended(3, "mysql is stopped\n");
    EXPECT_TRUE(answer_of_agent("mysql", Verdict::Running, result).ok);
    EXPECT_FALSE(answer_of_agent("mysql", Verdict::Unknown, result).ok);
    EXPECT_EQ(answer_of_agent("mysql", Verdict::Stopped, result).text,
              "mysql status: mysql is stopped");
}

}  // namespace
