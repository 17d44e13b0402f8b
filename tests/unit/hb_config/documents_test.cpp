// The man pages know everything that the files may say.
#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

// As a whole word in bold: ".BI node ..." or ".BR crm ,".
bool has_word(const std::string& page, std::string_view word) {
    std::stringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
        std::stringstream words(line);
        std::string macro;
        words >> macro;
        for (std::string found; macro.starts_with(".B") && words >> found;) {
            if (found == word) {
                return true;
            }
        }
    }
    return false;
}

TEST(Documents, KnowEveryDirectiveOfHaCf) {
    const std::string page = file_text("docs/man/ha.cf.5");
    for (const std::string_view name : config::ha_cf_directives()) {
        const bool mentioned =
            has_word(page, name) || (name == "udp" && page.find("\"udp\"") != std::string::npos);
        EXPECT_TRUE(mentioned) << name;
    }
}

TEST(Documents, KnowEveryStatementOfHaPolicy) {
    const std::string page = file_text("docs/man/ha_policy.cf.5");
    for (const std::string_view name : config::ha_policy_statements()) {
        EXPECT_TRUE(has_word(page, name)) << name;
    }
}

TEST(Documents, KnowEveryMethodOfAuthkeys) {
    const std::string page = file_text("docs/man/authkeys.5");
    for (const auto method : {config::AuthMethod::Crc,
                              config::AuthMethod::Md5,
                              config::AuthMethod::Sha1,
                              config::AuthMethod::Sha256}) {
        EXPECT_TRUE(has_word(page, config::name_of(method)));
    }
}

// What is between .nf and .fi of the section, as a file.
std::string example(const std::string& page) {
    std::string text = file_text(page);
    text = text.substr(text.find(".nf\n") + 4);
    text = text.substr(0, text.find(".fi\n"));
    for (std::size_t at; (at = text.find("\\e")) != std::string::npos;) {
        text.replace(at, 2, "\\");
    }
    return text;
}

TEST(Documents, ShowExamplesThatAreRight) {
    const auto conf = config::parse_ha_cf("ha.cf", example("docs/man/ha.cf.5"));
    const auto checked = config::check_ha_cf("ha.cf", conf.value, "alice");
    EXPECT_EQ(joined(conf.findings.errors) + joined(checked.errors) + joined(checked.warnings), "");
    const auto resources = config::parse_haresources("r", example("docs/man/haresources.5"));
    EXPECT_EQ(joined(resources.findings.errors), "");
    EXPECT_EQ(resources.value.groups.size(), 3u);
    const auto keys = config::parse_authkeys("k", example("docs/man/authkeys.5"), 0600);
    EXPECT_EQ(joined(keys.findings.errors), "");
    const auto policy = config::parse_ha_policy("p", example("docs/man/ha_policy.cf.5"));
    EXPECT_EQ(joined(policy.findings.errors), "");
    EXPECT_EQ(policy.value.monitors.size(), 1u);
}

}  // namespace
