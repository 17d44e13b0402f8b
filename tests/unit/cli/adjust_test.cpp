#include "cli/drbdadm/adjust.h"

#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace {

using drbdadm::AdjustStep;
using Kind = AdjustStep::Kind;
using Steps = std::vector<AdjustStep>;

class Adjust : public testing::Test {
protected:
    Adjust() {
        for (const std::uint16_t number : {std::uint16_t{0}, std::uint16_t{1}}) {
            config::VolumeSettings volume;
            volume.number = number;
            volume.minor = number;
            volume.disk = "/dev/disk" + std::to_string(number);
            running.volumes.push_back(volume);
        }
        wanted = running;
    }

    Steps steps(const drbdadm::AdjustScope& scope = {}) const {
        return drbdadm::adjust_steps(running, wanted, status, scope);
    }

    config::ResourceSettings running;
    config::ResourceSettings wanted;
    control::ResourceStatus status = sample_r0();
};

TEST_F(Adjust, ChangesTheProcessorsFirst) {
    wanted.cpu_mask = "3";
    wanted.volumes[0].disk = "/dev/other";
    EXPECT_EQ(steps(), (Steps{{Kind::ResourceOptions, 0}, {Kind::Detach, 0}, {Kind::Attach, 0}}));
}

TEST_F(Adjust, DoesNothingWhereNothingDiffers) {
    EXPECT_EQ(steps(), Steps{});
}

TEST_F(Adjust, TakesAVolumeAwayThatTheFileDoesNotNameAndAddsOneThatItDoes) {
    config::VolumeSettings third = wanted.volumes[1];
    third.number = 2;
    third.disk = "/dev/disk2";
    wanted.volumes[1] = third;  // with the minor of the one before
    EXPECT_EQ(
        steps(),
        (Steps{{Kind::Detach, 1}, {Kind::DelMinor, 1}, {Kind::NewMinor, 2}, {Kind::Attach, 2}}));
    EXPECT_EQ(steps({false, true}), Steps{});
    status.devices[1].disk = "Diskless";
    EXPECT_EQ(steps(), (Steps{{Kind::DelMinor, 1}, {Kind::NewMinor, 2}, {Kind::Attach, 2}}));
}

TEST_F(Adjust, AVolumeWithAnotherMinorGoesAndComesAgain) {
    wanted.volumes[0].minor = 7;
    EXPECT_EQ(
        steps(),
        (Steps{{Kind::Detach, 0}, {Kind::DelMinor, 0}, {Kind::NewMinor, 0}, {Kind::Attach, 0}}));
}

TEST_F(Adjust, AttachesWhatIsDetachedAndConnectsWhatStandsAlone) {
    status.devices[1].disk = "Diskless";
    status.connections[0].cstate = "StandAlone";
    EXPECT_EQ(steps(), (Steps{{Kind::Attach, 1}, {Kind::Connect, 0}}));
    EXPECT_EQ(steps({true, false}), (Steps{{Kind::Attach, 1}}));
    EXPECT_EQ(steps({false, true}), (Steps{{Kind::Connect, 0}}));
}

TEST_F(Adjust, ChangesOptionsInPlace) {
    wanted.volumes[0].options.resync_rate_kib = 1000;
    wanted.net.timeout = config::Deciseconds(50);
    EXPECT_EQ(steps(), (Steps{{Kind::DiskOptions, 0}, {Kind::NetOptions, 0}}));
}

TEST_F(Adjust, AnotherDiskIsAttachedAnew) {
    wanted.volumes[1].disk = "/dev/other";
    EXPECT_EQ(steps(), (Steps{{Kind::Detach, 1}, {Kind::Attach, 1}}));
}

TEST_F(Adjust, AnotherPlaceOfTheMetadataIsAttachedAnew) {
    wanted.volumes[0].meta_disk = "/dev/meta";
    running.volumes[1].meta_disk = wanted.volumes[1].meta_disk = "/dev/meta";
    wanted.volumes[1].meta_index = 1;
    EXPECT_EQ(steps(),
              (Steps{{Kind::Detach, 0}, {Kind::Detach, 1}, {Kind::Attach, 0}, {Kind::Attach, 1}}));
}

// As in DRBD: the peer is told what both must have alike, and nobody is disconnected for it.
TEST_F(Adjust, OnlyAnotherAddressNeedsANewConnection) {
    wanted.peer_address.ip = "10.0.0.9";
    EXPECT_EQ(steps(), (Steps{{Kind::Disconnect, 0}, {Kind::Connect, 0}}));
    const Steps in_place = {{Kind::NetOptions, 0}};
    wanted = running;
    wanted.net.protocol = config::Protocol::A;
    EXPECT_EQ(steps(), in_place);
    wanted = running;
    wanted.net.shared_secret = "new";
    EXPECT_EQ(steps(), in_place);
    wanted = running;
    wanted.net.sndbuf_size_bytes = 1 << 20;
    EXPECT_EQ(steps(), in_place);
    wanted = running;
    wanted.net.after_sb_1pri = config::AfterSb1Pri::DiscardSecondary;
    EXPECT_EQ(steps(), in_place);
}

TEST_F(Adjust, AnotherWayToWriteAnAddressIsNoChange) {
    running.address = wanted.address = {config::AddressFamily::Ipv6, "fd00::a", 7788};
    running.address.ip = "FD00:0:0::000A";
    running.peer_address = {config::AddressFamily::Ipv4, "127.0.0.1", 7788};
    wanted.peer_address = {config::AddressFamily::Ipv4, "127.0.0.01", 7788};
    EXPECT_EQ(steps(), Steps{});
    wanted.address.ip = "fd00::b";
    EXPECT_EQ(steps(), (Steps{{Kind::Disconnect, 0}, {Kind::Connect, 0}}));
}

TEST_F(Adjust, AnotherNameOfADiskIsNoChange) {
    const TempDir dir;
    const std::string disk = dir.path() + "/disk";
    std::ofstream(disk) << "data";
    std::ofstream(dir.path() + "/other") << "data";
    std::filesystem::create_symlink(disk, dir.path() + "/by-name");
    running.volumes[0].disk = disk;
    wanted.volumes[0].disk = dir.path() + "/by-name";
    EXPECT_EQ(steps(), Steps{});
    wanted.volumes[0].disk = dir.path() + "/other";
    EXPECT_EQ(steps(), (Steps{{Kind::Detach, 0}, {Kind::Attach, 0}}));
}

}  // namespace
