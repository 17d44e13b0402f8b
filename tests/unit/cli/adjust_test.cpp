#include "cli/drbdadm/adjust.h"

#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

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

TEST_F(Adjust, DoesNothingWhereNothingDiffers) {
    EXPECT_EQ(steps(), Steps{});
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

TEST_F(Adjust, WhatThePeerWasToldNeedsANewConnection) {
    const Steps anew = {{Kind::Disconnect, 0}, {Kind::Connect, 0}};
    wanted.peer_address.ip = "10.0.0.9";
    EXPECT_EQ(steps(), anew);
    wanted = running;
    wanted.net.protocol = config::Protocol::A;
    EXPECT_EQ(steps(), anew);
    wanted = running;
    wanted.net.shared_secret = "new";
    EXPECT_EQ(steps(), anew);
    wanted = running;
    wanted.net.after_sb_1pri = config::AfterSb1Pri::DiscardSecondary;
    EXPECT_EQ(steps(), anew);
}

}  // namespace
