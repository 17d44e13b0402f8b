#include "heartbeat/runtime/disk_slot.h"

#include <gtest/gtest.h>

namespace {

std::string_view view(const std::array<char, hb::kDiskSlotBytes>& block) {
    return {block.data(), block.size()};
}

TEST(DiskSlot, GivesBackTheMessagesInOrder) {
    hb::DiskSlotWriter writer;
    writer.add("first");
    writer.add("second");
    const auto slot = hb::parse_disk_slot(view(writer.block()));
    ASSERT_TRUE(slot);
    EXPECT_EQ(slot->counter, 1u);
    EXPECT_EQ(slot->messages, (std::vector<std::string>{"first", "second"}));
}

TEST(DiskSlot, CountsItsWrites) {
    hb::DiskSlotWriter writer;
    writer.add("x");
    (void)writer.block();
    EXPECT_EQ(hb::parse_disk_slot(view(writer.block()))->counter, 2u);
}

TEST(DiskSlot, DropsTheOldestWhenFull) {
    hb::DiskSlotWriter writer;
    for (int i = 0; i < 100; ++i) {
        writer.add(std::string(300, static_cast<char>('!' + i % 90)));
    }
    const auto slot = hb::parse_disk_slot(view(writer.block()));
    ASSERT_TRUE(slot);
    EXPECT_EQ(slot->messages.size(), 13u);
    EXPECT_EQ(slot->messages.back(), std::string(300, '!' + 99 % 90));
}

TEST(DiskSlot, LeavesOutWhatNeverFits) {
    hb::DiskSlotWriter writer;
    writer.add("small");
    writer.add(std::string(5000, 'x'));
    EXPECT_EQ(hb::parse_disk_slot(view(writer.block()))->messages.size(), 1u);
}

TEST(DiskSlot, RefusesForeignBlocks) {
    EXPECT_FALSE(hb::parse_disk_slot(std::string(hb::kDiskSlotBytes, '\0')));
    EXPECT_FALSE(hb::parse_disk_slot("DRBDDHB1"));
}

TEST(DiskSlot, RefusesLengthsThatLieOutside) {
    hb::DiskSlotWriter writer;
    writer.add("message");
    auto total = writer.block();
    total[17] = '\x7f';
    EXPECT_FALSE(hb::parse_disk_slot(view(total)));
    auto single = writer.block();
    single[25] = '\x7f';
    EXPECT_FALSE(hb::parse_disk_slot(view(single)));
}

}  // namespace
