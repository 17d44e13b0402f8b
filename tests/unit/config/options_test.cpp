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

// Its data would not be as safe as the file says. The file is good all the same, and so are the
// other resources in it.
TEST(Options, ThatSafetyDependsOnKeepTheirResourceDownByName) {
    const config::LoadedConf loaded =
        load("common { net { tls yes; allow-two-primaries; } }\n" +
             resource("net { allow-two-primaries no; }\noptions { quorum majority; }") +
             "resource r1 { net { tls no; allow-two-primaries no; } device minor 1;"
             "disk x; meta-disk internal; on alpha { address 10.9.9.1:1; } on beta { address "
             "10.9.9.2:1; } }");
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(
        refusal(loaded),
        "f:1: option 'tls' of section 'net' is known but not supported by this version of drbdd "
        "with the value 'yes': only 'no' is\n"
        "f:4: option 'quorum' of section 'options' is known but not supported by this version "
        "of drbdd with the value 'majority': only 'off' is");
    EXPECT_TRUE(config::settings_for(loaded.conf, loaded.conf.resources.at(1), "alpha"));
}

TEST(Exports, AreDisksWhoseMetadataAreElsewhere) {
    const auto with = [](const std::string& disk, const std::string& meta) {
        return load("resource r0 { device minor 0; disk \"" + disk + "\"; meta-disk " + meta +
                    ";\non alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; } }");
    };
    for (const char* disk : {"nbd://10.0.0.9/x",
                             "nbds://user@host:10809/x?tls-psk-file=/keys",
                             "nbd+unix:///x?socket=/run/x",
                             "nbds+unix:///x?socket=/run/x"}) {
        const config::LoadedConf good = with(disk, "/dev/meta");
        EXPECT_EQ(joined(good.errors), "");
        EXPECT_EQ(refusal(good), "");
        EXPECT_EQ(settings(good).volumes.at(0).disk, disk);
        EXPECT_EQ(refusal(with(disk, "internal")),
                  "f:1: 'meta-disk internal' at the end of an NBD export is known but not "
                  "supported by this version of drbdd");
    }
    for (const char* scheme : {"iscsi", "nbd+ssh", "file", "NBD", ""}) {
        EXPECT_EQ(refusal(with(std::string(scheme) + "://x", "/dev/meta")),
                  "f:1: 'disk " + std::string(scheme) +
                      "://' is known but not supported by this version of drbdd");
    }
}

TEST(Options, ThatFreezeAreTaken) {
    const config::LoadedConf loaded =
        load(resource("net { fencing resource-and-stonith; }\ndisk { disk-timeout 100; }\n"
                      "options { on-no-data-accessible suspend-io; }"));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(joined(loaded.warnings), "");
    const auto got = config::settings_for(loaded.conf, loaded.conf.resources.at(0), "alpha");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->net.fencing, config::Fencing::ResourceAndStonith);
    EXPECT_EQ(got->on_no_data, config::OnNoData::SuspendIo);
    EXPECT_EQ(got->volumes.at(0).options.disk_timeout, config::Deciseconds(100));
}

