#include "drbdd/runtime/backing_device.h"

#include "drbdd/runtime/meta_device.h"
#include "tests/unit/runtime/temporary.h"
#include "tests/unit/runtime/units.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace runtime {
namespace {

TEST(BackingDevice, TellsTheGeometryOfAFile) {
    const TemporaryFolder folder;
    const auto device = open_backing_device(folder.make_file("disk", 3 * kMebibyte + 100));
    ASSERT_TRUE(device) << device.error().text;
    EXPECT_FALSE(device->is_block_device);
    EXPECT_EQ(device->geometry.size_bytes, 3 * kMebibyte + 100);
    EXPECT_TRUE(device->geometry.can_discard);
    EXPECT_FALSE(device->geometry.read_only);
}

using Runs = std::vector<io::AllocationRun>;

TEST(BackingDevice, TellsWhereAFileHasHoles) {
    const TemporaryFolder folder;
    const std::string path = folder.make_file("disk", kMebibyte);
    const auto device = open_backing_device(path);
    ASSERT_TRUE(device) << device.error().text;
    const auto runs = [&](std::uint64_t offset, std::uint64_t length, std::size_t most = 100) {
        return allocation_of(device->fd, offset, length, most);
    };
    EXPECT_EQ(runs(0, kMebibyte), (Runs{{kMebibyte, true}}));
    const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    const std::vector<char> data(65536, 'x');
    ASSERT_EQ(::pwrite(file.get(), data.data(), data.size(), 131072), 65536);
    EXPECT_EQ(runs(0, kMebibyte), (Runs{{131072, true}, {65536, false}, {851968, true}}));
    EXPECT_EQ(runs(131072 + 512, 1024), (Runs{{1024, false}}));
    EXPECT_EQ(runs(131072 - 512, 1024), (Runs{{512, true}, {512, false}}));
    EXPECT_EQ(runs(0, kMebibyte, 2), (Runs{{131072, true}, {65536, false}}));
    ASSERT_EQ(::ftruncate(file.get(), 196608), 0);  // smaller behind our back: nothing is there
    EXPECT_EQ(runs(0, kMebibyte), (Runs{{131072, true}, {65536, false}, {851968, true}}));
    EXPECT_EQ(allocation_of(FileDescriptor{}, 0, 4096, 1), Runs{});
}

TEST(BackingDevice, IsRefusedWhenItDoesNotExist) {
    const auto device = open_backing_device("/nonexistent/disk");
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().code, base::ErrorCode::NotFound);
    EXPECT_EQ(device.error().text,
              "cannot open backing device /nonexistent/disk: it does not exist");
}

TEST(BackingDevice, IsRefusedWhileSomebodyElseHasIt) {
    const TemporaryFolder folder;
    const std::string path = folder.make_file("disk", kMebibyte);
    {
        const auto first = open_backing_device(path);
        ASSERT_TRUE(first);
        const auto second = open_backing_device(path);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, base::ErrorCode::Busy);
    }
    EXPECT_TRUE(open_backing_device(path));
}

TEST(BackingDevice, IsRefusedWhenItIsTooSmall) {
    const TemporaryFolder folder;
    const auto device = open_backing_device(folder.make_file("disk", 1000));
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().code, base::ErrorCode::TooSmall);
}

TEST(BackingDevice, IsRefusedWhenItIsNoDisk) {
    const TemporaryFolder folder;
    for (const std::string& path : {folder.path(""), std::string("/dev/null")}) {
        const auto device = open_backing_device(path);
        ASSERT_FALSE(device) << path;
        EXPECT_EQ(device.error().code, base::ErrorCode::Unsupported);
    }
}

constexpr std::uint64_t kSlotBytes = 128 * kMebibyte;

class MetadataDevice : public testing::Test {
protected:
    const TemporaryFolder folder;
    const std::string data = folder.make_file("data", kMebibyte);
    const std::string other = folder.make_file("other", kMebibyte);
    const std::string meta = folder.make_file("meta", 3 * kSlotBytes);
};

TEST_F(MetadataDevice, IsOpenedBesideThatOfTheData) {
    const OpenedDisks opened = open_disks({data, meta, std::nullopt});
    ASSERT_TRUE(opened.device) << opened.device.error().text;
    EXPECT_EQ(opened.device->geometry.size_bytes, kMebibyte);
    ASSERT_TRUE(opened.device->geometry.meta);
    EXPECT_EQ(opened.device->geometry.meta->size_bytes, 3 * kSlotBytes);
    EXPECT_FALSE(opened.device->geometry.meta->slot);
    EXPECT_FALSE(open_disks({other, "", std::nullopt}).device->geometry.meta);
}

TEST_F(MetadataDevice, BelongsToOneVolumeIfThatHasAllOfIt) {
    {
        const OpenedDisks first = open_disks({data, meta, std::nullopt});
        for (const std::optional<std::uint32_t> slot : {std::optional<std::uint32_t>(), {1u}}) {
            const OpenedDisks second = open_disks({other, meta, slot});
            ASSERT_FALSE(second.device);
            EXPECT_TRUE(second.of_metadata);
            EXPECT_EQ(second.device.error().code, base::ErrorCode::Busy);
        }
    }
    EXPECT_TRUE(open_disks({other, meta, 1}).device);
}

TEST_F(MetadataDevice, IsSharedBySlots) {
    std::optional<OpenedDisks> first = open_disks({data, meta, 0});
    ASSERT_TRUE(first->device);
    EXPECT_EQ(open_disks({other, meta, 0}).device.error().code, base::ErrorCode::Busy);
    const OpenedDisks second = open_disks({other, meta, 2});
    ASSERT_TRUE(second.device) << second.device.error().text;
    EXPECT_EQ(second.device->geometry.meta->slot, 2u);
    EXPECT_EQ(second.device->meta->fd(), first->device->meta->fd());
    first.reset();  // the device stays open for the other one
    EXPECT_EQ(open_disks({data, meta, 2}).device.error().code, base::ErrorCode::Busy);
    EXPECT_TRUE(open_disks({data, meta, 0}).device);
}

TEST_F(MetadataDevice, IsRefusedAsTheDataDeviceToo) {
    const OpenedDisks opened = open_disks({data, data, std::nullopt});
    ASSERT_FALSE(opened.device);
    EXPECT_EQ(opened.device.error().code, base::ErrorCode::Invalid);
    EXPECT_EQ(open_disks({data, "/nonexistent", 1}).device.error().text,
              "cannot open metadata device /nonexistent: it does not exist");
    EXPECT_TRUE(open_backing_device(data));  // is let go of
}

}  // namespace
}  // namespace runtime
