#include "drbdd/runtime/settings_in_force.h"

#include <gtest/gtest.h>

namespace {

class SettingsInForce : public testing::Test {
protected:
    SettingsInForce() {
        for (const std::uint16_t number : {std::uint16_t{0}, std::uint16_t{3}}) {
            config::VolumeSettings volume;
            volume.number = number;
            volume.minor = number;
            volume.disk = "/dev/old";
            running.volumes.push_back(volume);
        }
        wanted = running;
        wanted.net.timeout = config::Deciseconds(30);
        wanted.peer_address.ip = "10.0.0.9";
        wanted.handlers["split-brain"] = "mail";
        for (config::VolumeSettings& volume : wanted.volumes) {
            volume.disk = "/dev/new";
            volume.options.al_extents = 500;
        }
    }

    config::ResourceSettings running;
    config::ResourceSettings wanted;
};

TEST_F(SettingsInForce, OfAVolumeLeaveTheOthersAndTheConnectionAlone) {
    const auto made = runtime::with_volume_of(running, wanted, 3);
    EXPECT_EQ(made.volumes[0], running.volumes[0]);
    EXPECT_EQ(made.volumes[1], wanted.volumes[1]);
    EXPECT_EQ(made.net, running.net);
    EXPECT_EQ(made.peer_address, running.peer_address);
    EXPECT_EQ(made.handlers, wanted.handlers);
}

TEST_F(SettingsInForce, OfTheConnectionLeaveTheVolumesAlone) {
    const auto made = runtime::with_connection_of(running, wanted);
    EXPECT_EQ(made.volumes, running.volumes);
    EXPECT_EQ(made.net, wanted.net);
    EXPECT_EQ(made.peer_address, wanted.peer_address);
}

TEST_F(SettingsInForce, OptionsComeWithoutAddressesAndDisks) {
    const auto made = runtime::with_options_of(running, wanted);
    EXPECT_EQ(made.net, wanted.net);  // only the time-out differs
    EXPECT_EQ(made.peer_address, running.peer_address);
    EXPECT_EQ(made.volumes[0].options, wanted.volumes[0].options);
    EXPECT_EQ(made.volumes[0].disk, "/dev/old");
}

TEST_F(SettingsInForce, OptionsOfTheConnectionAreAllButItsAddresses) {
    wanted.net.protocol = config::Protocol::A;
    wanted.net.shared_secret = "new";
    const auto made = runtime::with_options_of(running, wanted);
    EXPECT_EQ(made.net, wanted.net);
    EXPECT_EQ(made.peer_address, running.peer_address);
}

TEST_F(SettingsInForce, AreForVolumesOfTheSameMinors) {
    EXPECT_TRUE(runtime::volumes_agree(running, wanted));
    wanted.volumes[1].minor = 7;
    EXPECT_FALSE(runtime::volumes_agree(running, wanted));
    wanted.volumes.pop_back();  // what only one of them has is no matter of both
    EXPECT_TRUE(runtime::volumes_agree(running, wanted));
    EXPECT_TRUE(runtime::volumes_agree(wanted, running));
}

TEST_F(SettingsInForce, GoByTheNumberOfAVolumeNotByItsPlace) {
    config::VolumeSettings first = wanted.volumes[0];
    first.number = 1;
    first.options.al_extents = 999;
    wanted = runtime::with_added(wanted, first);
    EXPECT_EQ(wanted.volumes[1], first);
    EXPECT_EQ(runtime::with_options_of(running, wanted).volumes[1].options,
              wanted.volumes[2].options);
    EXPECT_EQ(runtime::with_volume_of(running, wanted, 3).volumes[1], wanted.volumes[2]);
    EXPECT_EQ(runtime::without(wanted, 1).volumes.size(), 2u);
    EXPECT_EQ(runtime::without(wanted, 1).volumes[1].number, 3);
}

}  // namespace
