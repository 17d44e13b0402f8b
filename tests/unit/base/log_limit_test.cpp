#include "base/log_limit.h"

#include <gtest/gtest.h>

namespace {

using base::LogLevel;
using base::LogLimit;
using std::chrono::seconds;

LogLimit::Options few() {
    LogLimit::Options options;
    options.lines = 3;
    options.interval = seconds(60);
    options.kinds = 4;
    options.lines_without_room = 5;
    return options;
}

std::size_t flood(LogLimit& limit, const std::string& text, int lines, seconds at) {
    std::size_t written = 0;
    for (int i = 0; i < lines; ++i) {
        written += limit.pass(LogLevel::Warning, text, at).size();
    }
    return written;
}

TEST(LogLimit, AKindHasSoManyLinesInAnInterval) {
    LogLimit limit(few());
    EXPECT_EQ(flood(limit, "drbd r0: refused", 1000, seconds(5)), 3U);
    EXPECT_EQ(flood(limit, "drbd r0: refused", 1000, seconds(64)), 0U);
    EXPECT_EQ(flood(limit, "drbd r0: something else", 1, seconds(64)), 1U);
}

TEST(LogLimit, TheCountIsToldWhenTheIntervalIsOver) {
    LogLimit limit(few());
    flood(limit, "drbd r0: refused", 1000, seconds(5));
    EXPECT_EQ(flood(limit, "drbd r0: something else", 1, seconds(64)), 1U);
    const auto later = limit.pass(LogLevel::Info, "drbd r0: a third thing", seconds(65));
    ASSERT_EQ(later.size(), 2U);
    EXPECT_EQ(later[0].text, "997 more like this were not logged: drbd r0: refused");
    EXPECT_EQ(later[0].level, LogLevel::Warning);
    EXPECT_EQ(later[1].text, "drbd r0: a third thing");
    EXPECT_EQ(flood(limit, "drbd r0: refused", 1000, seconds(66)), 3U);
}

// Who reads the log at that moment must not take the silence for peace.
TEST(LogLimit, TheLastLineSaysThatItIsTheLast) {
    LogLimit limit(few());
    EXPECT_EQ(limit.pass(LogLevel::Info, "x", seconds(1))[0].text, "x");
    limit.pass(LogLevel::Info, "x", seconds(1));
    EXPECT_EQ(limit.pass(LogLevel::Info, "x", seconds(1))[0].text,
              "x (more like this are counted, not logged)");
}

TEST(LogLimit, NothingIsToldOfWhatWasWritten) {
    LogLimit limit(few());
    flood(limit, "x", 3, seconds(1));
    EXPECT_EQ(limit.pass(LogLevel::Info, "y", seconds(1000)).size(), 1U);
    EXPECT_TRUE(limit.end().empty());
}

TEST(LogLimit, TheEndOfTheLogTellsTheRest) {
    LogLimit limit(few());
    flood(limit, "x", 10, seconds(1));
    const auto rest = limit.end();
    ASSERT_EQ(rest.size(), 1U);
    EXPECT_EQ(rest[0].text, "7 more like this were not logged: x");
    EXPECT_TRUE(limit.end().empty());
}

TEST(LogLimit, DebugLinesAreAllWritten) {
    LogLimit limit(few());
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(limit.pass(LogLevel::Debug, "x", seconds(1)).size(), 1U);
    }
}

// Whatever words somebody invents: memory and lines have an end.
TEST(LogLimit, WhatFindsNoRoomIsOneKind) {
    LogLimit limit(few());
    std::size_t written = 0;
    for (char a = 'a'; a <= 'z'; ++a) {
        for (char b = 'a'; b <= 'z'; ++b) {
            written += flood(limit, std::string("word ") + a + b, 10, seconds(1));
        }
    }
    EXPECT_EQ(written, 4 * 3 + 5U);
    EXPECT_EQ(limit.end().size(), 5U);
}

TEST(LogLimit, AKindIsATextWithoutItsNumbersAndQuotedWords) {
    const auto same = [](const char* left, const char* right) {
        return base::kind_of_line(left) == base::kind_of_line(right);
    };
    EXPECT_TRUE(same("block drbd1: mask 0x1e00, value 0", "block drbd1: mask 0x3, value 0xaffe"));
    EXPECT_TRUE(same("NBD client of /run/drbdd/drbd0.nbd (pid 4711): closing",
                     "NBD client of /run/drbdd/drbd0.nbd (pid 815): closing"));
    EXPECT_TRUE(same("drbd r0: from 10.0.0.1", "drbd r0: from 192.168.3.17"));
    EXPECT_TRUE(same("node \"bob\" unknown", "node \"mallory\" unknown"));
    EXPECT_FALSE(same("block drbd1: disk( UpToDate -> Failed )",
                      "block drbd1: disk( UpToDate -> Diskless )"));
    EXPECT_FALSE(same("block drbd1: x", "block drbd2: x"));
    EXPECT_FALSE(same("drbd r0: x", "drbd r1: x"));
    EXPECT_FALSE(same("block drbd100: x", "block drbd101: x"));
    EXPECT_FALSE(same("drbd r1000: x", "drbd r1001: x"));
    EXPECT_LE(base::kind_of_line(std::string(100000, 'x')).size(), 240U);
    EXPECT_LE(base::kind_of_line(std::string(100000, 'x') + ": y").size(), 240U);
    EXPECT_EQ(base::kind_of_line("an open 'quote"), "an open 'quote");
    EXPECT_EQ(base::kind_of_line(""), "");
}

}  // namespace
