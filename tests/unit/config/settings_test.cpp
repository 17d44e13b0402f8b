// What a node gets from a file: types, units, inheritance.
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace {

using namespace std::chrono_literals;

TEST(Settings, AreDrbdsDefaultsWhereTheFileSaysNothing) {
    const config::LoadedConf loaded = load(resource(""));
    ASSERT_EQ(joined(loaded.errors), "");
    const config::ResourceSettings got = settings(loaded);
    EXPECT_EQ(got.net, config::NetSettings{});
    ASSERT_EQ(got.volumes.size(), 1u);
    EXPECT_EQ(got.volumes[0].options, config::DiskSettings{});
    EXPECT_FALSE(got.volumes[0].options.c_max_rate_kib.has_value());
    EXPECT_TRUE(got.volumes[0].implicit);
    EXPECT_EQ(got.volumes[0].device, "/dev/drbd0");
    EXPECT_EQ(got.volumes[0].disk, "/dev/vg0/r0");
}

TEST(Settings, KnowThisHostAndThePeer) {
    const config::LoadedConf loaded = load(resource(""), "beta");
    const config::ResourceSettings got = settings(loaded, "beta");
    EXPECT_EQ(got.node, "beta");
    EXPECT_EQ(got.peer, "alpha");
    EXPECT_EQ(config::to_string(got.address), "ipv4:10.9.9.2:7788");
    EXPECT_EQ(config::to_string(got.peer_address), "ipv4:10.9.9.1:7788");
}

TEST(Settings, HaveTheUnitsOfTheFile) {
    const config::ResourceSettings got = settings(load(
        resource("net { timeout 80; ping-int 7; protocol a; sndbuf-size 512k; no-tcp-cork; "
                 "after-sb-1pri discard-secondary; cram-hmac-alg sha1; shared-secret \"a b\"; }\n"
                 "disk { resync-rate 40M; size 1G; c-max-rate 300M; on-io-error pass_on; "
                 "al-extents 7; c-plan-ahead 0; }")));
    EXPECT_EQ(std::chrono::milliseconds(got.net.timeout), 8s);
    EXPECT_EQ(got.net.ping_int, 7s);
    EXPECT_EQ(got.net.protocol, config::Protocol::A);
    EXPECT_EQ(got.net.sndbuf_size_bytes, 524288u);
    EXPECT_FALSE(got.net.tcp_cork);
    EXPECT_EQ(got.net.after_sb_1pri, config::AfterSb1Pri::DiscardSecondary);
    EXPECT_EQ(got.net.shared_secret, "a b");
    const config::DiskSettings& disk = got.volumes.at(0).options;
    EXPECT_EQ(disk.resync_rate_kib, 40960u);
    EXPECT_EQ(disk.size_sectors, 2097152u);
    EXPECT_EQ(disk.c_max_rate_kib, 307200u);
    EXPECT_EQ(disk.on_io_error, config::OnIoError::PassOn);
    EXPECT_EQ(disk.al_extents, 67u);  // clamped, as the original does
    EXPECT_EQ(disk.c_plan_ahead, config::Deciseconds(0));
}

TEST(Settings, InheritFromCommonWhatTheResourceDoesNotSay) {
    const config::ResourceSettings got = settings(load(
        "common { protocol A; net { timeout 80; } disk { resync-rate 10M; al-extents 511; }\n"
        "handlers { split-brain one; pri-lost two; } startup { wfc-timeout 30; } }\n" +
        resource("net { timeout 50; } disk { resync-rate 33M; } handlers { split-brain own; }")));
    EXPECT_EQ(got.net.protocol, config::Protocol::A);
    EXPECT_EQ(got.net.timeout, config::Deciseconds(50));
    EXPECT_EQ(got.volumes.at(0).options.resync_rate_kib, 33792u);
    EXPECT_EQ(got.volumes.at(0).options.al_extents, 511u);
    EXPECT_EQ(got.startup.wfc_timeout, 30s);
    const std::map<std::string, std::string> handlers = {{"split-brain", "own"},
                                                         {"pri-lost", "two"}};
    EXPECT_EQ(got.handlers, handlers);
}

TEST(Settings, LetTheNarrowerSectionWin) {
    const config::LoadedConf loaded = load(R"(
common { disk { on-io-error pass_on; al-extents 100; resync-rate 1M; md-flushes no; } }
resource r0 {
    disk { al-extents 200; resync-rate 2M; }
    volume 0 { device minor 1; disk /dev/a; meta-disk internal; disk { resync-rate 3M; } }
    volume 3 { device minor 4; disk /dev/b; meta-disk internal; }
    on alpha { address 10.9.9.1:1; volume 0 { disk /dev/c; disk { resync-rate 4M; } } }
    on beta { address 10.9.9.2:1; }
})");
    ASSERT_EQ(joined(loaded.errors), "");
    const config::ResourceSettings alpha = settings(loaded);
    ASSERT_EQ(alpha.volumes.size(), 2u);
    EXPECT_EQ(alpha.volumes[0].disk, "/dev/c");
    EXPECT_EQ(alpha.volumes[0].minor, 1u);
    EXPECT_FALSE(alpha.volumes[0].implicit);
    EXPECT_EQ(alpha.volumes[0].options.resync_rate_kib, 4096u);
    EXPECT_EQ(alpha.volumes[0].options.al_extents, 200u);
    EXPECT_EQ(alpha.volumes[0].options.on_io_error, config::OnIoError::PassOn);
    EXPECT_FALSE(alpha.volumes[0].options.md_flushes);
    EXPECT_EQ(alpha.volumes[1].number, 3u);
    EXPECT_EQ(alpha.volumes[1].options.resync_rate_kib, 2048u);
    EXPECT_EQ(settings(loaded, "beta").volumes.at(0).options.resync_rate_kib, 3072u);
}

TEST(Settings, TakeTheOldSyncerSection) {
    const config::ResourceSettings got =
        settings(load(resource("syncer { rate 40M; al-extents 511; use-rle no; }")));
    EXPECT_EQ(got.volumes.at(0).options.resync_rate_kib, 40960u);
    EXPECT_FALSE(got.net.use_rle);
}

TEST(Settings, ResolveDiscardNodeOnEachSide) {
    const std::string text = resource("net { after-sb-0pri discard-node-alpha; }");
    EXPECT_EQ(settings(load(text)).net.after_sb_0pri, config::AfterSb0Pri::DiscardLocal);
    EXPECT_EQ(settings(load(text, "beta"), "beta").net.after_sb_0pri,
              config::AfterSb0Pri::DiscardRemote);
    const config::LoadedConf other = load(resource("net { after-sb-0pri discard-node-gamma; }"));
    const auto result = config::settings_for(other.conf, other.conf.resources[0], "alpha");
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().text,
              "f:2: after-sb-0pri discard-node-gamma: there is no host 'gamma' in this resource");
}

