#include "kmod-shim/names.h"

#include <gtest/gtest.h>

#include <sys/sysmacros.h>

namespace {

TEST(NodeName, IsReadBackAndNothingElseIs) {
    EXPECT_EQ(shim::minor_of_node(shim::node_name(0)), 0u);
    EXPECT_EQ(shim::minor_of_node("drbd147"), 147u);
    for (const char* other :
         {"drbd", "drbd01", "drbd-1", "drbd1x", "drbd0.new", "sda", "drbd9999999"}) {
        EXPECT_FALSE(shim::minor_of_node(other)) << other;
    }
}

TEST(Links, FollowTheUdevRuleOfDrbd) {
    EXPECT_EQ(*shim::by_res_link("r0", 1, false), "drbd/by-res/r0/1");
    EXPECT_EQ(*shim::by_res_link("r0", 0, true), "drbd/by-res/r0");
    EXPECT_EQ(*shim::by_disk_link("/dev/vg0/data"), "drbd/by-disk/vg0/data");
    EXPECT_EQ(*shim::by_disk_link("/srv/disk.img"), "drbd/by-disk/srv/disk.img");
    EXPECT_EQ(shim::link_content("drbd/by-res/r0/1", "drbd3"), "../../../drbd3");
}

TEST(Links, CannotLeaveTheDeviceDirectory) {
    EXPECT_FALSE(shim::by_res_link("..", 0, false));
    EXPECT_FALSE(shim::by_res_link("", 0, true));
    EXPECT_FALSE(shim::by_res_link("/r0", 0, true));
    EXPECT_FALSE(shim::by_disk_link("/dev/../etc/passwd"));
    EXPECT_FALSE(shim::by_disk_link("/dev/"));
    EXPECT_FALSE(shim::by_disk_link("/dev/vg//lv"));
    EXPECT_FALSE(shim::by_disk_link(std::string("a\0b", 3)));
}

TEST(VolumePath, IsTheInverseOfRunFiles) {
    const auto parsed = shim::parse_volume_path(shim::run_files("/run/drbdd", 7).volume + "\n");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->run_dir, "/run/drbdd");
    EXPECT_EQ(parsed->minor, 7u);
}

TEST(VolumePath, RefusesFilesOfOthers) {
    for (const char* other : {"/srv/disk.img",
                              "/run/drbdd/drbd0.fuse/volume (deleted)",
                              "/run/drbdd/drbdx.fuse/volume",
                              "drbd0.fuse/volume",
                              ""}) {
        EXPECT_FALSE(shim::parse_volume_path(other)) << other;
    }
}

TEST(BackendIdentifier, IsReadBackAndNothingElseIs) {
    const shim::BackendIdentifier ours{"00ff", {"/run/a:b/drbdd", 12}};
    const auto parsed = shim::parse_backend_identifier(shim::backend_identifier(ours));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->token, "00ff");
    EXPECT_EQ(parsed->volume.run_dir, "/run/a:b/drbdd");
    EXPECT_EQ(parsed->volume.minor, 12u);
    for (const char* other : {"",
                              "drbdd",
                              "drbdd:",
                              "drbdd::/run/drbd0",
                              "drbdd:1",
                              "drbdd:1:drbd0",
                              "drbdd:1:/run/sda",
                              "drbdd:1:/run/drbd0\n",
                              "qemu:1:/run/drbd0"}) {
        EXPECT_FALSE(shim::parse_backend_identifier(other)) << other;
    }
}

TEST(DeviceNumber, IsReadFromWhatTheKernelPrints) {
    EXPECT_EQ(shim::parse_device_number("43:32"), makedev(43, 32));
    for (const char* other : {"", "43", "43:", ":1", "43:x", "-1:0"}) {
        EXPECT_FALSE(shim::parse_device_number(other)) << other;
    }
}

TEST(Mountinfo, GivesDeviceAndPlaceWithEscapesUndone) {
    const auto mounts = shim::parse_mountinfo(
        "36 35 7:3 / /srv/my\\040db rw,noatime shared:1 master:2 - ext4 /dev/drbd0 rw\n"
        "37 35 0:45 / /run/drbdd/drbd0.fuse rw - fuse.drbdd-fuse drbdd:drbd0 rw,user_id=0\n");
    ASSERT_EQ(mounts.size(), 2u);
    EXPECT_EQ(mounts[0].device_major, 7u);
    EXPECT_EQ(mounts[0].device_minor, 3u);
    EXPECT_EQ(mounts[0].mount_point, "/srv/my db");
    EXPECT_EQ(mounts[0].source, "/dev/drbd0");
    EXPECT_EQ(mounts[1].fs_type, "fuse.drbdd-fuse");
}

TEST(Mountinfo, LeavesOutWhatItDoesNotUnderstand) {
    EXPECT_TRUE(shim::parse_mountinfo("").empty());
    EXPECT_TRUE(shim::parse_mountinfo("36 35 7:3 / /srv rw shared:1\n").empty());
    EXPECT_TRUE(shim::parse_mountinfo("36 35 7;3 / /srv rw - ext4 /dev/x rw\n").empty());
    EXPECT_TRUE(shim::parse_mountinfo("36 35 :3 / /srv rw - ext4 /dev/x rw\n").empty());
    EXPECT_EQ(shim::parse_mountinfo("1 2 7:3 / /a\\04 rw - ext4 x rw\n").at(0).mount_point,
              "/a\\04");
}

TEST(Number, MustBeTheWholeText) {
    EXPECT_EQ(shim::parse_number("45\n"), 45u);
    EXPECT_FALSE(shim::parse_number(""));
    EXPECT_FALSE(shim::parse_number("\n"));
    EXPECT_FALSE(shim::parse_number("4 5"));
    EXPECT_FALSE(shim::parse_number("99999999999999999999"));
}

}  // namespace
