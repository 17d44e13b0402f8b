// What a small file may cost: counted, in files read and in things made of them, not timed.
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

// Whatever is asked for is there, and has the same text: as below a directory that holds a link to
// itself, on a system that does not see through it.
class EndlessFiles : public config::FileSource {
public:
    explicit EndlessFiles(std::string text) : text_(std::move(text)) {}

    base::Result<std::string> read(const std::string& path) override {
        ++reads;
        bytes += text_.size();
        longest = std::max(longest, path.size());
        return text_;
    }

    std::vector<std::string> glob(const std::string& pattern) override { return {pattern}; }

    std::string canonical(const std::string& path) override { return path; }

    bool has_address(const std::string&) override { return false; }

    std::size_t reads = 0;
    std::size_t bytes = 0;
    std::size_t longest = 0;

private:
    std::string text_;
};

TEST(ConfigLimits, IncludesThatLeadDeeperAndDeeperEnd) {
    EndlessFiles files("include \"again/*.conf\";\ninclude \"again/*.res\";\n");
    const config::LoadedConf loaded = config::load_drbd_conf("f", "alpha", files);
    EXPECT_NE(joined(loaded.errors).find("more than 32 files that include one another"),
              std::string::npos);
    EXPECT_LE(files.reads, 32u);
    EXPECT_LE(files.longest, 32 * std::string("again/").size() + 16);
}

TEST(ConfigLimits, AllFilesTogetherHaveALimit) {
    std::string text(std::size_t{1} << 20, '\n');
    for (int i = 0; i < 100; ++i) {
        text += "include \"/file" + std::to_string(i) + "\";\n";
    }
    EndlessFiles files(text);
    const config::LoadedConf loaded = config::load_drbd_conf("f", "alpha", files);
    EXPECT_NE(joined(loaded.errors).find("more than 16 MiB"), std::string::npos);
    EXPECT_LE(files.bytes, std::size_t{20} << 20);
}

// Each is stacked twice on the one before, which is an error: what is made of it stays small.
TEST(ConfigLimits, NamesDoNotDoubleAlongAStack) {
    std::string text = "resource s0 { on a { } on b { } }\n";
    for (int i = 1; i <= 40; ++i) {
        const std::string on = "stacked-on-top-of s" + std::to_string(i - 1) + " { } ";
        text += "resource s" + std::to_string(i) + " { " + on + on + "}\n";
    }
    const config::LoadedConf loaded = load(text);
    ASSERT_FALSE(loaded.syntax_error);
    ASSERT_EQ(loaded.conf.resources.size(), 41u);
    for (const config::HostConf& host : loaded.conf.resources.back().hosts) {
        EXPECT_EQ(host.names, (std::vector<std::string>{"a", "b"}));
    }
    EXPECT_LT(config::dump(loaded.conf, "a").size(), 64u << 10);
}

TEST(ConfigLimits, AResourceMayBeWrittenAsStackedOnItself) {
    const config::LoadedConf loaded = load(
        "resource r { stacked-on-top-of r { device /dev/drbd1; address 1.2.3.4:5; } on a { } }");
    ASSERT_EQ(loaded.conf.resources.size(), 1u);
    EXPECT_EQ(loaded.conf.resources[0].hosts.at(0).names, (std::vector<std::string>{"a"}));
}

TEST(ConfigLimits, HostSectionsAreCountedBeforeTheirVolumesAreMade) {
    std::string text = "resource r {\n";
    for (int i = 0; i < 300; ++i) {
        const std::string number = std::to_string(i);
        text += "volume " + number + " { }\non h" + number + " { }\n";
    }
    const config::LoadedConf loaded = load(text + "}\n");
    EXPECT_NE(joined(loaded.errors).find("more than 32 host sections"), std::string::npos);
    std::size_t volumes = 0;
    for (const config::HostConf& host : loaded.conf.resources.at(0).hosts) {
        volumes += host.volumes.size();
    }
    EXPECT_EQ(volumes, 0u);
}

}  // namespace