TEST(Settings, AreValuesHoweverTheyAreWritten) {
    const auto ip = [](config::AddressFamily family, const std::string& text) {
        return config::canonical({family, text, 1}).ip;
    };
    EXPECT_EQ(ip(config::AddressFamily::Ipv4, "010.9.09.1"), "010.9.09.1");  // 9 is no octal digit
    EXPECT_EQ(ip(config::AddressFamily::Ipv4, "10.007.0.01"), "10.7.0.1");
    EXPECT_EQ(ip(config::AddressFamily::Ipv6, "FD00:0:0::000A"), "fd00::a");
    EXPECT_EQ(ip(config::AddressFamily::Ipv6, "FE80:0::1%eth0"), "fe80::1%eth0");
    EXPECT_EQ(ip(config::AddressFamily::Ipv6, "nonsense"), "nonsense");
    const auto net = [](const std::string& text) { return settings(load(resource(text))).net; };
    EXPECT_EQ(net("net { cram-hmac-alg SHA256; timeout 060; sndbuf-size 1M; always-asbp; }"),
              net("net { cram-hmac-alg sha256; timeout 60; sndbuf-size 1024k; always-asbp yes; }"));
}

TEST(Settings, NeedASectionForThisHostAndOneForAPeer) {
    const config::LoadedConf loaded = load(
        "resource r0 { device minor 1; disk /dev/x; meta-disk internal;\n"
        "on alpha { address 10.9.9.1:7788; } }");
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(config::settings_for(loaded.conf, loaded.conf.resources[0], "alpha").error().text,
              "f:1: in resource r0:\n\tMissing section 'on <PEER> { ... }'.");
    EXPECT_EQ(config::settings_for(loaded.conf, loaded.conf.resources[0], "gamma").error().text,
              "f:1: in resource r0:\n\tmissing section 'on gamma { ... }'.");
}

TEST(DrbdConf, ReadsAFileOnceHoweverOftenItIsIncluded) {
    MemoryFiles files({{"d/f", "include \"a/*.res\"; include \"a/x.res\"; include f;"},
                       {"d/a/x.res", resource("")}});
    const config::LoadedConf loaded = config::load_drbd_conf("d/f", "alpha", files);
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(loaded.conf.resources.size(), 1u);
    EXPECT_EQ(loaded.conf.resources[0].place.file, "d/a/x.res");
}

