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

std::string keys(std::size_t count) {
    std::string line = "{";
    for (std::size_t i = 0; i < count; ++i) {
        line += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":{\"a\":1}";
    }
    return line + "}";
}

// Each is compared with those before it: 60,000 of them took 15 seconds.
TEST(JsonLines, HaveObjectsOfFewKeys) {
    EXPECT_EQ(problem(keys(kMaxKeys)), "none");
    EXPECT_EQ(problem(keys(kMaxKeys + 1)), "a JSON object has more than 256 keys");
    EXPECT_EQ(problem(keys(60'000)), "a JSON object has more than 256 keys");
    EXPECT_EQ(problem("{\"list\":[" + keys(200) + "," + keys(200) + "]}"), "none");
    EXPECT_EQ(problem("{\"list\":[" + keys(200) + "," + keys(257) + "]}"),
              "a JSON object has more than 256 keys");
}

TEST(JsonLines, HaveTheirKeysCountedOutsideOfStringsOnly) {
    const std::string colons(1000, ':');
    EXPECT_EQ(problem("{\"" + colons + "\":\"" + colons + "\\\"" + colons + "\\\\\"}"), "none");
    EXPECT_EQ(problem("{\"a\":\"" + std::string(100, '{') + "\"}"), "none");
}

// The work of reading is no more than the line is long, also where an array has many objects.
TEST(JsonLines, MayHaveLongLists) {
    std::string line = "{\"list\":[{}";
    for (int i = 0; i < 300'000; ++i) {
        line += ",{}";
    }
    EXPECT_EQ(problem(line + "]}"), "none");
}

TEST(JsonLines, AreWrittenInOneLineWhateverTheyHold) {
    EXPECT_EQ(line_of({{"text", "a\nb"}}), "{\"text\":\"a\\nb\"}\n");
    EXPECT_EQ(line_of({{"text", "\xff"}}), "{\"text\":\"\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace ipc
