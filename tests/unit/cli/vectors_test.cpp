// Every answer that the real tools of drbd-utils gave about the files of tests/vectors/conf, asked
// of our drbdadm: it equals the one of 8.4's tool or of 9's. Where it can't, NAME.ours beside the
// captures has our answer in the same form, with the reason. Configuration specification, 4 to 7.
#include "cli/drbdadm/program.h"
#include "config/drbd_conf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

namespace {

const std::filesystem::path kFolder = DRBDD_SOURCE_DIR "/tests/vectors/conf";

struct Capture {
    std::string out;
    std::string err;
    int exit = 0;
    std::string why;  // of ours only

    bool is_same(const Capture& other) const {
        return out == other.out && err == other.err && exit == other.exit;
    }
};

using Captures = std::map<std::string, Capture>;  // by the words after the name of the file

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
    }
    return text;
}

// Both have programs of their own names for 8.4, and numbers for tokens that only their parsers
// explain.
std::string comparable(const std::string& text) {
    static const std::regex kTokenNumber(" \\(TK [0-9]{3,}\\)");
    return std::regex_replace(replaced(text, "drbdsetup-84", "drbdsetup"), kTokenNumber, "");
}

// "$ drbdadm-84 -c v01.conf -d up all" -> "-d up all"
std::string words_of_call(const std::string& line) {
    const std::size_t file = line.find(".conf ");
    return file == std::string::npos ? line : line.substr(file + 6);
}

Captures read_captures(const std::filesystem::path& path) {
    Captures captures;
    std::ifstream file(path);
    std::string call;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("$ ")) {
            call = words_of_call(line);
        } else if (line.starts_with("[stderr] ")) {
            captures[call].err += comparable(line.substr(9)) + "\n";
        } else if (line.starts_with("[why] ")) {
            captures[call].why = line.substr(6);
        } else if (line.starts_with("[exit ")) {
            captures[call].exit = std::stoi(line.substr(6));
            std::getline(file, line);  // the empty line after each call
        } else {
            captures[call].out += comparable(line) + "\n";
        }
    }
    return captures;
}

// The machine on which the captures were made.
class Alpha : public config::SystemFiles {
public:
    bool has_address(const std::string& ip) override {
        return ip == "10.9.9.1" || ip == "10.9.9.10";
    }
};

Capture ask(const std::string& file, const std::string& call) {
    std::vector<std::string> words = {
        "--node", "alpha", "--run-dir", "/nonexistent", "--show-secrets", "-c", file};
    std::istringstream in(call);
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    Alpha files;
    Capture answer;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    answer.exit = drbdadm::run(words, files);
    const std::string folder = std::filesystem::current_path().string() + "/";
    const auto shown = [&](const std::string& text) {
        return comparable(replaced(
            text, folder, "CONFDIR/" + std::filesystem::current_path().filename().string() + "/"));
    };
    answer.out = shown(testing::internal::GetCapturedStdout());
    answer.err = shown(testing::internal::GetCapturedStderr());
    return answer;
}

// As NAME.ours has it.
std::string in_capture_form(const std::string& file, const std::string& call, const Capture& got) {
    std::string text = "$ drbdadm -c " + file + " " + call + "\n" + got.out;
    std::istringstream lines(got.err);
    for (std::string line; std::getline(lines, line);) {
        text += "[stderr] " + line + "\n";
    }
    return text + "[exit " + std::to_string(got.exit) + "]\n";
}

class InFolder {
public:
    explicit InFolder(const std::filesystem::path& folder)
        : before_(std::filesystem::current_path()) {
        std::filesystem::current_path(folder);
    }

    ~InFolder() { std::filesystem::current_path(before_); }

    InFolder(const InFolder&) = delete;
    InFolder& operator=(const InFolder&) = delete;

private:
    std::filesystem::path before_;
};

class Vectors : public testing::TestWithParam<std::string> {};

TEST_P(Vectors, AreAnsweredAsByARealTool) {
    const std::filesystem::path path = kFolder / GetParam();
    const InFolder in_folder(path.parent_path());
    const std::string name = path.filename().string();
    const Captures of_84 = read_captures(name + ".drbdadm84.out");
    Captures of_9 = read_captures(name + ".drbdadm9.out");
    Captures ours = read_captures(name + ".ours");
    ASSERT_GE(of_84.size(), 3u);
    for (const auto& [call, answer_of_84] : of_84) {
        const Capture got = ask(name + ".conf", call);
        const bool is_original = got.is_same(answer_of_84) || got.is_same(of_9[call]);
        const auto listed = ours.find(call);
        if (listed == ours.end()) {
            EXPECT_TRUE(is_original) << in_capture_form(name + ".conf", call, got);
            continue;
        }
        EXPECT_FALSE(is_original) << call << ": is an original's by now, take it off the list";
        EXPECT_FALSE(listed->second.why.empty()) << call << ": differs without a reason";
        EXPECT_TRUE(got.is_same(listed->second)) << in_capture_form(name + ".conf", call, got);
        ours.erase(listed);
    }
    EXPECT_TRUE(ours.empty()) << "not asked of the real tools: " << ours.begin()->first;
}

// "valid/v01-classic-84"
std::vector<std::string> all_vectors() {
    std::vector<std::string> names;
    for (const char* folder : {"valid", "invalid"}) {
        for (const auto& entry : std::filesystem::directory_iterator(kFolder / folder)) {
            if (entry.path().extension() == ".conf") {
                names.push_back(std::string(folder) + "/" + entry.path().stem().string());
            }
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

INSTANTIATE_TEST_SUITE_P(OfTheOriginals,
                         Vectors,
                         testing::ValuesIn(all_vectors()),
                         [](const testing::TestParamInfo<std::string>& one) {
                             return replaced(replaced(one.param, "/", "_"), "-", "_");
                         });

TEST(VectorFiles, AreAllThere) {
    const std::vector<std::string> names = all_vectors();
    const auto count = [&](const char* folder) {
        return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
            return name.starts_with(folder);
        });
    };
    EXPECT_EQ(count("valid/"), 22);
    EXPECT_EQ(count("invalid/"), 33);
}

}  // namespace
