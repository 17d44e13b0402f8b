// Files as people who run pairs have them, with what the real tools have no captures of. Each
// begins with "# up: yes", or with words of the reason for which its resource is not brought up:
// all else works with it. The files were written for this project.
#include "cli/drbdadm/program.h"
#include "config/drbd_conf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace {

const std::filesystem::path kFieldFiles = DRBDD_SOURCE_DIR "/tests/vectors/field";

// Node alpha. Files may also come from memory: what a dump has said.
class FieldNode : public config::SystemFiles {
public:
    base::Result<std::string> read(const std::string& path) override {
        return path == "dumped" ? base::Result<std::string>(dumped)
                                : config::SystemFiles::read(path);
    }

    bool has_address(const std::string& ip) override { return ip == "10.9.9.1"; }

    std::string dumped;
};

struct Answer {
    int exit = 0;
    std::string out;
    std::string err;
};

Answer ask_alpha(FieldNode& node, const std::string& file, std::vector<std::string> words) {
    words.insert(words.begin(),
                 {"--node", "alpha", "--run-dir", "/nonexistent", "--show-secrets", "-c", file});
    Answer answer;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    answer.exit = drbdadm::run(words, node);
    answer.out = testing::internal::GetCapturedStdout();
    answer.err = testing::internal::GetCapturedStderr();
    return answer;
}

std::string expected_of(const std::string& file) {
    std::string line;
    std::ifstream in(file);
    std::getline(in, line);
    return line.starts_with("# up: ") ? line.substr(6) : "no first line that says so";
}

// Of the settings of each resource, or why there are none.
std::vector<std::string> verdicts(const config::LoadedConf& loaded,
                                  std::vector<config::ResourceSettings>& all) {
    std::vector<std::string> refusals;
    for (const config::ResourceConf& resource : loaded.conf.resources) {
        const auto got = config::settings_for(loaded.conf, resource, "alpha");
        refusals.push_back(got ? "" : got.error().text);
        all.push_back(got ? *got : config::ResourceSettings{});
        all.back().config_file.clear();
    }
    return refusals;
}

class FieldFiles : public testing::TestWithParam<std::string> {};

TEST_P(FieldFiles, LoadAndAreServedAsTheySay) {
    const std::string file = (kFieldFiles / (GetParam() + ".conf")).string();
    const std::string expected = expected_of(file);
    FieldNode node;
    const config::LoadedConf loaded = config::load_drbd_conf(file, "alpha", node);
    for (const std::string& error : loaded.errors) {
        ADD_FAILURE() << error;
    }
    ASSERT_FALSE(loaded.conf.resources.empty());
    std::vector<config::ResourceSettings> settings;
    for (const std::string& refusal : verdicts(loaded, settings)) {
        if (expected == "yes") {
            EXPECT_EQ(refusal, "");
        } else {
            EXPECT_NE(refusal.find(expected), std::string::npos) << refusal;
            EXPECT_EQ(refusal.find(kFieldFiles.string()), 0u) << "no file and line: " << refusal;
        }
    }
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"dump", "all"},
                                               {"sh-nop"},
                                               {"sh-resources"},
                                               {"-d", "down", "all"},
                                               {"sh-dev", "all"},
                                               {"-d", "create-md", "all"},
                                               {"-d", "role", "all"},
                                               {"dump-xml"},
                                               {"down", "all"}}) {
        const Answer answer = ask_alpha(node, file, words);
        EXPECT_EQ(answer.exit, 0) << words.front() << ": " << answer.err;
        EXPECT_EQ(answer.err.find("WARN"), std::string::npos) << answer.err;
    }
}

// What dump prints is a file that says the same.
TEST_P(FieldFiles, AreTheSameAfterADump) {
    const std::string file = (kFieldFiles / (GetParam() + ".conf")).string();
    FieldNode node;
    const config::LoadedConf loaded = config::load_drbd_conf(file, "alpha", node);
    const bool is_refused = expected_of(file) != "yes";
    node.dumped = config::dump(loaded.conf, "alpha");
    const config::LoadedConf again = config::load_drbd_conf("dumped", "alpha", node);
    for (const std::string& error : again.errors) {
        ADD_FAILURE() << error << "\n" << node.dumped;
    }
    std::vector<config::ResourceSettings> first;
    std::vector<config::ResourceSettings> second;
    verdicts(loaded, first);
    verdicts(again, second);
    EXPECT_TRUE(is_refused || first == second) << node.dumped;
}

std::vector<std::string> all_field_files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(kFieldFiles)) {
        if (entry.path().extension() == ".conf") {
            names.push_back(entry.path().stem().string());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

INSTANTIATE_TEST_SUITE_P(OfPairs,
                         FieldFiles,
                         testing::ValuesIn(all_field_files()),
                         [](const testing::TestParamInfo<std::string>& one) {
                             std::string name = one.param;
                             std::replace_if(
                                 name.begin(),
                                 name.end(),
                                 [](char c) { return c == '-' || c == '.'; },
                                 '_');
                             return name;
                         });

}  // namespace
