#include "drbdd/engine/peer/sync_marks.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr io::Instant kStart{seconds(100)};

TEST(SyncMarks, CountFromTheBeginningAtFirst) {
    SyncMarks marks;
    marks.start(kStart, 1000);
    marks.advance(kStart + seconds(2), 900);
    const DoneSince last = marks.last(kStart + seconds(2), 900);
    EXPECT_EQ(last.time, seconds(2));
    EXPECT_EQ(last.bits, 100u);
    EXPECT_EQ(marks.oldest(kStart + seconds(2), 900).bits, 100u);
}

TEST(SyncMarks, AreThreeSecondsApartAndReachBackOverEight) {
    SyncMarks marks;
    marks.start(kStart, 100'000);
    std::uint64_t left = 100'000;
    io::Instant now = kStart;
    for (int tenths = 0; tenths < 600; ++tenths) {
        now += milliseconds(100);
        left -= 10;
        marks.advance(now, left);
    }
    EXPECT_LT(marks.last(now, left).time, seconds(3));
    EXPECT_GE(marks.oldest(now, left).time, seconds(21));
    EXPECT_LT(marks.oldest(now, left).time, seconds(24));
    EXPECT_EQ(marks.oldest(now, left).bits,
              static_cast<std::uint64_t>(marks.oldest(now, left).time / milliseconds(10)));
}

TEST(SyncMarks, StayWhileNothingIsDone) {
    SyncMarks marks;
    marks.start(kStart, 1000);
    marks.advance(kStart + seconds(3), 500);
    marks.advance(kStart + seconds(60), 500);
    EXPECT_EQ(marks.last(kStart + seconds(60), 500).time, seconds(57));
    EXPECT_EQ(marks.last(kStart + seconds(60), 500).bits, 0u);
}

TEST(SyncMarks, BeginWhenItIsKnownHowMuchThereIsToDo) {
    SyncMarks marks;
    marks.start(kStart, 0);
    marks.advance(kStart + seconds(5), 800);
    const DoneSince done = marks.oldest(kStart + seconds(6), 700);
    EXPECT_EQ(done.time, seconds(1));
    EXPECT_EQ(done.bits, 100u);
}

TEST(SyncMarks, WhatIsAddedMeanwhileIsNotNegativeWork) {
    SyncMarks marks;
    marks.start(kStart, 100);
    EXPECT_EQ(marks.last(kStart + seconds(1), 150).bits, 0u);
}

}  // namespace
}  // namespace engine
