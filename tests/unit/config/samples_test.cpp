// The files below conf/ are what people start from: they must be right.
#include "config/drbdd_conf.h"
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace {

const std::string kConf = DRBDD_SOURCE_DIR "/conf/";

TEST(Samples, DrbdConfIsAcceptedOnBothNodes) {
    for (const char* node : {"alice", "bob"}) {
        config::SystemFiles files;
        const config::LoadedConf loaded = config::load_drbd_conf(kConf + "drbd.conf", node, files);
        ASSERT_EQ(joined(loaded.errors), "");
        ASSERT_EQ(loaded.conf.resources.size(), 1u);
        const config::ResourceSettings got = settings(loaded, node);
        EXPECT_EQ(got.name, "r0");
        EXPECT_EQ(got.net.protocol, config::Protocol::C);
        EXPECT_EQ(got.volumes.size(), 1u);
    }
}

// It stands there to be copied: nobody without the secret is let in, and the secret is his own.
TEST(Samples, DrbdConfOfTheReadmeAuthenticates) {
    std::ifstream file(DRBDD_SOURCE_DIR "/README.md");
    const std::string readme((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
    const std::size_t begin = readme.find("    resource r0 {");
    const std::string end = "\n    }\n";
    ASSERT_NE(begin, std::string::npos);
    const std::string sample = readme.substr(begin, readme.find(end, begin) + end.size() - begin);
    const config::LoadedConf loaded = load(sample, "alice");
    ASSERT_EQ(joined(loaded.errors), "");
    for (const char* node : {"alice", "bob"}) {
        const config::ResourceSettings got = settings(loaded, node);
        EXPECT_EQ(got.net.protocol, config::Protocol::C);
        EXPECT_EQ(got.net.cram_hmac_alg, "sha256");
        EXPECT_EQ(got.net.shared_secret, "replace-me");
    }
    EXPECT_NE(readme.find("openssl rand -hex 24"), std::string::npos);
}

TEST(Samples, DrbddConfIsAccepted) {
    config::SystemFiles files;
    const auto conf = config::load_drbdd_conf(kConf + "drbdd.conf", true, files);
    ASSERT_TRUE(conf.has_value()) << conf.error().text;
    EXPECT_EQ(conf->frontend, config::Frontend::Auto);
}

TEST(DrbddConf, ReadsTheFrontEnd) {
    const auto conf = config::parse_drbdd_conf("f", "# ours\nfrontend fuse;\n");
    ASSERT_TRUE(conf.has_value());
    EXPECT_EQ(conf->frontend, config::Frontend::Fuse);
    EXPECT_EQ(config::parse_drbdd_conf("f", "")->frontend, config::Frontend::Auto);
    EXPECT_EQ(config::parse_drbdd_conf("f", "")->peer_address, config::PeerAddress::Configured);
    const auto translated = config::parse_drbdd_conf("f", "peer-address any; frontend none;");
    ASSERT_TRUE(translated);
    EXPECT_EQ(translated->peer_address, config::PeerAddress::Any);
    EXPECT_EQ(translated->frontend, config::Frontend::None);
}

TEST(DrbddConf, IsStrict) {
    const auto error = [](const char* text) {
        const auto conf = config::parse_drbdd_conf("f", text);
        return conf.has_value() ? "none" : conf.error().text;
    };
    EXPECT_EQ(error("\nfronted auto;"),
              "f:2: Parse error: 'frontend | peer-address | nbd-listen | nbd-tls-certificates | "
              "nbd-tls-psk | nbd-plaintext' expected,\n\tbut got 'fronted'");
    EXPECT_EQ(error("frontend loop;"),
              "f:1: Parse error: 'auto | ublk | nbd | fuse | none' expected,\n\tbut got 'loop'");
    EXPECT_EQ(error("frontend auto"), "f:1: Parse error: ';' expected,\n\tbut got ''");
    EXPECT_EQ(error("frontend auto;\nfrontend auto;"), "f:2: frontend is set twice");
    EXPECT_EQ(error("peer-address any;\npeer-address any;"), "f:2: peer-address is set twice");
    EXPECT_EQ(error("peer-address 10.0.0.1;"),
              "f:1: Parse error: 'configured | any' expected,\n\tbut got '10.0.0.1'");
    EXPECT_EQ(error("\"frontend"),
              "f:1: Unterminated double quoted string\n  we don't allow embedded newlines\n"
              "  >>>\"frontend\n...<<<");
}

TEST(DrbddConf, NamesWhereVolumesAreServedAndHowClientsProveThemselves) {
    const auto conf = config::parse_drbdd_conf("f",
                                               "nbd-listen 0 10.0.0.1:10809;\n"
                                               "nbd-tls-psk /etc/drbdd/nbd.psk;\n"
                                               "nbd-listen 17 [FD00::01]:10810;\n"
                                               "nbd-tls-certificates \"/etc/drbdd/tls files\";\n"
                                               "nbd-plaintext refused;\n");
    ASSERT_TRUE(conf.has_value()) << conf.error().text;
    ASSERT_EQ(conf->nbd.listen.size(), 2u);
    EXPECT_EQ(config::to_string(conf->nbd.listen.at(0)), "ipv4:10.0.0.1:10809");
    EXPECT_EQ(config::to_string(conf->nbd.listen.at(17)), "ipv6:[fd00::1]:10810");
    EXPECT_EQ(conf->nbd.tls_psk, "/etc/drbdd/nbd.psk");
    EXPECT_EQ(conf->nbd.tls_certificates, "/etc/drbdd/tls files");
    EXPECT_TRUE(config::parse_drbdd_conf("f", "")->nbd.listen.empty());
    const auto plain =
        config::parse_drbdd_conf("f", "nbd-plaintext allowed; nbd-listen 1 0.0.0.0:65535;");
    ASSERT_TRUE(plain.has_value());
    EXPECT_EQ(plain->nbd.plaintext, config::Plaintext::Allowed);
}

TEST(DrbddConf, ServesNoVolumeByMistake) {
    const auto error = [](const std::string& text) {
        const auto conf = config::parse_drbdd_conf("f", text);
        return conf.has_value() ? "none" : conf.error().text;
    };
    const std::string listen = "nbd-listen 0 10.0.0.1:10809;";
    const std::string psk = "nbd-tls-psk /keys;";
    EXPECT_EQ(error(listen + psk), "none");
    EXPECT_NE(error(listen).find("f: nbd-listen wants"), std::string::npos);
    EXPECT_NE(error(listen + "nbd-plaintext refused;").find("f: nbd-listen wants"),
              std::string::npos);
    EXPECT_NE(error(listen + psk + "nbd-plaintext allowed;").find("one of both"),
              std::string::npos);
    EXPECT_NE(error(psk + "nbd-plaintext allowed;").find("one of both"), std::string::npos);
    EXPECT_EQ(error(psk + listen + "\nnbd-listen 0 10.0.0.2:10809;"),
              "f:2: nbd-listen 0 is set twice");
    EXPECT_EQ(error(psk + listen + "nbd-listen 1 10.0.0.1:10809;"),
              "f: nbd-listen 0 and 1 have the same address");
    EXPECT_EQ(error(psk + "\n" + psk), "f:2: nbd-tls-psk is set twice");
    for (const char* bad : {"nbd-listen;",
                            "nbd-listen 10.0.0.1:10809;",
                            "nbd-listen 1048576 10.0.0.1:10809;",
                            "nbd-listen 1K 10.0.0.1:10809;",
                            "nbd-listen -1 10.0.0.1:10809;",
                            "nbd-listen 0 host:10809;",
                            "nbd-listen 0 10.0.0.1;",
                            "nbd-listen 0 10.0.0.1:0;",
                            "nbd-listen 0 10.0.0.1:65536;",
                            "nbd-listen 0 fd00::1:10809;",
                            "nbd-listen 0 [10.0.0.1]:10809;",
                            "nbd-listen 0 [fd00::1:10809;",
                            "nbd-listen 0 10.0.0.1:10809",
                            "nbd-tls-psk keys;",
                            "nbd-tls-psk ;",
                            "nbd-tls-certificates \"\";",
                            "nbd-plaintext yes;"}) {
        EXPECT_EQ(error(bad).substr(0, 16), "f:1: Parse error") << bad << ": " << error(bad);
    }
}

TEST(DrbddConf, MayBeMissingUnlessItWasNamed) {
    MemoryFiles files({});
    EXPECT_TRUE(config::load_drbdd_conf("nosuch", false, files).has_value());
    EXPECT_FALSE(config::load_drbdd_conf("nosuch", true, files).has_value());
}

}  // namespace
