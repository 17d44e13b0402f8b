#include "drbdd/runtime/backing_device.h"

#include "tests/unit/runtime/temporary.h"
#include "tests/unit/runtime/units.h"

#include <gtest/gtest.h>

#include <unistd.h>

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

}  // namespace
}  // namespace runtime
