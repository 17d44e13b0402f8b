// The original's answers to `dump all`, on files it accepts and on files it does not.
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

const std::string kVectors = DRBDD_SOURCE_DIR "/tests/vectors/conf/";

struct Capture {
    std::string out;
    std::string err;
    int exit = 0;
};

void replace_all(std::string& text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
    }
}

Capture read_capture(const std::string& path) {
    std::ifstream file(path);
    Capture capture;
    std::string line;
    std::getline(file, line);  // the command
    while (std::getline(file, line)) {
        if (line.starts_with("[stderr] ")) {
            capture.err += line.substr(9) + "\n";
        } else if (line.starts_with("[exit ")) {
            capture.exit = std::stoi(line.substr(6));
            break;  // the first call is what these tests are about
        } else {
            capture.out += line + "\n";
        }
    }
    replace_all(capture.out, "CONFDIR/", kVectors);
    return capture;
}

// The machine on which the captures were made.
class Alpha : public config::SystemFiles {
public:
    bool has_address(const std::string& ip) override {
        return ip == "10.9.9.1" || ip == "10.9.9.10";
    }
};

// Loaded from inside its folder, as the captures were made.
config::LoadedConf load_vector(const std::string& folder, const std::string& name) {
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(kVectors + folder);
    Alpha files;
    config::LoadedConf loaded = config::load_drbd_conf(name + ".conf", "alpha", files);
    std::filesystem::current_path(before);
    return loaded;
}

class GoldenDump : public testing::TestWithParam<const char*> {};

TEST_P(GoldenDump, IsTheOriginals) {
    const Capture capture = read_capture(kVectors + "valid/" + GetParam() + ".drbdadm84.out");
    ASSERT_EQ(capture.exit, 0);
    EXPECT_EQ(config::dump(load_vector("valid", GetParam()).conf, "alpha"), capture.out);
}

TEST_P(GoldenDump, IsReadBackAsTheSame) {
    const std::string text = config::dump(load_vector("valid", GetParam()).conf, "alpha");
    MemoryFiles files({{"f", text}});
    const config::LoadedConf again = config::load_drbd_conf("f", "alpha", files);
    const auto without_comments = [](const std::string& dump) {
        std::istringstream in(dump);
        std::string line;
        std::string out;
        while (std::getline(in, line)) {
            out += line.starts_with('#') ? "" : line + "\n";
        }
        return out;
    };
    EXPECT_EQ(without_comments(config::dump(again.conf, "alpha")), without_comments(text));
}

// Some of these have an option for which no resource is run: the text form is complete
// nevertheless. Left out are v02 and v04: the original loses the options of their `volume N { disk
// { } }`.
INSTANTIATE_TEST_SUITE_P(Valid,
                         GoldenDump,
                         testing::Values("v01-classic-84",
                                         "v03-external-meta",
                                         "v06-address-families",
                                         "v13-device-forms",
                                         "v16-mysql-ha-84",
                                         "v17-floating-84",
                                         "v18-stacked-84",
                                         "v20-include-84",
                                         "v21-dual-primary-84",
                                         "v22-lexical-84"));

class GoldenValid : public testing::TestWithParam<const char*> {};

TEST_P(GoldenValid, IsNoMistake) {
    EXPECT_EQ(joined(load_vector("valid", GetParam()).errors), "");
}

INSTANTIATE_TEST_SUITE_P(Valid,
                         GoldenValid,
                         testing::Values("v01-classic-84",
                                         "v02-multivolume",
                                         "v03-external-meta",
                                         "v04-inheritance",
                                         "v05-floating",
                                         "v06-address-families",
                                         "v07-stacked",
                                         "v08-mesh-9",
                                         "v09-connections-paths-9",
                                         "v10-diskless-quorum-9",
                                         "v11-include",
                                         "v12-lexical",
                                         "v14-host-overrides",
                                         "v15-dual-primary-9",
                                         "v19-mysql-ha-9",
                                         "v13-device-forms",
                                         "v16-mysql-ha-84",
                                         "v17-floating-84",
                                         "v18-stacked-84",
                                         "v20-include-84",
                                         "v21-dual-primary-84",
                                         "v22-lexical-84"));

struct Refusal {
    const char* file;
    const char* errors;
};

class GoldenRefusal : public testing::TestWithParam<Refusal> {};

// Of every resource of the file.
TEST_P(GoldenRefusal, NamesFileLineAndOption) {
    const config::LoadedConf loaded = load_vector("valid", GetParam().file);
    std::string text;
    for (const config::ResourceConf& resource : loaded.conf.resources) {
        const auto settings = config::settings_for(loaded.conf, resource, "alpha");
        text += settings ? resource.name + " runs\n" : settings.error().text + "\n";
    }
    EXPECT_EQ(text, GetParam().errors);
}

