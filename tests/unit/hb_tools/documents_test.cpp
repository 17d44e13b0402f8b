// The man pages and completions know every option of the tools.
#include "heartbeat/tools/cl_status.h"
#include "heartbeat/tools/handover.h"
#include "heartbeat/tools/hb_status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace {

using hb::tools::Streams;
using Words = std::vector<std::string>;

std::string read(const std::string& path) {
    std::ifstream file(std::string(DRBDD_SOURCE_DIR) + "/" + path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string help_of(const std::function<int(const Words&, const Streams&)>& run) {
    std::stringstream out;
    std::stringstream err;
    EXPECT_EQ(run({"--help"}, {out, err}), 0);
    return out.str();
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || c == '-';
}

// "--json" and the like.
std::set<std::string> options_in(const std::string& text) {
    std::set<std::string> options;
    for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at)) {
        std::size_t end = at;
        while (end < text.size() && is_letter(text[end])) {
            ++end;
        }
        if (end > at + 2) {
            options.insert(text.substr(at, end - at));
        }
        at = end;
    }
    return options;
}

void expect_known(const std::string& program,
                  const std::string& help,
                  const std::string& completion) {
    std::string page = read("docs/man/" + program + ".1");
    std::erase(page, '\\');
    const std::set<std::string> documented = options_in(page);
    const std::set<std::string> completed = options_in(read("packaging/completions/" + completion));
    for (const std::string& option : options_in(help)) {
        EXPECT_TRUE(documented.count(option) > 0 || option == "--help") << program << option;
        EXPECT_TRUE(completed.count(option) > 0) << program << option;
    }
}

TEST(HbDocuments, KnowTheOptionsOfTheTools) {
    using hb::tools::Handover;
    const auto handover = [](Handover what) {
        return [what](const Words& words, const Streams& streams) {
            return hb::tools::run_handover(what, words, streams);
        };
    };
    expect_known("cl_status", help_of(hb::tools::run_cl_status), "cl_status");
    expect_known("hb_status", help_of(hb::tools::run_hb_status), "hb_status");
    expect_known("hb_standby", help_of(handover(Handover::Standby)), "hb_standby");
    expect_known("hb_takeover", help_of(handover(Handover::Takeover)), "hb_takeover");
}

TEST(HbDocuments, KnowTheSubCommandsOfClStatus) {
    const std::string page = read("docs/man/cl_status.1");
    const std::string completion = read("packaging/completions/cl_status");
    std::stringstream help(help_of(hb::tools::run_cl_status));
    std::string line;
    while (std::getline(help, line) && line != "Sub-commands:") {
    }
    int count = 0;
    for (std::string name; help >> name && std::getline(help, line); ++count) {
        EXPECT_NE(page.find(name), std::string::npos) << name;
        EXPECT_NE(completion.find(name), std::string::npos) << name;
    }
    EXPECT_EQ(count, 11);
}

}  // namespace
