#include "heartbeat/agents/filesystem/ext_state.h"
#include "heartbeat/agents/filesystem/filesystem_agent.h"

#include <gtest/gtest.h>

namespace {

using namespace hb;

using Words = std::vector<std::string>;

constexpr const char* kTable =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "30 22 0:25 / /data\\040one rw,noatime - tmpfs tmpfs rw\n"
    "40 22 147:0 / /data rw,relatime shared:2 master:3 - ext4 /dev/drbd0 rw\n"
    "41 40 0:26 / /data/tmp ro - tmpfs tmp\\134fs rw\n"
    "42 41 0:27 / /data/tmp/deep rw - tmpfs none rw\n"
    "43 22 0:28 / /database rw - tmpfs none rw\n"
    "44 40 147:1 / /data rw - ext4 /dev/drbd1 rw\n"
    "a line that says nothing\n"
    "50 22 0:29 / /short rw -";

TEST(MountTable, IsReadWithItsEscapes) {
    const std::vector<Mount> mounts = parse_mount_table(kTable);
    ASSERT_EQ(mounts.size(), 7U);
    EXPECT_EQ(mounts[1].directory, "/data one");
    EXPECT_EQ(mounts[2].id, 40U);
    EXPECT_EQ(mounts[2].device_number, "147:0");
    EXPECT_EQ(mounts[2].source, "/dev/drbd0");
    EXPECT_EQ(mounts[2].type, "ext4");
    EXPECT_TRUE(mounts[2].writable);
    EXPECT_FALSE(mounts[3].writable);
    EXPECT_EQ(mounts[3].source, "tmp\\fs");
}

TEST(MountTable, FindsTheUppermostMountOfADirectory) {
    const std::vector<Mount> mounts = parse_mount_table(kTable);
    ASSERT_NE(mounted_on(mounts, "/data"), nullptr);
    EXPECT_EQ(mounted_on(mounts, "/data")->source, "/dev/drbd1");
    EXPECT_EQ(mounted_on(mounts, "/dat"), nullptr);
}

TEST(MountTable, ListsWhatIsMountedBelowInTheOrderToUnmount) {
    const std::vector<Mount> below = mounted_below(parse_mount_table(kTable), "/data");
    ASSERT_EQ(below.size(), 2U);
    EXPECT_EQ(below[0].directory, "/data/tmp/deep");
    EXPECT_EQ(below[1].directory, "/data/tmp");
}

std::vector<std::uint8_t> superblock(unsigned state, unsigned compatible) {
    std::vector<std::uint8_t> bytes(1024, 0);
    bytes[0x38] = 0x53;
    bytes[0x39] = 0xef;
    bytes[0x3a] = static_cast<std::uint8_t>(state);
    bytes[0x5c] = static_cast<std::uint8_t>(compatible);
    return bytes;
}

TEST(ExtState, AsksForACheckOnlyWhenTheJournalCannotHelp) {
    constexpr unsigned kJournal = 4;
    EXPECT_EQ(check_need_of_ext(superblock(1, kJournal)), CheckNeed::No);
    EXPECT_EQ(check_need_of_ext(superblock(0, kJournal)), CheckNeed::No);
    EXPECT_EQ(check_need_of_ext(superblock(3, kJournal)), CheckNeed::Yes);
    EXPECT_EQ(check_need_of_ext(superblock(0, 0)), CheckNeed::Yes);
    EXPECT_EQ(check_need_of_ext(superblock(1, 0)), CheckNeed::No);
    EXPECT_EQ(check_need_of_ext(std::vector<std::uint8_t>(1024, 0)), CheckNeed::Unknown);
    EXPECT_EQ(check_need_of_ext(std::vector<std::uint8_t>(100, 0)), CheckNeed::Unknown);
}

Words mount_words(const Words& words) {
    return mount_arguments(parse_filesystem_command(words).value());
}

TEST(FilesystemAgent, NeverLetsMountFallBackToReadOnly) {
    EXPECT_EQ(mount_words({"/dev/drbd0", "/data/", "start"}), (Words{"-w", "/dev/drbd0", "/data"}));
    EXPECT_EQ(mount_words({"-Ldata", "/data", "ext4", "noatime", "start"}),
              (Words{"-w", "-t", "ext4", "-o", "noatime", "LABEL=data", "/data"}));
    EXPECT_EQ(mount_words({"nas:/x", "/data", "nfs", "soft,ro", "start"}),
              (Words{"-t", "nfs", "-o", "soft,ro", "nas:/x", "/data"}));
    EXPECT_EQ(mount_words({"-Uabc", "/data", "ext4", "errors=remount-ro", "start"})[0], "-w");
}

TEST(FilesystemAgent, RefusesArgumentsThatCannotBeMeant) {
    for (const Words& words : {Words{},
                               Words{"/dev/drbd0", "start"},
                               Words{"/dev/drbd0", "/data", "restart"},
                               Words{"/dev/drbd0", "data", "start"},
                               Words{"/dev/drbd0", "/", "stop"},
                               Words{"/dev/drbd0", "//", "stop"},
                               Words{"--bind", "/data", "start"},
                               Words{"/dev/drbd0", "/data", "-o", "start"},
                               Words{"/dev/drbd0", "/data", "ext4", "x", "y", "start"}}) {
        EXPECT_FALSE(parse_filesystem_command(words));
    }
}

}  // namespace
