#include "heartbeat/runtime/state_files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

namespace {

class LogText : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { text.append(line).append("\n"); }

    std::string text;
};

class StateFiles : public testing::Test {
protected:
    StateFiles() {
        std::string name = "/tmp/hb_state_XXXXXX";
        folder = ::mkdtemp(name.data());
    }

    ~StateFiles() override { std::filesystem::remove_all(folder); }

    void put(const std::string& name, const std::string& text) {
        std::ofstream(folder + "/" + name) << text;
    }

    std::string get(const std::string& name) {
        std::ifstream file(folder + "/" + name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::string folder;
    LogText log;
};

TEST_F(StateFiles, GenerationHasTheOriginalsForm) {
    EXPECT_EQ(hb::generation_text(1795188593), "     1795188593\n");
    EXPECT_EQ(hb::parse_generation("     1795188593\n"), 1795188593u);
    for (const char* bad : {"", "               \n", "12x\n", "-4\n", "0\n"}) {
        EXPECT_FALSE(hb::parse_generation(bad)) << bad;
    }
}

TEST_F(StateFiles, GenerationGrowsWithEachStart) {
    EXPECT_EQ(*hb::next_generation(folder, false, 1000, log), 1001u);
    EXPECT_NE(log.text.find("No Previous generation"), std::string::npos);
    EXPECT_EQ(*hb::next_generation(folder, false, 5, log), 1002u);
    EXPECT_EQ(get("hb_generation"), "           1002\n");
}

TEST_F(StateFiles, DamagedGenerationStartsFromTheTimeOfDay) {
    put("hb_generation", "garbage");
    EXPECT_EQ(*hb::next_generation(folder, false, 7000, log), 7001u);
}

TEST_F(StateFiles, GenerationByTimeNeverGoesBack) {
    EXPECT_EQ(*hb::next_generation(folder, true, 9000, log), 9000u);
    EXPECT_EQ(*hb::next_generation(folder, true, 8000, log), 9001u);
}

TEST_F(StateFiles, GenerationThatCannotBeKeptIsAnError) {
    const auto generation = hb::next_generation(folder + "/missing", false, 1, log);
    ASSERT_FALSE(generation);
    EXPECT_NE(generation.error().text.find("/missing/hb_generation"), std::string::npos);
}

TEST_F(StateFiles, UuidIsMadeOnceAndKept) {
    const auto first = hb::node_uuid(folder, std::nullopt, log);
    ASSERT_TRUE(first);
    EXPECT_EQ(*hb::node_uuid(folder, std::nullopt, log), *first);
    EXPECT_EQ(get("hb_uuid").size(), 16u);
}

TEST_F(StateFiles, UuidOfANameIsAlwaysTheSame) {
    EXPECT_EQ(*hb::node_uuid(folder, "alice", log), *hb::node_uuid("/missing", "alice", log));
    EXPECT_NE(*hb::node_uuid(folder, "alice", log), *hb::node_uuid(folder, "bob", log));
}

TEST_F(StateFiles, ReplacedFileHasTheWantedMode) {
    ASSERT_TRUE(hb::replace_file(folder + "/f", "one", 0600));
    ASSERT_TRUE(hb::replace_file(folder + "/f", "two", 0600));
    EXPECT_EQ(get("f"), "two");

    struct stat found {};

    ASSERT_EQ(::stat((folder + "/f").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777u, 0600u);
    EXPECT_FALSE(std::filesystem::exists(folder + "/f.new"));
}

}  // namespace