#define REFUSED " is known but not supported by this version of drbdd"
INSTANTIATE_TEST_SUITE_P(
    Valid,
    GoldenRefusal,
    testing::Values(
        Refusal{"v01-classic-84", "r0 runs\n"},
        Refusal{"v02-multivolume", "data runs\n"},
        Refusal{"v03-external-meta", "idx runs\n"},
        Refusal{"v04-inheritance", "inherits runs\noverrides runs\n"},
        Refusal{"v05-floating", "fl runs\n"},
        Refusal{
            "v08-mesh-9",
            "v08-mesh-9.conf:8: in resource mesh: more than two 'on' sections are known but not "
            "supported by this version of drbdd\n"
            "v08-mesh-9.conf:3: option 'quorum' of section 'options'" REFUSED
            " with the value 'majority': only 'off' is\n"},
        Refusal{"v11-include", "a runs\n"},
        Refusal{"v14-host-overrides", "ho runs\n"},
        Refusal{"v15-dual-primary-9",
                "v15-dual-primary-9.conf:3: option 'allow-two-primaries' of section 'net'" REFUSED
                " with the value 'yes': only 'no' is\n"},
        Refusal{"v19-mysql-ha-9", "mysql runs\n"},
        Refusal{"v16-mysql-ha-84", "mysql runs\n"},
        Refusal{"v18-stacked-84", "lower runs\nupper runs\n"},
        Refusal{"v21-dual-primary-84",
                "v21-dual-primary-84.conf:3: option 'allow-two-primaries' of section 'net'" REFUSED
                " with the value 'yes': only 'no' is\n"},
        Refusal{"v22-lexical-84", "lex runs\n"}));

class GoldenError : public testing::TestWithParam<const char*> {};

TEST_P(GoldenError, IsTheOriginals) {
    const Capture capture = read_capture(kVectors + "invalid/" + GetParam() + ".drbdadm84.out");
    ASSERT_EQ(capture.exit, 10);
    EXPECT_EQ(joined(load_vector("invalid", GetParam()).errors), capture.err);
}

INSTANTIATE_TEST_SUITE_P(Invalid,
                         GoldenError,
                         testing::Values("i01-unknown-toplevel",
                                         "i02-unknown-net-option",
                                         "i04-number-too-big",
                                         "i05-number-too-small",
                                         "i07-bad-bool",
                                         "i08-missing-semicolon",
                                         "i09-missing-address",
                                         "i10-missing-disk-device",
                                         "i11-duplicate-resource",
                                         "i12-duplicate-address",
                                         "i13-duplicate-minor",
                                         "i14-duplicate-disk",
                                         "i15-device-minor-mismatch",
                                         "i16-bad-device-name",
                                         "i17-mixed-volumes",
                                         "i18-host-in-common",
                                         "i20-unterminated-string",
                                         "i22-include-missing",
                                         "i26-duplicate-net-section",
                                         "i30-usage-count-bad",
                                         "i31-minor-count-range",
                                         "i33-meta-disk-missing"));

// Where we say more than the original: it accepts these, has no file and line, says it twice, or
// adds a number that only its own source explains.
class OwnError : public testing::TestWithParam<Refusal> {};

TEST_P(OwnError, NamesFileAndLine) {
    EXPECT_EQ(joined(load_vector("invalid", GetParam().file).errors), GetParam().errors);
}

INSTANTIATE_TEST_SUITE_P(
    Invalid,
    OwnError,
    testing::Values(
        Refusal{"i03-bad-enum",
                "i03-bad-enum.conf:3: Parse error: while parsing value ('ignore')\n"
                "for on-io-error. Value is not valid.\n"
                "Allowed values are: pass_on | call-local-io-error | detach\n"},
        Refusal{"i06-not-a-number",
                "i06-not-a-number.conf:3: Parse error: while parsing value ('abc')\n"
                "for ping-int. Value is not a number.\n"},
        Refusal{"i21-eof-in-resource",
                "i21-eof-in-resource.conf:5: Parse error: '}' expected,\n\tbut got ''\n"},
        Refusal{"i23-bad-port",
                "i23-bad-port.conf:4: port 70000 => 70000 out of range [1..65535].\n"},
        Refusal{"i24-ipv6-no-brackets",
                "i24-ipv6-no-brackets.conf:4: Parse error: '[' expected,\n"
                "\tbut got 'fd00::1:7788'\n"},
        Refusal{"i25-reserved-name",
                "i25-reserved-name.conf:2: a resource cannot be named 'all': commands take that "
                "word for every resource\n"},
        Refusal{"i27-string-too-long",
                "i27-string-too-long.conf:3: Parse error: while parsing value "
                "('01234567890123456789...')\nfor shared-secret. Value is too long.\n"
                "max len: 63\n"}));

// Three hosts: no mistake for 9, and nothing that two nodes could run.
TEST(GoldenInvalid, ThreeHostsAreNoMistake) {
    for (const char* name : {"i28-three-hosts-no-connection", "i32-missing-node-id"}) {
        const config::LoadedConf loaded = load_vector("invalid", name);
        EXPECT_EQ(joined(loaded.errors), "");
        EXPECT_FALSE(config::settings_for(loaded.conf, loaded.conf.resources.at(0), "alpha"));
    }
}

TEST(GoldenInvalid, AResourceOfOtherHostsIsIgnoredNotRefused) {
    const config::LoadedConf loaded = load_vector("invalid", "i19-this-host-missing");
    EXPECT_EQ(joined(loaded.errors), "");
    EXPECT_EQ(config::dump(loaded.conf, "alpha"),
              read_capture(kVectors + "invalid/i19-this-host-missing.drbdadm84.out").out);
}

}  // namespace