TEST(DrbdConf, SaysWhichFileCannotBeRead) {
    MemoryFiles files({});
    const config::LoadedConf loaded = config::load_drbd_conf("nosuch", "alpha", files);
    EXPECT_TRUE(loaded.unreadable);
    EXPECT_EQ(joined(loaded.errors), "Can not open 'nosuch'\n");
}

TEST(DrbdConf, RunsNothingWithMoreThanTwoHosts) {
    const config::LoadedConf loaded = load(
        "resource r0 { device minor 1; disk /dev/x; meta-disk internal;\n"
        "on a { address 10.9.9.1:7788; }\non b { address 10.9.9.2:7788; }\n"
        "on c { address 10.9.9.3:7788; } }");
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(
        config::settings_for(loaded.conf, loaded.conf.resources[0], "a").error().text,
        "f:4: in resource r0: more than two 'on' sections are known but not supported by this "
        "version of drbdd");
}

TEST(DrbdConf, WantsTheSameVolumesOnBothHosts) {
    const config::LoadedConf loaded = load(
        "resource r0 {\n"
        "on a { address 10.9.9.1:1; volume 1 { device minor 1; disk x; meta-disk internal; } }\n"
        "on b { address 10.9.9.2:1; volume 2 { device minor 1; disk x; meta-disk internal; } }\n"
        "}");
    EXPECT_EQ(joined(loaded.errors),
              "f:2: in resource r0, on a { ... }: volume 1 not defined on b\n"
              "f:3: in resource r0, on b { ... }: volume 2 not defined on a\n");
}

// Its number in /dev/drbd/by-res/r0/0 although the file has no `volume 0 { }`.
TEST(DrbdConf, NumbersImplicitVolumesIfAskedTo) {
    const config::LoadedConf loaded = load("global { udev-always-use-vnr; }\n" + resource(""));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_FALSE(settings(loaded).volumes.at(0).implicit);
    EXPECT_NE(config::dump(loaded.conf, "alpha").find("\n    udev-always-use-vnr;\n"),
              std::string::npos);
}

TEST(DrbdConf, FindsAFloatingHostByItsAddress) {
    const std::string text =
        "resource r0 { device minor 1; disk /dev/a; meta-disk internal; floating 10.9.9.1:7793;\n"
        "floating ipv6 [fd00::2]:7793 { disk /dev/b; meta-disk /dev/m[1]; } }";
    const config::LoadedConf here = load(text, "any name");
    EXPECT_EQ(joined(here.errors), "");
    const config::ResourceSettings got = settings(here, "any name");
    EXPECT_EQ(got.volumes.at(0).disk, "/dev/a");
    EXPECT_EQ(config::to_string(got.address), "ipv4:10.9.9.1:7793");
    EXPECT_EQ(config::to_string(got.peer_address), "ipv6:[fd00::2]:7793");
    EXPECT_EQ(got.peer, "ipv6 [fd00::2]:7793");
    MemoryFiles there({{"f", text}});
    there.address = "fd00::2";
    const config::LoadedConf other = config::load_drbd_conf("f", "alpha", there);
    const config::ResourceSettings with_slot = settings(other);
    EXPECT_EQ(with_slot.volumes.at(0).meta_disk, "/dev/m");
    EXPECT_EQ(with_slot.volumes.at(0).meta_index, 1u);
    there.address = "10.9.9.3";
    const config::LoadedConf nowhere = config::load_drbd_conf("f", "alpha", there);
    EXPECT_EQ(nowhere.conf.resources.at(0).find_host("alpha"), nullptr);
}

TEST(DrbdConf, KnowsWhereAStackedResourceIs) {
    const config::LoadedConf loaded = load(
        "resource upper { stacked-on-top-of r0 { device minor 9; address 10.9.9.9:1; }\n"
        "on gamma { device minor 9; disk /dev/z; meta-disk internal; address 10.9.9.3:1; } }\n" +
        resource("ignore-on gamma { whatever { x; } }"));
    EXPECT_EQ(joined(loaded.errors), "");
    const config::ResourceConf& upper = loaded.conf.resources.at(0);
    EXPECT_TRUE(upper.is_stacked("alpha"));
    EXPECT_TRUE(upper.is_stacked("beta"));
    EXPECT_FALSE(upper.is_stacked("gamma"));
    EXPECT_FALSE(loaded.conf.resources.at(1).is_stacked("alpha"));
    ASSERT_NE(upper.find_host("alpha"), nullptr);
    EXPECT_EQ(upper.find_host("alpha")->volumes.at(0).disk, "/dev/drbd0");
    const auto settings = config::settings_for(loaded.conf, upper, "alpha");
    ASSERT_TRUE(settings) << settings.error().text;
    EXPECT_EQ(settings->volumes.at(0).disk, "/dev/drbd0");
    EXPECT_EQ(settings->volumes.at(0).meta_disk, "");
    EXPECT_EQ(settings->address.ip, "10.9.9.9");
    EXPECT_EQ(settings->peer, "gamma");
    const auto there = config::settings_for(loaded.conf, upper, "gamma");
    ASSERT_TRUE(there) << there.error().text;
    EXPECT_EQ(there->volumes.at(0).disk, "/dev/z");
    EXPECT_EQ(there->peer_address.ip, "10.9.9.9");
}

