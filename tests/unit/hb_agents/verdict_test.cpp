#include "heartbeat/agents/verdict.h"

#include "heartbeat/agents/printable.h"

#include <gtest/gtest.h>

namespace {

using namespace hb;

ChildResult answer(int exit, const std::string& output) {
    ChildResult result;
    result.exit = exit;
    result.output = output;
    return result;
}

TEST(Verdict, OfALegacyScriptIsItsTextWhateverItsExitCode) {
    for (const int exit : {0, 1, 3, 7}) {
        EXPECT_EQ(verdict_of(AgentKind::Legacy, answer(exit, "running (Primary)")),
                  Verdict::Running);
        EXPECT_EQ(verdict_of(AgentKind::Legacy, answer(exit, "INFO:  Running OK\n")),
                  Verdict::Running);
        EXPECT_EQ(verdict_of(AgentKind::Legacy, answer(exit, "INFO:  Resource is stopped")),
                  Verdict::Stopped);
        EXPECT_EQ(verdict_of(AgentKind::Legacy, answer(exit, "")), Verdict::Stopped);
    }
}

TEST(Verdict, NotRunningBeatsRunningAndOk) {
    for (const char* text : {"mysqld is not running",
                             "NOT running, OK",
                             "OK: it is Not   Running",
                             "is running on b, not running here"}) {
        EXPECT_EQ(verdict_of_text(text), Verdict::Stopped) << text;
    }
    EXPECT_EQ(verdict_of_text("notrunning"), Verdict::Running);
    EXPECT_EQ(verdict_of_text("not OK"), Verdict::Running);
    EXPECT_EQ(verdict_of_text("RUNNING"), Verdict::Stopped);
    EXPECT_EQ(verdict_of_text("ok"), Verdict::Stopped);
}

TEST(Verdict, OfAnInitScriptIsItsExitCode) {
    EXPECT_EQ(verdict_of(AgentKind::Lsb, answer(0, "Uptime: 4 min")), Verdict::Running);
    EXPECT_EQ(verdict_of(AgentKind::Lsb, answer(0, "mysqld is not running")), Verdict::Stopped);
    for (const int exit : {1, 2, 3}) {
        EXPECT_EQ(verdict_of(AgentKind::Lsb, answer(exit, "")), Verdict::Stopped);
    }
    EXPECT_EQ(verdict_of(AgentKind::Lsb, answer(4, "may be running")), Verdict::Running);
}

TEST(Verdict, OfAUnitOnItsWayIsUnknown) {
    EXPECT_EQ(verdict_of(AgentKind::Systemd, answer(0, "active\n")), Verdict::Running);
    EXPECT_EQ(verdict_of(AgentKind::Systemd, answer(3, "inactive\n")), Verdict::Stopped);
    EXPECT_EQ(verdict_of(AgentKind::Systemd, answer(3, "failed\n")), Verdict::Stopped);
    EXPECT_EQ(verdict_of(AgentKind::Systemd, answer(3, "deactivating\n")), Verdict::Unknown);
    EXPECT_EQ(verdict_of(AgentKind::Systemd, answer(1, "")), Verdict::Unknown);
}

TEST(Verdict, OfAnOcfAgentIsItsExitCode) {
    EXPECT_EQ(verdict_of(AgentKind::Ocf, answer(0, "")), Verdict::Running);
    EXPECT_EQ(verdict_of(AgentKind::Ocf, answer(8, "")), Verdict::Running);
    EXPECT_EQ(verdict_of(AgentKind::Ocf, answer(7, "running")), Verdict::Stopped);
    EXPECT_EQ(verdict_of(AgentKind::Ocf, answer(1, "running")), Verdict::Unknown);
    EXPECT_EQ(verdict_of(AgentKind::Ocf, answer(5, "")), Verdict::Unknown);
}

TEST(Verdict, OfAnAgentThatDidNotAnswerIsUnknown) {
    ChildResult late = answer(0, "running");
    late.timed_out = true;
    ChildResult ended = answer(-1, "running");
    ended.signal = 9;
    ChildResult missing = answer(-1, "");
    missing.missing = true;
    for (const ChildResult& result : {late, ended, missing}) {
        for (const AgentKind kind :
             {AgentKind::Legacy, AgentKind::Lsb, AgentKind::Systemd, AgentKind::Ocf}) {
            EXPECT_EQ(verdict_of(kind, result), Verdict::Unknown);
        }
    }
}

TEST(PrintableLine, IsBoundedAsciiWhateverAProgramPrints) {
    EXPECT_EQ(first_printable_line("one\ntwo\n"), "one");
    EXPECT_EQ(last_printable_line("one\ntwo\n\n"), "two");
    EXPECT_EQ(last_printable_line("only"), "only");
    EXPECT_EQ(last_printable_line("\n\n"), "");
    EXPECT_EQ(first_printable_line(""), "");
    EXPECT_EQ(first_printable_line("a\x1b[31m\xff\tb"), "a?[31m??b");
    EXPECT_EQ(last_printable_line(std::string(5000, 'x')).size(), 300U);
}

}  // namespace
