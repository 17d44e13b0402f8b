// The man pages and completions know every command of the tools.
#include "cli/drbdadm/commands.h"
#include "cli/drbdsetup/commands.h"
#include "config/options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace {

std::string read(const std::string& path) {
    std::ifstream file(std::string(DRBDD_SOURCE_DIR) + "/" + path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// As a whole word: "role", not "roles".
bool has_word(const std::string& text, const std::string& word) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !is_letter(text[at - 1])) &&
            (end == text.size() || !is_letter(text[end]))) {
            return true;
        }
    }
    return false;
}

std::string without_backslashes(std::string text) {
    std::erase(text, '\\');
    return text;
}

TEST(Documents, KnowTheCommandsOfDrbdadm) {
    const std::string page = without_backslashes(read("docs/man/drbdadm.8"));
    const std::string completion = read("packaging/completions/drbdadm");
    for (const std::string_view name : drbdadm::command_names()) {
        EXPECT_TRUE(has_word(page, std::string(name))) << name;
        EXPECT_TRUE(has_word(completion, std::string(name))) << name;
    }
}

TEST(Documents, KnowTheCommandsAndOptionsOfDrbdsetup) {
    const std::string page = without_backslashes(read("docs/man/drbdsetup.8"));
    const std::string completion = read("packaging/completions/drbdsetup");
    for (const drbdsetup::CommandSpec& spec : drbdsetup::all_commands()) {
        if (spec.name == "state") {
            continue;  // the old name of role
        }
        EXPECT_TRUE(has_word(page, std::string(spec.name))) << spec.name;
        EXPECT_TRUE(has_word(completion, std::string(spec.name))) << spec.name;
    }
}

TEST(Documents, KnowEveryOptionOfTheConfiguration) {
    const std::string page = without_backslashes(read("docs/man/drbd.conf.5"));
    for (const config::Section section :
         {config::Section::Net, config::Section::Disk, config::Section::Startup}) {
        for (const config::OptionSpec& spec : config::options_of(section)) {
            if (spec.support == config::OptionSpec::Support::Yes) {
                const bool known =
                    has_word(page, std::string(spec.name)) || spec.name.starts_with("after-sb-");
                EXPECT_TRUE(known) << spec.name;
            }
        }
    }
}

}  // namespace
