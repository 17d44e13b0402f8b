#include "heartbeat/runtime/boot_timer.h"

#include <gtest/gtest.h>

namespace {

using hb::boot_time;
using hb::BootTimer;
using namespace std::chrono_literals;

struct TestClock {
    boost::asio::io_context io;
    int fired = 0;
    BootTimer timer{io, [this] { ++fired; }};
};

TEST(BootTimer, FiresOnceAndNotBefore) {
    TestClock clock;
    const auto moment = boot_time() + 30ms;
    clock.timer.set(moment);
    clock.io.run_one();
    EXPECT_GE(boot_time(), moment);
    clock.io.run_for(50ms);
    EXPECT_EQ(clock.fired, 1);
}

// As after a suspend: what was left of the wait does not count.
TEST(BootTimer, AMomentThatHasPassedIsNow) {
    TestClock clock;
    for (const auto moment : {boot_time() - 1h, 0ms, -5ms}) {
        clock.fired = 0;
        clock.timer.set(moment);
        clock.io.run_for(500ms);
        EXPECT_EQ(clock.fired, 1);
    }
}

TEST(BootTimer, WhatIsClearedOrSetAnewDoesNotFire) {
    TestClock clock;
    clock.timer.set(boot_time() - 1ms);
    clock.timer.clear();
    clock.io.run_for(30ms);
    EXPECT_EQ(clock.fired, 0);
    clock.timer.set(boot_time() - 1ms);
    clock.timer.set(boot_time() + 1h);
    clock.io.run_for(30ms);
    EXPECT_EQ(clock.fired, 0);
}

}  // namespace
