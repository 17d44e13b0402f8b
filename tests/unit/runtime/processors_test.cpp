// The cpu-mask of a resource is where its thread runs.
#include "drbdd/runtime/processors.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

class Lines : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { text += line; }

    std::string text;
};

// Of the first that the test may use at all.
cpu_set_t only_one() {
    cpu_set_t all;
    cpu_set_t one;
    CPU_ZERO(&one);
    EXPECT_EQ(::sched_getaffinity(::getpid(), sizeof all, &all), 0);
    for (int number = 0; number < CPU_SETSIZE; ++number) {
        if (CPU_ISSET(number, &all) && CPU_COUNT(&one) == 0) {
            CPU_SET(number, &one);
        }
    }
    return one;
}

std::string mask_of(const cpu_set_t& set) {
    std::string mask;
    for (int digit = CPU_SETSIZE / 4 - 1; digit >= 0; --digit) {
        unsigned value = 0;
        for (int bit = 0; bit < 4; ++bit) {
            value |= CPU_ISSET(digit * 4 + bit, &set) ? 1u << bit : 0;
        }
        mask += "0123456789abcdef"[value];
    }
    return mask;
}

bool runs_on(const cpu_set_t& wanted) {
    cpu_set_t got;
    return ::sched_getaffinity(0, sizeof got, &got) == 0 && CPU_EQUAL(&got, &wanted);
}

TEST(Processors, AreThoseOfTheMaskAndAllAgainWithoutOne) {
    cpu_set_t all;
    ASSERT_EQ(::sched_getaffinity(::getpid(), sizeof all, &all), 0);
    const cpu_set_t one = only_one();
    std::thread([&] {
        Lines log;
        config::ResourceSettings settings;
        settings.name = "r0";
        settings.cpu_mask = mask_of(one);
        runtime::run_on_processors(settings, log);
        EXPECT_TRUE(runs_on(one));
        settings.cpu_mask.clear();
        runtime::run_on_processors(settings, log);
        EXPECT_TRUE(runs_on(all));
        EXPECT_EQ(log.text, "");
        settings.cpu_mask = "0";
        runtime::run_on_processors(settings, log);
        EXPECT_TRUE(runs_on(all));
        EXPECT_EQ(log.text,
                  "resource r0: cpu-mask 0 names no processor that this machine has: it runs on "
                  "all");
    }).join();
}

}  // namespace
