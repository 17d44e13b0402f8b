#include "drbdd/engine/peer/resync.h"

#include <gtest/gtest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using engine::DiskSettings;
using engine::ResyncPacer;

DiskSettings with_min_rate(std::uint32_t kib) {
    DiskSettings settings;
    settings.c_min_rate_kib = kib;
    return settings;
}

TEST(ResyncPacer, GivesWayOnlyWhileTheApplicationIsBusy) {
    ResyncPacer pacer;
    pacer.start(io::Instant{0ms});
    EXPECT_TRUE(pacer.gives_way(io::Instant{1ms}, with_min_rate(250), true));
    EXPECT_FALSE(pacer.gives_way(io::Instant{1ms}, with_min_rate(250), false));
}

TEST(ResyncPacer, NeverGivesWayWithAMinRateOfZero) {
    ResyncPacer pacer;
    pacer.start(io::Instant{0ms});
    pacer.spend(100u << 20);
    EXPECT_FALSE(pacer.gives_way(io::Instant{1ms}, with_min_rate(0), true));
}

// 1 MiB is asked for every 10 ms unless the application goes first: it comes close to c-min-rate.
TEST(ResyncPacer, LetsABusyApplicationSlowTheResyncDownToTheMinRateAndNoFurther) {
    ResyncPacer pacer;
    pacer.start(io::Instant{0ms});
    const DiskSettings settings = with_min_rate(20u << 10);  // 20 MiB/s
    std::uint64_t asked = 0;
    for (io::Instant now{0ms}; now < io::Instant{10s}; now += 10ms) {
        if (!pacer.gives_way(now, settings, true)) {
            pacer.spend(1u << 20);
            asked += 1u << 20;
        }
    }
    EXPECT_GT(asked, 195u << 20);
    EXPECT_LT(asked, 205u << 20);
}

TEST(ResyncPacer, ForgetsHowFastItWasBeforeTheApplicationCame) {
    ResyncPacer pacer;
    pacer.start(io::Instant{0ms});
    const DiskSettings settings = with_min_rate(20u << 10);
    pacer.spend(10u << 30);
    EXPECT_TRUE(pacer.gives_way(io::Instant{10ms}, settings, true));
    EXPECT_FALSE(pacer.gives_way(io::Instant{1100ms}, settings, true));
}

}  // namespace
