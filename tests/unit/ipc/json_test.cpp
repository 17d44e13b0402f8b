#include "ipc/json.h"

#include <gtest/gtest.h>

#include <string>

namespace ipc {
namespace {

std::string nest(int depth) {
    std::string line;
    for (int i = 0; i < depth; ++i) {
        line += "{\"a\":";
    }
    return line + "1" + std::string(static_cast<std::size_t>(depth), '}');
}

std::string problem(const std::string& line) {
    const auto json = parse_object(line);
    return json ? "none" : json.error().text;
}

TEST(JsonLines, AreObjectsOfLimitedSizeAndDepth) {
    EXPECT_EQ(problem("{\"id\":1}"), "none");
    EXPECT_EQ(problem(nest(16)), "none");
    EXPECT_EQ(problem(""), "a line is not a JSON object");
    EXPECT_EQ(problem("[]"), "a line is not a JSON object");
    EXPECT_EQ(problem("{\"id\":1"), "a line is not a JSON object");
    EXPECT_EQ(problem(nest(100'000)), "a line is not a JSON object");
    EXPECT_EQ(problem("{}" + std::string(kMaxLineBytes - 3, ' ')), "none");
    EXPECT_EQ(problem("{}" + std::string(kMaxLineBytes - 2, ' ')), "a line has more than 1 MiB");
}

TEST(JsonLines, AreWrittenInOneLineWhateverTheyHold) {
    EXPECT_EQ(line_of({{"text", "a\nb"}}), "{\"text\":\"a\\nb\"}\n");
    EXPECT_EQ(line_of({{"text", "\xff"}}), "{\"text\":\"\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace ipc
