// Files for two nodes in the style of DRBD 9.
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

namespace {

// Resource r0 of alpha and beta with node ids, and `inside` at its end. No meta-disk: 9 has
// internal metadata unless told otherwise.
std::string nine(const std::string& inside) {
    return "resource r0 { net { timeout 70; protocol A; }\n"
           "volume 0 { device minor 1; disk /dev/a; } volume 1 { device minor 2; disk /dev/b; }\n"
           "on alpha { node-id 0; address 10.9.9.1:7788; options { auto-promote no; } }\n"
           "on beta { node-id 1; address 10.9.9.2:7788; volume 1 { disk /dev/bb; } }\n" +
           inside + " }";
}

TEST(Connections, AreImpliedBetweenTwoHosts) {
    const config::LoadedConf loaded = load(nine(""));
    ASSERT_EQ(joined(loaded.errors), "");
    ASSERT_EQ(refusal(loaded), "");
    const config::ResourceSettings got = settings(loaded);
    EXPECT_EQ(got.peer, "beta");
    ASSERT_EQ(got.volumes.size(), 2u);
    EXPECT_EQ(got.volumes[1].disk, "/dev/b");
    EXPECT_EQ(settings(load(nine(""), "beta"), "beta").volumes.at(1).disk, "/dev/bb");
    EXPECT_EQ(config::to_string(got.peer_address), "ipv4:10.9.9.2:7788");
}

TEST(Connections, HaveTheNearestOptionsAndAddresses) {
    const config::LoadedConf loaded =
        load(nine("connection c { host beta address ipv6 [fd00::2]:7900; host alpha port 7901;\n"
                  "net { protocol B; } disk { c-max-rate 20M; resync-rate 1M; }\n"
                  "volume 1 { disk { resync-rate 5M; } } }\n"
                  "connection-mesh { hosts alpha beta; net { protocol C; ping-int 7; } }"));
    ASSERT_EQ(joined(loaded.errors), "");
    ASSERT_EQ(refusal(loaded), "");
    const config::ResourceSettings got = settings(loaded);
    EXPECT_EQ(got.net.protocol, config::Protocol::B);
    EXPECT_EQ(got.net.ping_int, config::Seconds(7));
    EXPECT_EQ(got.net.timeout, config::Deciseconds(70));
    EXPECT_EQ(config::to_string(got.address), "ipv4:10.9.9.1:7901");
    EXPECT_EQ(config::to_string(got.peer_address), "ipv6:[fd00::2]:7900");
    EXPECT_EQ(got.volumes.at(0).options.c_max_rate_kib, 20480u);
    EXPECT_EQ(got.volumes.at(0).options.resync_rate_kib, 1024u);
    EXPECT_EQ(got.volumes.at(1).options.resync_rate_kib, 5120u);
}

TEST(Connections, MayHaveOnePath) {
    const std::string path =
        "path { host alpha address 10.1.1.1:7803; host beta address 10.1.1.2:7803; }\n";
    const config::LoadedConf one = load(nine("connection { " + path + " net { transport tcp; } }"));
    ASSERT_EQ(joined(one.errors), "");
    ASSERT_EQ(refusal(one), "");
    EXPECT_EQ(config::to_string(settings(one).address), "ipv4:10.1.1.1:7803");
    EXPECT_EQ(config::to_string(settings(one).peer_address), "ipv4:10.1.1.2:7803");
    const config::LoadedConf two = load(nine("connection { " + path + path + " }"));
    EXPECT_EQ(joined(two.errors), "");
    EXPECT_EQ(refusal(two),
              "f:5: more than one path of a connection is known but not supported by this version "
              "of drbdd");
}

TEST(Connections, ThatAskForMoreThanTwoNodesHaveAreRefusedByName) {
    EXPECT_EQ(
        refusal(load(nine("options { quorum majority; }"))),
        "f:5: option 'quorum' of section 'options' is known but not supported by this version "
        "of drbdd with the value 'majority': only 'off' is");
    EXPECT_EQ(refusal(load(nine("connection { host alpha via proxy on alpha { inside 10.1.1.1:1; "
                                "outside 10.1.1.1:2; } host beta; }"))),
              "f:5: 'via proxy' is known but not supported by this version of drbdd");
    const config::LoadedConf three =
        load(nine("on gamma { node-id 2; address 10.9.9.3:1; } connection-mesh { hosts alpha beta "
                  "gamma; }"));
    EXPECT_EQ(joined(three.errors), "");
    EXPECT_EQ(
        refusal(three),
        "f:5: in resource r0: more than two 'on' sections are known but not supported by this "
        "version of drbdd");
}

// It replaces what all others have in common; nothing else of the file is read.
TEST(Connections, ATemplateReplacesCommon) {
    const std::string common = "common { net { ko-count 3; } handlers { split-brain x; } }\n";
    MemoryFiles files({{"f", common + nine("template-file t;")},
                       {"t", "common { net { ping-int 9; } }"},
                       {"bad", common + nine("template-file worse;")},
                       {"worse", "resource r1 { }"},
                       {"none", nine("template-file missing;")},
                       {"round", "common { template-file round; }"}});
    const config::ResourceSettings got = settings(config::load_drbd_conf("f", "alpha", files));
    EXPECT_EQ(got.net.ko_count, 7u);
    EXPECT_EQ(got.net.ping_int, config::Seconds(9));
    EXPECT_TRUE(got.handlers.empty());
    const auto errors = [&](const char* file) {
        return joined(config::load_drbd_conf(file, "alpha", files).errors);
    };
    EXPECT_EQ(errors("bad"), "worse:1: Parse error: 'common' expected,\n\tbut got 'resource'\n");
    EXPECT_EQ(errors("none").find("f:"), std::string::npos);
    EXPECT_NE(errors("none").find("Failed to open template file 'missing'."), std::string::npos);
    EXPECT_EQ(errors("round"), "round:1: a template-file is that of a resource\n");
}

TEST(Connections, NeedTwoEndsThatAreHosts) {
    EXPECT_EQ(joined(load(nine("connection { host alpha; }")).errors),
              "f:5: Resource r0: connection needs to have two endpoints\n");
    EXPECT_EQ(joined(load(nine("connection-mesh { hosts alpha delta; }")).errors),
              "f:5: in resource r0:\n\tThere is no 'on' section for hostname 'delta' named in the "
              "connection-mesh\n");
    EXPECT_EQ(joined(load(nine("connection { path { host alpha; } }")).errors),
              "f:5: Resource r0: path needs to have two endpoints\n");
    EXPECT_EQ(joined(load("resource r0 { volume 0 { device minor 1; disk /dev/a; }\n"
                          "on alpha { node-id 1; address 10.9.9.1:1; }\n"
                          "on beta { node-id 1; address 10.9.9.2:1; } }")
                         .errors),
              "f:3: conflicting use of node-id 'r0:1' ...\nf:2: node-id 'r0:1' first used here.\n");
}

TEST(Connections, AreDumpedAndReadBack) {
    const std::string text = nine(
        "connection c { path { host alpha address 10.1.1.1:1; host beta address 10.1.1.2:1; }\n"
        "net { protocol B; } disk { c-max-rate 20M; } volume 1 { disk { resync-rate 5M; } } }\n"
        "connection-mesh { hosts alpha beta; net { ping-int 7; } }");
    const config::LoadedConf first = load(text);
    ASSERT_EQ(joined(first.errors), "");
    const std::string dumped = config::dump(first.conf, "alpha");
    const config::LoadedConf second = load(dumped);
    EXPECT_EQ(joined(second.errors), "") << dumped;
    EXPECT_TRUE(settings(first) == settings(second)) << dumped;
    EXPECT_NE(dumped.find("            host alpha             address         ipv4 10.1.1.1:1;\n"),
              std::string::npos)
        << dumped;
}

}  // namespace
