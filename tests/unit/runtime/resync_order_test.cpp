#include "drbdd/runtime/resync_order.h"

#include <gtest/gtest.h>

namespace {

using engine::ConnState;
using engine::DiskState;
using runtime::ResyncTurn;

struct Volume {
    std::uint32_t minor;
    std::string after;
    ConnState conn = ConnState::Connected;
    DiskState disk = DiskState::UpToDate;
    bool waits = false;
    bool paused = false;
};

runtime::SnapshotPtr resource(const std::string& name, const std::vector<Volume>& volumes) {
    config::ResourceSettings settings;
    settings.name = name;
    auto snapshot = std::make_shared<runtime::ResourceSnapshot>();
    snapshot->status.name = name;
    for (const Volume& volume : volumes) {
        config::VolumeSettings made;
        made.number = static_cast<std::uint16_t>(settings.volumes.size());
        made.minor = volume.minor;
        made.options.resync_after = volume.after;
        settings.volumes.push_back(made);
        engine::VolumeStatus status;
        status.number = {made.number};
        status.state.conn = volume.conn;
        status.state.disk = volume.disk;
        status.state.aftr_isp = volume.waits;
        status.state.user_isp = volume.paused;
        snapshot->status.volumes.push_back(status);
    }
    snapshot->settings = std::make_shared<config::ResourceSettings>(settings);
    return snapshot;
}

std::vector<ResyncTurn> turn(const std::string& name, std::uint16_t volume, bool waits) {
    return {{name, {{volume}, waits}}};
}

const std::vector<ResyncTurn> kNone;

TEST(ResyncOrder, OneWaitsWhileTheOtherResyncs) {
    const auto second = resource("b", {{2, "1"}});
    for (const ConnState conn : {ConnState::SyncSource,
                                 ConnState::SyncTarget,
                                 ConnState::VerifyS,
                                 ConnState::PausedSyncS,
                                 ConnState::PausedSyncT}) {
        EXPECT_EQ(runtime::resync_turns({resource("a", {{1, "", conn}}), second}),
                  turn("b", 0, true));
    }
    for (const ConnState conn :
         {ConnState::StandAlone, ConnState::WFConnection, ConnState::Connected}) {
        EXPECT_EQ(runtime::resync_turns({resource("a", {{1, "", conn}}), second}), kNone);
    }
}

TEST(ResyncOrder, WhoIsPausedIsWaitedFor) {
    Volume first{1, ""};
    first.paused = true;
    EXPECT_EQ(runtime::resync_turns({resource("a", {first, {2, "1"}})}), turn("a", 1, true));
}

TEST(ResyncOrder, OnlyWhatChangesIsTold) {
    Volume second{2, "1"};
    second.waits = true;
    const auto busy = resource("a", {{1, "", ConnState::SyncTarget}, second});
    EXPECT_EQ(runtime::resync_turns({busy}), kNone);
    EXPECT_EQ(runtime::resync_turns({resource("a", {{1, ""}, second})}), turn("a", 1, false));
}

// Also where the one in between has nothing to do.
TEST(ResyncOrder, TheWholeLineIsLookedAt) {
    EXPECT_EQ(runtime::resync_turns({resource("c", {{3, "2"}}),
                                     resource("b", {{2, "1"}}),
                                     resource("a", {{1, "", ConnState::SyncSource}})}),
              (std::vector<ResyncTurn>{{"b", {{0}, true}}, {"c", {{0}, true}}}));
}

TEST(ResyncOrder, WhoIsNotThereIsNotWaitedFor) {
    Volume second{2, "1"};
    second.waits = true;
    EXPECT_EQ(runtime::resync_turns({resource("b", {second})}), turn("b", 0, false));
    const Volume diskless{1, "", ConnState::SyncSource, DiskState::Diskless};
    EXPECT_EQ(runtime::resync_turns({resource("a", {diskless}), resource("b", {second})}),
              turn("b", 0, false));
    second.after = "";
    EXPECT_EQ(runtime::resync_turns({resource("b", {second})}), turn("b", 0, false));
}

TEST(ResyncOrder, AnOrderThatEndsInItselfIsNone) {
    EXPECT_EQ(runtime::resync_turns({resource("a", {{1, "2", ConnState::SyncSource}}),
                                     resource("b", {{2, "1", ConnState::SyncSource}}),
                                     resource("c", {{3, "3", ConnState::SyncSource}})}),
              kNone);
}

TEST(ResyncOrder, IsLookedForWhereSomebodyFollows) {
    EXPECT_FALSE(runtime::follows_another(*resource("a", {{1, ""}})));
    EXPECT_TRUE(runtime::follows_another(*resource("a", {{1, ""}, {2, "1"}})));
}

}  // namespace
