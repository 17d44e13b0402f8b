#include "drbdd/engine/rules/state_rules.h"
#include "drbdd/engine/volume/disk_watch.h"

#include <gtest/gtest.h>

#include <chrono>

namespace engine {
namespace {

using namespace std::chrono_literals;

constexpr FreezePolicy kFences{Fencing::ResourceAndStonith, OnNoData::IoError};
constexpr FreezePolicy kWaits{Fencing::DontCare, OnNoData::SuspendIo};

VolumeState primary(ConnState conn, DiskState disk, DiskState pdsk) {
    VolumeState state;
    state.role = Role::Primary;
    state.conn = conn;
    state.disk = disk;
    state.pdsk = pdsk;
    return state;
}

const VolumeState kWell = primary(ConnState::Connected, DiskState::UpToDate, DiskState::UpToDate);
const VolumeState kAlone =
    primary(ConnState::NetworkFailure, DiskState::UpToDate, DiskState::DUnknown);
const VolumeState kWithoutData =
    primary(ConnState::NetworkFailure, DiskState::Diskless, DiskState::DUnknown);

TEST(Freeze, ALostPeerFreezesOnceWithStonith) {
    EXPECT_TRUE(frozen_where_due(kWell, kAlone, kFences).susp_fen);
    EXPECT_FALSE(frozen_where_due(kAlone, kAlone, kFences).susp_fen);  // somebody has let it go on
    EXPECT_FALSE(frozen_where_due(kWell, kAlone, {Fencing::ResourceOnly, {}}).susp_fen);
    VolumeState outdated = kAlone;
    outdated.pdsk = DiskState::Outdated;
    EXPECT_FALSE(frozen_where_due(kWell, outdated, kFences).susp_fen);
    VolumeState secondary = kAlone;
    secondary.role = Role::Secondary;
    EXPECT_FALSE(frozen_where_due(kWell, secondary, kFences).susp_fen);
}

TEST(Freeze, ADemotionEndsIt) {
    VolumeState frozen = kAlone;
    frozen.susp_fen = frozen.susp_nod = true;
    VolumeState demoted = frozen;
    demoted.role = Role::Secondary;
    EXPECT_FALSE(frozen_where_due(frozen, demoted, kFences).frozen());
    EXPECT_TRUE(frozen_where_due(frozen, frozen, kFences).susp_fen);
}

TEST(Freeze, WithoutDataOnlyWhereThatIsWanted) {
    EXPECT_TRUE(frozen_where_due(kWell, kWithoutData, kWaits).susp_nod);
    EXPECT_FALSE(frozen_where_due(kWithoutData, kWithoutData, kWaits).susp_nod);
    EXPECT_FALSE(frozen_where_due(kWell, kWithoutData, kFences).frozen());
    EXPECT_FALSE(frozen_where_due(kWell, kAlone, kWaits).frozen());
    const VolumeState diskless =
        primary(ConnState::Connected, DiskState::Diskless, DiskState::UpToDate);
    EXPECT_FALSE(frozen_where_due(kWell, diskless, kWaits).frozen());
}

TEST(Freeze, ItsReasonsTravelInTheWordOfTheState) {
    VolumeState state = kAlone;
    state.susp_nod = true;
    EXPECT_EQ(to_wire(state) & 7u << 21, 1u << 21);
    EXPECT_EQ(from_wire(to_wire(state)), state);
    state.susp_fen = true;
    EXPECT_EQ(to_wire(state) & 7u << 21, 3u << 21);
    EXPECT_EQ(from_wire(to_wire(state)), state);
    EXPECT_EQ(describe_change(kAlone, state), "susp( 0 -> 1 ) ");
}

TEST(DiskWatch, TellsWhatTakesTooLong) {
    DiskWatch watch;
    const io::Instant begun = io::Instant{} + 100s;
    EXPECT_EQ(watch.due(begun, 0s), io::kNever);
    EXPECT_EQ(watch.due(io::kNever, 2s), io::kNever);
    EXPECT_EQ(watch.due(begun, 2s), begun + 2s);
    EXPECT_FALSE(watch.is_overdue(begun + 1999ms, begun, 2s));
    EXPECT_TRUE(watch.is_overdue(begun + 2s, begun, 2s));
    EXPECT_FALSE(watch.is_overdue(begun + 2s, begun, 0s));
}

TEST(DiskWatch, BeginsAnewAfterAStandstill) {
    DiskWatch watch;
    const io::Instant begun = io::Instant{} + 100s;
    EXPECT_FALSE(watch.is_overdue(begun + 10s, begun, 2s));
    EXPECT_EQ(watch.due(begun, 2s), begun + 12s);
    EXPECT_TRUE(watch.is_overdue(begun + 12s, begun, 2s));
}

}  // namespace
}  // namespace engine
