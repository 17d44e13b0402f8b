// What stands at /dev/drbdN while nothing carries it, in a device directory of its own.
#include "kmod-shim/placeholder.h"

#include "kmod-shim/node.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/major.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shim {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMinorHere = 7;
constexpr unsigned kNobodysLoop = 4093;

class PlaceholderTest : public testing::Test {
protected:
    void SetUp() override {
        std::string top = fs::temp_directory_path() / "placeholder.XXXXXX";
        ASSERT_NE(::mkdtemp(top.data()), nullptr);
        top_ = top;
        fs::create_directories(dev());
        fs::create_directories(run());
        if (!has_made_block(dev() / "probe", placeholder_number(0))) {
            GTEST_SKIP() << "block device nodes can't be made here";
        }
        fs::remove(dev() / "probe");
    }

    ~PlaceholderTest() override {
        std::error_code error;
        fs::remove_all(top_, error);
    }

    fs::path dev() const { return top_ / "dev"; }

    fs::path run() const { return top_ / "run"; }

    fs::path path() const { return dev() / "drbd7"; }

    static bool has_made_block(const fs::path& path, dev_t number) {
        return ::mknod(path.c_str(), S_IFBLK | 0600, number) == 0;
    }

    NodePlaces places() const {
        NodePlaces places;
        places.run_dir = run();
        places.dev_dir = dev();
        return places;
    }

    DeviceNode node() const {
        NodeSpec spec;
        spec.minor = kMinorHere;
        spec.resource = "r0";
        spec.backing_disk = "/dev/vg/data";
        spec.placeholder = true;
        return DeviceNode(spec, places());
    }

    bool is_here() const {
        const auto number = block_device_number(path());
        return number && *number == placeholder_number(kMinorHere);
    }

    void expect_nothing_left() const {
        EXPECT_TRUE(names_in(dev()).empty());
        EXPECT_TRUE(names_in(run()).empty());
    }

private:
    fs::path top_;
};

TEST_F(PlaceholderTest, IsABlockDeviceThatNobodyCanOpen) {
    ASSERT_TRUE(node().reserve());
    EXPECT_TRUE(is_here());
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR | O_EXCL}) {
        errno = 0;
        EXPECT_EQ(::open(path().c_str(), flags | O_CLOEXEC), -1);
        EXPECT_EQ(errno, ENXIO);
    }
}

TEST_F(PlaceholderTest, HasTheLinksOfTheDevice) {
    ASSERT_TRUE(node().reserve());
    EXPECT_EQ(fs::canonical(dev() / "drbd/by-res/r0/0"), fs::canonical(dev()) / "drbd7");
    EXPECT_EQ(fs::canonical(dev() / "drbd/by-disk/vg/data"), fs::canonical(dev()) / "drbd7");
}

TEST_F(PlaceholderTest, LeavesNothingWhenTheNameIsFreeAgain) {
    ASSERT_TRUE(node().reserve());
    ASSERT_TRUE(node().reserve()) << "once more, as after a crash";
    ASSERT_TRUE(node().vacate());
    expect_nothing_left();
    EXPECT_TRUE(node().vacate());
}

TEST_F(PlaceholderTest, StaysWhenNothingIsThereToBeTakenAway) {
    ASSERT_TRUE(node().reserve());
    ASSERT_TRUE(node().detach());
    EXPECT_TRUE(is_here());
}

TEST_F(PlaceholderTest, TakesThePlaceOfANumberThatLeadsToNobody) {
    ASSERT_TRUE(has_made_block(path(), makedev(LOOP_MAJOR, kNobodysLoop)));
    ASSERT_TRUE(node().reserve());
    EXPECT_TRUE(is_here());

    ASSERT_EQ(::unlink(path().c_str()), 0);
    ASSERT_TRUE(has_made_block(path(), makedev(LOOP_MAJOR, kNobodysLoop)));
    ASSERT_TRUE(node().detach()) << "as after a crash in the middle of a demotion";
    EXPECT_TRUE(is_here());
}

TEST_F(PlaceholderTest, LeavesADeviceOfAnotherDriverAlone) {
    ASSERT_TRUE(has_made_block(path(), makedev(SCSI_DISK0_MAJOR, 0)));
    const auto reserved = node().reserve();
    ASSERT_FALSE(reserved);
    EXPECT_NE(reserved.error().text.find("another driver's device"), std::string::npos);
    ASSERT_TRUE(node().vacate());
    EXPECT_EQ(block_device_number(path()), makedev(SCSI_DISK0_MAJOR, 0));
    EXPECT_TRUE(names_in(run()).empty());
}

TEST_F(PlaceholderTest, LeavesAFileAlone) {
    std::ofstream(path()) << "what somebody wrote to a device that was not there";
    const auto reserved = node().reserve();
    ASSERT_FALSE(reserved);
    EXPECT_NE(reserved.error().text.find("is no block device"), std::string::npos);
    ASSERT_TRUE(node().detach());
    ASSERT_TRUE(node().vacate());
    EXPECT_TRUE(fs::is_regular_file(path()));
}

TEST_F(PlaceholderTest, SaysWhyItCanNotBeMade) {
    fs::remove(dev());
    const auto reserved = node().reserve();
    ASSERT_FALSE(reserved);
    EXPECT_NE(reserved.error().text.find("cannot make the node"), std::string::npos);
    EXPECT_TRUE(names_in(run()).empty()) << "a record of what is not there";
}

TEST_F(PlaceholderTest, OfADeadDaemonIsRemovedByTheNextOne) {
    ASSERT_TRUE(node().reserve());
    ASSERT_TRUE(has_made_block(path().string() + ".new", makedev(LOOP_MAJOR, kNobodysLoop)));
    const Sweep sweep = remove_stale_nodes(places());
    EXPECT_TRUE(sweep.living.empty());
    EXPECT_EQ(sweep.notes.size(), 1U);
    expect_nothing_left();
}

TEST_F(PlaceholderTest, OfAnotherDaemonStays) {
    ASSERT_TRUE(has_made_block(path(), placeholder_number(kMinorHere)));
    EXPECT_TRUE(remove_stale_nodes(places()).notes.empty());
    ASSERT_TRUE(node().vacate());
    EXPECT_TRUE(is_here());
}

TEST_F(PlaceholderTest, AHalfMadeNodeIsRemovedWithoutAnyRecord) {
    ASSERT_TRUE(has_made_block(path().string() + ".new", makedev(LOOP_MAJOR, kNobodysLoop)));
    EXPECT_EQ(remove_stale_nodes(places()).notes.size(), 1U);
    expect_nothing_left();
}

}  // namespace
}  // namespace shim
