#include "config/options.h"

#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

namespace {

using config::Number;
using config::parse_number;
using config::Section;

TEST(Number, IsInTheUnitOfItsScaleRoundedUp) {
    EXPECT_EQ(parse_number("10M", 'k').value, 10240u);
    EXPECT_EQ(parse_number("2048", 'k').value, 2048u);
    EXPECT_EQ(parse_number("1s", 'k').value, 1u);
    EXPECT_EQ(parse_number("40M", 's').value, 81920u);
    EXPECT_EQ(parse_number("2048s", 's').value, 2048u);
    EXPECT_EQ(parse_number("512k", ' ').value, 524288u);
    EXPECT_EQ(parse_number("8K", ' ').value, 8192u);
    EXPECT_EQ(parse_number("1G", ' ').value, 1073741824u);
}

TEST(Number, SaysWhyItIsNone) {
    for (const char* text : {"", "k", "12kk", "12x", "-1", " 1", "1 ", "0x10"}) {
        EXPECT_EQ(parse_number(text, ' ').problem, Number::Problem::NotANumber) << text;
    }
    EXPECT_EQ(parse_number("18446744073709551615", ' ').problem, Number::Problem::None);
    EXPECT_EQ(parse_number("18446744073709551616", ' ').problem, Number::Problem::Overflow);
    EXPECT_EQ(parse_number("18446744073709551615G", ' ').problem, Number::Problem::Overflow);
}

TEST(Options, AreRefusedByNameWhenDrbdHasThemAndWeDoNot) {
    const config::LoadedConf loaded = load(resource("net { csums-alg md5; on-congestion block; }"));
    EXPECT_EQ(joined(loaded.errors),
              "f:2: option 'csums-alg' of section 'net' is known but not supported by this version "
              "of drbdd\n");
}

TEST(Options, ThatMeanNothingHereAreAcceptedWithAWarningEach) {
    const std::string unusual = "net { no-tcp-cork; unplug-watermark 16; }";
    const config::LoadedConf loaded =
        load("common { " + unusual + " disk { c-delay-target 5; } }\n" + resource(unusual));
    EXPECT_EQ(joined(loaded.errors), "");
    ASSERT_EQ(loaded.warnings.size(), 3u);
    EXPECT_EQ(loaded.warnings[0],
              "f:1: WARN: option 'tcp-cork' of section 'net' is accepted and has no effect here: "
              "packets that are ready together are always sent together");
    const config::LoadedConf usual = load(resource(
        "net { tcp-cork; unplug-watermark 128; } disk { c-delay-target 10; c-min-rate 10M; }"));
    EXPECT_EQ(joined(usual.warnings), "");
}

TEST(Options, HandlersThatNeverRunAreWarnedOf) {
    const config::LoadedConf loaded =
        load(resource("handlers { pri-on-incon-degr reboot; split-brain mail; }"));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(joined(loaded.warnings),
              "f:2: WARN: option 'pri-on-incon-degr' of section 'handlers' is accepted and has no "
              "effect here: this version of drbdd never runs it\n");
}

TEST(Options, ThatWouldLoseDataSafetyAreRefused) {
    const config::LoadedConf loaded = load(resource("disk { no-disk-drain; }"));
    EXPECT_EQ(joined(loaded.errors),
              "f:2: option 'disk-drain' of section 'disk' is known but not supported by this "
              "version of drbdd with the value 'no': only 'yes' is\n");
}

TEST(Options, ThatNobodyKnowsAreASyntaxError) {
    const config::LoadedConf loaded = load(resource("disk { c-max-speed 1; }"));
    EXPECT_EQ(joined(loaded.errors),
              "f:2: Parse error: 'an option keyword' expected,\n\tbut got 'c-max-speed'\n");
}

TEST(Options, AreCheckedAgainstTheirRangeInTheirUnit) {
    EXPECT_EQ(joined(load(resource("disk { resync-rate 10G; }")).errors),
              "f:2: resync-rate 10G => 10485760k out of range [1..4194304]k.\n");
    EXPECT_EQ(joined(load(resource("net { ping-int 99999999999999999999; }")).errors),
              "f:2: ping-int 99999999999999999999 => more than 2^64 out of range [1..120].\n");
}

TEST(Options, CannotBeGivenTwice) {
    EXPECT_EQ(joined(load(resource("net { timeout 60;\ntimeout 50; }")).errors),
              "f:3: conflicting use of option 'r0:net:timeout' ...\n"
              "f:2: option 'r0:net:timeout' first used here.\n");
}

TEST(Options, EveryTypedOneIsInTheTable) {
    config::NetSettings net;
    config::for_each_net_option(net, [](std::string_view name, const auto&) {
        EXPECT_NE(config::find_option(Section::Net, name), nullptr) << name;
    });
    config::DiskSettings disk;
    config::for_each_disk_option(disk, [](std::string_view name, const auto&) {
        EXPECT_NE(config::find_option(Section::Disk, name), nullptr) << name;
    });
    config::StartupSettings startup;
    config::for_each_startup_option(startup, [](std::string_view name, const auto&) {
        EXPECT_NE(config::find_option(Section::Startup, name), nullptr) << name;
    });
}

}  // namespace
