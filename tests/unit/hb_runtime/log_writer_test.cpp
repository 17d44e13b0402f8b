#include "heartbeat/runtime/log_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <syslog.h>

namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LogLine, HasTheOriginalsForm) {
    ::setenv("TZ", "UTC", 1);
    hb::LogTargets targets;
    targets.node = "node-a";
    EXPECT_EQ(hb::log_line(targets, base::LogLevel::Info, 1795188592, 516, "text"),
              "Nov 20 15:29:52 node-a heartbeat: [516]: info: text");
    targets.syslog_format = false;
    EXPECT_EQ(hb::log_line(targets, base::LogLevel::Warning, 1795188592, 516, "text"),
              "heartbeat[516]: 2026/11/20_15:29:52 WARN: text");
}

TEST(LogLine, SeveritiesAreSpelledAsTheOriginalDoes) {
    EXPECT_EQ(hb::severity_word(base::LogLevel::Debug), "debug");
    EXPECT_EQ(hb::severity_word(base::LogLevel::Error), "ERROR");
    EXPECT_EQ(hb::severity_word(base::LogLevel::Alert), "CRIT");
}

TEST(LogLine, FacilitiesAreThoseOfSyslog) {
    EXPECT_EQ(hb::syslog_facility("local1"), LOG_LOCAL1);
    EXPECT_EQ(hb::syslog_facility("daemon"), LOG_DAEMON);
    EXPECT_FALSE(hb::syslog_facility("none"));
}

TEST(LogWriter, DebugLinesAndOutputGoToTheDebugfileOnly) {
    std::string folder = "/tmp/hb_log_XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    {
        hb::LogTargets targets;
        targets.logfile = folder + "/log";
        targets.debugfile = folder + "/debug";
        hb::LogWriter log(targets);
        log.write(base::LogLevel::Info, "for both");
        log.write(base::LogLevel::Debug, "for nobody");
        log.write_output("agent", "one\n\ntwo\n");
        log.set_debug(1);
        log.write(base::LogLevel::Debug, "for debug");
    }
    const std::string log = contents(folder + "/log");
    const std::string debug = contents(folder + "/debug");
    EXPECT_NE(log.find("for both"), std::string::npos);
    EXPECT_EQ(log.find("agent"), std::string::npos);
    EXPECT_NE(debug.find("for both"), std::string::npos);
    EXPECT_NE(debug.find("agent: one\n"), std::string::npos);
    EXPECT_NE(debug.find("agent: two\n"), std::string::npos);
    EXPECT_NE(debug.find("for debug"), std::string::npos);
    EXPECT_EQ(debug.find("for nobody"), std::string::npos);
    std::filesystem::remove_all(folder);
}

// A flood of datagrams, of clients, of claims: the rest is one line.
TEST(LogWriter, AFloodOfOneKindIsCutShort) {
    std::string folder = "/tmp/hb_log_XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    {
        hb::LogTargets targets;
        targets.logfile = folder + "/log";
        hb::LogWriter log(targets);
        for (int i = 0; i < 5000; ++i) {
            log.write(base::LogLevel::Warning, "packet of " + std::to_string(i) + " was ignored");
        }
        log.write(base::LogLevel::Info, "something else");
    }
    const std::string log = contents(folder + "/log");
    EXPECT_LT(std::count(log.begin(), log.end(), '\n'), 100);
    EXPECT_NE(log.find("something else"), std::string::npos);
    EXPECT_NE(log.find("4940 more like this were not logged"), std::string::npos);
    std::filesystem::remove_all(folder);
}

}  // namespace