// What Debian installs beside a DRBD of the kernel.
TEST(DrbdConf, ReadsTheStockFileOfTheInstalledPackage) {
    if (!std::filesystem::exists("/etc/drbd.d/global_common.conf")) {
        GTEST_SKIP() << "the package drbd-utils is not installed";
    }
    config::SystemFiles files;
    const config::LoadedConf loaded =
        config::load_drbd_conf("/etc/drbd.d/global_common.conf", "alpha", files);
    EXPECT_EQ(joined(loaded.errors), "");
}

TEST(DrbdConf, SkipsASkippedSection) {
    const config::LoadedConf loaded =
        load("skip resource old { a { b; } }\n" + resource("skip net { timeout 9999; }"));
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(loaded.conf.resources.size(), 1u);
}

TEST(DrbdConf, DumpsVolumeOptionsWhereTheyBelong) {
    const config::LoadedConf loaded = load(
        "resource r0 { volume 0 { device minor 1; disk /dev/a; meta-disk internal;\n"
        "disk { al-extents 100; } } on alpha { address ipv6 [fd00::1]:1; }\n"
        "on beta { address ipv6 [fd00::2]:1; } }");
    ASSERT_EQ(joined(loaded.errors), "");
    EXPECT_NE(config::dump(loaded.conf, "alpha")
                  .find("            meta-disk    internal;\n"
                        "            disk {\n"
                        "                al-extents       100;\n"
                        "            }\n"
                        "        }\n"
                        "        address          ipv6 [fd00::1]:1;\n"),
              std::string::npos);
}

TEST(DrbdConf, KnowsWhereTheMetadataAre) {
    const auto placed = [](const std::string& statement) {
        const config::LoadedConf loaded =
            load("resource r0 { device minor 1; disk /dev/a; " + statement +
                 " on alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; } }");
        EXPECT_EQ(joined(loaded.errors), "");
        const config::VolumeSettings volume = settings(loaded).volumes.at(0);
        return volume.meta_disk +
               (volume.meta_index ? "[" + std::to_string(*volume.meta_index) + "]" : "");
    };
    EXPECT_EQ(placed("meta-disk internal;"), "");
    EXPECT_EQ(placed("meta-disk /dev/m;"), "/dev/m");
    EXPECT_EQ(placed("flexible-meta-disk /dev/m;"), "/dev/m");
    EXPECT_EQ(placed("meta-disk /dev/m [3];"), "/dev/m[3]");
    EXPECT_EQ(placed("meta-disk \"/dev/m\"[0];"), "/dev/m[0]");
}

// By name and line, in the words of the original.
TEST(DrbdConf, RefusesTheSameMetadataForTwoVolumes) {
    const auto with = [](const std::string& first, const std::string& second) {
        return joined(load("resource r0 {\nvolume 0 { device minor 1; disk /dev/a;\n" + first +
                           " }\nvolume 1 { device minor 2; disk /dev/b;\n" + second +
                           " }\non alpha { address 10.9.9.1:1; }\non beta { address "
                           "10.9.9.2:1; } }")
                          .errors);
    };
    EXPECT_EQ(with("meta-disk /dev/m[1];", "meta-disk /dev/m[1];"),
              "f:5: conflicting use of meta-disk 'alpha:/dev/m[1]' ...\n"
              "f:3: meta-disk 'alpha:/dev/m[1]' first used here.\n");
    EXPECT_EQ(with("meta-disk /dev/m;", "flexible-meta-disk /dev/m;"),
              "f:5: conflicting use of meta-disk 'alpha:/dev/m[flexible]' ...\n"
              "f:3: meta-disk 'alpha:/dev/m[flexible]' first used here.\n");
    EXPECT_EQ(with("meta-disk /dev/m[1];", "meta-disk /dev/m[2];"), "");
}

}  // namespace