TEST(Options, OfDrbd9ThatAskForWhatTwoNodesHaveAreAccepted) {
    const config::LoadedConf loaded = load(resource(
        "options { quorum off; on-no-quorum io-error; auto-promote no; max-io-depth 8000; }\n"
        "net { transport tcp; rr-conflict retry-connect; tls no; fencing resource-only; }\n"
        "disk { bitmap yes; }"));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(refusal(loaded), "");
    for (const std::string inside : {"options { quorum majority; }",
                                     "net { tls yes; }",
                                     "net { transport rdma; }",
                                     "disk { bitmap no; }"}) {
        EXPECT_NE(refusal(load(resource(inside))), "") << inside;
    }
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

// They ask for less than they get, or for another speed.
TEST(Options, ThatSafetyDoesNotDependOnAreWarnedOf) {
    for (const std::string inside : {"disk { no-disk-drain; }",
                                     "disk { al-updates no; }",
                                     "disk { rs-discard-granularity 64k; }",
                                     "disk { discard-zeroes-if-aligned no; }",
                                     "disk { max-bio-bvecs 1; }",
                                     "syncer { cpu-mask 3; al-updates no; }"}) {
        const config::LoadedConf loaded = load(resource(inside));
        EXPECT_EQ(joined(loaded.errors), "") << inside;
        EXPECT_EQ(refusal(loaded), "") << inside;
        EXPECT_EQ(joined(loaded.warnings).find("f:2: WARN: option '"), 0u) << inside;
    }
}

TEST(Options, TheCpuMaskNamesProcessors) {
    using Numbers = std::vector<unsigned>;
    EXPECT_EQ(config::processors_of(""), Numbers{});
    EXPECT_EQ(config::processors_of("5"), (Numbers{0, 2}));
    EXPECT_EQ(config::processors_of("1,00000000"), (Numbers{32}));
    EXPECT_EQ(config::processors_of("aF"), (Numbers{0, 1, 2, 3, 5, 7}));
    EXPECT_EQ(config::processors_of(std::string(255, 'f'))->size(), 1020u);
    EXPECT_EQ(config::processors_of(std::string(300, 'f'))->size(), 1024u);
    for (const char* bad : {"0x3", "g", "3 4", "-1"}) {
        EXPECT_FALSE(config::processors_of(bad)) << bad;
    }
    EXPECT_EQ(settings(load(resource("options { cpu-mask 3; }"))).cpu_mask, "3");
    const config::LoadedConf bad = load(resource("options { cpu-mask 0x3; }"));
    EXPECT_EQ(joined(bad.errors), "");  // everything but up works
    EXPECT_EQ(refusal(bad), "f:2: Invalid cpu-mask.");
}

// What has no meaning here is said, each once.
TEST(Options, OfGlobalWithoutAnEffectAreWarnedOf) {
    const config::LoadedConf loaded = load(
        "global { minor-count 5; dialog-refresh 1; cmd-timeout-short 1; cmd-timeout-medium 2;\n"
        "cmd-timeout-long 3; usage-count ask; udev-always-use-vnr; disable-ip-verification; }\n" +
        resource(""));
    const auto warned = [](const std::string& what) {
        return "WARN: option '" + what +
               "' of section 'global' is accepted and has no effect here: ";
    };
    const std::string quick = "the daemon answers every command within a second\n";
    EXPECT_EQ(
        joined(loaded.warnings),
        "f:1: " + warned("minor-count") +
            "there is no limit but that of the minors, 1048575\nf:1: " + warned("dialog-refresh") +
            "wait-con-int has no dialog that would be drawn again\nf:1: " +
            warned("cmd-timeout-short") + quick + "f:1: " + warned("cmd-timeout-medium") + quick +
            "f:2: " + warned("usage-count ask") + "nothing is ever reported to anybody\n");
    EXPECT_EQ(joined(load("global { usage-count no; }\n" + resource("")).warnings), "");
}

TEST(Options, ADigestHasAKnownName) {
    for (const std::string known :
         {"crc32c", "md5", "sha1", "SHA256", "sha384", "sha512", "xxhash64"}) {
        for (const std::string option : {"verify-alg", "csums-alg", "data-integrity-alg"}) {
            const config::LoadedConf loaded =
                load(resource("net { " + option + " " + known + "; }"));
            EXPECT_EQ(joined(loaded.errors) + joined(loaded.warnings) + refusal(loaded), "")
                << option << " " << known;
        }
    }
    for (const std::string option : {"verify-alg", "csums-alg", "data-integrity-alg"}) {
        EXPECT_EQ(refusal(load(resource("net { " + option + " rot13; }"))),
                  "f:2: option '" + option +
                      "' of section 'net' is known but not supported by this version of drbdd "
                      "with the value 'rot13'");
    }
    const config::ResourceSettings read = settings(load(
        resource("net { data-integrity-alg CRC32C; csums-alg SHA1; csums-after-crash-only; }")));
    EXPECT_EQ(read.net.data_integrity_alg, "crc32c");
    EXPECT_EQ(read.net.csums_alg, "sha1");
    EXPECT_TRUE(read.net.csums_after_crash_only);
}

TEST(Options, ThatNobodyKnowsAreASyntaxError) {
    const config::LoadedConf loaded = load(resource("disk { c-max-speed 1; }"));
    EXPECT_EQ(joined(loaded.errors),
              "f:2: Parse error: 'an option keyword' expected,\n\tbut got 'c-max-speed'\n");
}

TEST(Options, AreCheckedAgainstTheirRangeInTheirUnit) {
    EXPECT_EQ(joined(load(resource("disk { resync-rate 10G; }")).errors),
              "f:2: resync-rate 10G => 10485760k out of range [1..8388608]k.\n");
    EXPECT_EQ(joined(load(resource("net { ping-int 99999999999999999999; }")).errors),
              "f:2: ping-int 99999999999999999999 => more than 2^64 out of range [1..120].\n");
}

TEST(Options, OfThoseGivenTwiceTheLastOneCounts) {
    const config::LoadedConf loaded = load(
        "common { handlers { pri-lost one; pri-lost two; } disk { al-extents 100; al-extents 200; "
        "} "
        "net { timeout 50; } protocol A; }\n" +
        resource("protocol C; net { protocol A; timeout 60; timeout 70; allow-two-primaries; "
                 "allow-two-primaries no; }\n"
                 "syncer { rate 20M; } disk { resync-rate 10M; disk-flushes; no-disk-flushes; }\n"
                 "handlers { split-brain one; split-brain two; }\n"
                 "startup { wfc-timeout 1; wfc-timeout 2; become-primary-on alpha; "
                 "become-primary-on beta; }"));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(refusal(loaded), "");
    const config::ResourceSettings got = settings(loaded);
    EXPECT_EQ(got.net.protocol, config::Protocol::A);
    EXPECT_EQ(got.net.timeout, config::Deciseconds(70));
    EXPECT_EQ(got.startup.wfc_timeout, config::Seconds(2));
    ASSERT_EQ(got.volumes.size(), 1u);
    EXPECT_EQ(got.volumes[0].options.resync_rate_kib, 10240u);
    EXPECT_EQ(got.volumes[0].options.al_extents, 200u);
    EXPECT_FALSE(got.volumes[0].options.disk_flushes);
    EXPECT_EQ(got.handlers.at("split-brain"), "two");
    EXPECT_EQ(got.handlers.at("pri-lost"), "two");
    EXPECT_NE(config::dump(loaded.conf, "alpha").find("become-primary-on beta;\n"),
              std::string::npos);
    // What one machine has only once stays a mistake.
    EXPECT_NE(joined(load(resource("device /dev/drbd1;")).errors), "");
    EXPECT_NE(joined(load(resource("on alpha { address 10.9.9.1:7789; }")).errors), "");
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
