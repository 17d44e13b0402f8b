// Whose data are newest: each verb and each question, row by row.
#include "drbdd/engine/rules/lineage.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

using enum DiskState;

constexpr std::uint64_t kOurs = 0xaaaa0000;
constexpr std::uint64_t kOlder = 0xbbbb0000;
constexpr std::uint64_t kOldest = 0xcccc0000;
constexpr std::uint64_t kStrange = 0xdddd0000;

VolumeState state_of(Role role, Role peer, ConnState conn, DiskState disk, DiskState pdsk) {
    VolumeState state;
    state.role = role;
    state.peer = peer;
    state.conn = conn;
    state.disk = disk;
    state.pdsk = pdsk;
    return state;
}

// --- parted ---

TEST(Lineage, TheFirstPartingKeepsTheCommonIdentifierForTheBits) {
    const auto next = Lineage{}.parted({kOurs, 0, {kOlder, kOldest}});
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, (GenerationIds{kOurs, kOurs, {kOlder, kOldest}}));
}

TEST(Lineage, WhoHasPartedIsNotGivenAnotherIdentifier) {
    EXPECT_FALSE(Lineage{}.parted({kOurs, kOlder, {}}));
}

TEST(Lineage, APeerThatMayBearOursIsPartedFromAgain) {
    Lineage lineage;
    lineage.peer_may_bear_current(true);
    const auto next = lineage.parted({kOurs, kOlder, {kOldest, 0}});
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, (GenerationIds{kOurs, kOlder, {kOurs, kOldest}}));
}

// Its applications have seen what we bear: what we write alone must not pass for that. No disk of
// its own bears it, so no identifier that one may bear is pushed out for it.
TEST(Lineage, APeerThatWorkedOnOurDiskIsPartedFromAgain) {
    Lineage lineage;
    lineage.peer_uses_current(true);
    const auto next = lineage.parted({kOurs, kOlder, {kOldest, kStrange}});
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, (GenerationIds{kOurs, kOlder, {kOldest, kStrange}}));
    lineage.peer_uses_current(false);
    EXPECT_FALSE(lineage.parted({kOurs, kOlder, {}}));
}

// A mere possibility pushes no identifier out that a peer may bear.
TEST(Lineage, AFullHistoryIsWorthMoreThanWhatMayBe) {
    Lineage lineage;
    lineage.attached(false, true, true, {kOurs, kOlder, {kOldest, kStrange}});
    const auto next = lineage.parted({kOurs, kOlder, {kOldest, kStrange}});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->history, (std::array<std::uint64_t, 2>{kOldest, kStrange}));
}

// --- what applications have seen ---

TEST(Lineage, TheSuccessorOfWhatWasSeenIsOurs) {
    Lineage lineage;
    EXPECT_FALSE(lineage.other_data_exposed(kStrange));  // nothing was seen
    lineage.exposed(kOurs);
    EXPECT_FALSE(lineage.other_data_exposed(kOurs | kUuidPrimaryBit));
    EXPECT_FALSE(lineage.other_data_exposed(diskless_successor(kOurs)));
    EXPECT_TRUE(lineage.other_data_exposed(kOlder));
}

TEST(Lineage, TheLostDiskHasTheNewestDataOnlyIfItHadParted) {
    Lineage lineage;
    lineage.lost_disk({kOurs, kOlder, {}}, UpToDate, {});
    EXPECT_TRUE(lineage.lost_newest_data());
    EXPECT_EQ(lineage.exposed_uuid(), kOurs);
    lineage.lost_disk({kOurs, 0, {}}, UpToDate, {});
    EXPECT_FALSE(lineage.lost_newest_data());
    lineage.lost_disk({kOurs, kOlder, {}}, Outdated, {});
    EXPECT_FALSE(lineage.lost_newest_data());
    lineage.lost_disk({kOurs, kOlder, {}}, UpToDate, {});
    lineage.exposed(kStrange);  // the peer's now
    EXPECT_FALSE(lineage.lost_newest_data());
}

TEST(Lineage, AGenerationIsBegunWhenItIsAnotherOne) {
    Lineage lineage;
    lineage.exposed(kOurs);
    EXPECT_FALSE(lineage.told_generation(kOurs | kUuidPrimaryBit));
    EXPECT_TRUE(lineage.told_generation(kStrange));
    EXPECT_EQ(lineage.exposed_uuid(), kStrange);
}

TEST(Lineage, AWriteThatWentWithTheDiskIsForgottenWithTheRole) {
    Lineage lineage;
    EXPECT_TRUE(lineage.lost_write_with_disk());
    EXPECT_FALSE(lineage.lost_write_with_disk());
    EXPECT_TRUE(lineage.peer_lacks_writes());
    lineage.demoted();
    EXPECT_FALSE(lineage.peer_lacks_writes());
}

TEST(Lineage, OtherDataThanThoseInUseAreNotAttached) {
    Lineage lineage;
    lineage.exposed(kOurs);
    const VolumeState primary =
        state_of(Role::Primary, Role::Unknown, ConnState::WFConnection, Attaching, DUnknown);
    EXPECT_EQ(lineage.forbids_attach(kStrange, primary), kOurs);
    EXPECT_FALSE(lineage.forbids_attach(kOurs | kUuidPrimaryBit, primary));
    EXPECT_FALSE(lineage.forbids_attach(
        kStrange,
        state_of(Role::Secondary, Role::Unknown, ConnState::WFConnection, Attaching, DUnknown)));
    // The handshake decides where the peer has the data.
    EXPECT_FALSE(lineage.forbids_attach(
        kStrange,
        state_of(Role::Primary, Role::Secondary, ConnState::Connected, Attaching, UpToDate)));
    EXPECT_FALSE(Lineage{}.forbids_attach(kStrange, primary));
}

TEST(Lineage, OurOwnDiskMayComeBackWithAnIdentifierThatItHadStored) {
    Lineage lineage;
    lineage.lost_disk({kOurs, kOlder, {}}, UpToDate, {kOlder, kOldest});
    const VolumeState primary =
        state_of(Role::Primary, Role::Unknown, ConnState::WFConnection, Attaching, DUnknown);
    for (const std::uint64_t stored : {kOurs, kOlder, kOldest}) {
        EXPECT_FALSE(lineage.forbids_attach(stored, primary));
        EXPECT_FALSE(lineage.other_than_own_exposed(stored));
    }
    EXPECT_EQ(lineage.forbids_attach(kStrange, primary), kOurs);
    EXPECT_TRUE(lineage.other_than_own_exposed(kStrange));
    EXPECT_TRUE(lineage.other_data_exposed(kOlder));  // a peer that bears it lacks writes
    lineage.exposed(kStrange);
    EXPECT_TRUE(lineage.other_than_own_exposed(kOlder));
}

// --- has_newest_data ---

struct NewestRow {
    ConnState conn;
    DiskState disk;
    DiskState pdsk;
    std::uint64_t bitmap_id;
    bool peer_may_bear_ours;
    bool anything_marked;
    bool newest;
    const char* why;
};

TEST(Lineage, WhoHasTheNewestData) {
    constexpr auto kApart = ConnState::WFConnection;
    const NewestRow rows[] = {
        {kApart, UpToDate, DUnknown, kOlder, false, false, true, "parted, without a bit"},
        {kApart, UpToDate, DUnknown, 0, false, true, false, "bits say where, not who"},
        {ConnState::Connected, UpToDate, UpToDate, kOlder, false, true, false, "the peer is here"},
        {kApart, Outdated, DUnknown, kOlder, false, true, false, "somebody has gone on without us"},
        {kApart, UpToDate, DUnknown, kOlder, true, false, false, "the peer may bear ours"},
        {kApart, UpToDate, DUnknown, kOlder, true, true, true, "it may, but lacks something"},
        {kApart, UpToDate, Outdated, kOlder, true, false, true, "it may, but is outdated"},
        {kApart, Consistent, DUnknown, kOlder, false, false, true, "not yet asked about the peer"},
    };
    for (const NewestRow& row : rows) {
        Lineage lineage;
        lineage.peer_may_bear_current(row.peer_may_bear_ours);
        EXPECT_EQ(lineage.has_newest_data(
                      state_of(Role::Primary, Role::Unknown, row.conn, row.disk, row.pdsk),
                      {kOurs, row.bitmap_id, {}},
                      row.anything_marked),
                  row.newest)
            << row.why;
    }
}

// --- parts_ways ---

struct PartingRow {
    VolumeState from;
    VolumeState to;
    bool parts;
    const char* why;
};

TEST(Lineage, WhichChangesPartTheData) {
    using enum ConnState;
    constexpr Role P = Role::Primary;
    constexpr Role S = Role::Secondary;
    constexpr Role U = Role::Unknown;
    const VolumeState primary = state_of(P, S, Connected, UpToDate, UpToDate);
    const VolumeState secondary = state_of(S, P, Connected, UpToDate, UpToDate);
    const PartingRow rows[] = {
        {primary, state_of(P, U, NetworkFailure, UpToDate, DUnknown), true, "the peer is gone"},
        {primary, state_of(P, S, Connected, UpToDate, Diskless), true, "its disk is gone"},
        {primary, state_of(P, S, Connected, UpToDate, Failed), true, "its disk fails"},
        {primary, state_of(P, S, Connected, UpToDate, Outdated), true, "it is outdated"},
        {primary, state_of(P, S, Connected, UpToDate, Inconsistent), true, "it lacks a write"},
        {primary, state_of(P, S, SyncSource, UpToDate, Inconsistent), false, "a resync begins"},
        {state_of(P, S, SyncSource, UpToDate, Inconsistent),
         state_of(P, U, NetworkFailure, UpToDate, Inconsistent),
         true,
         "a target is left behind"},
        {primary, state_of(P, S, Ahead, UpToDate, Consistent), true, "the peer is left behind"},
        {state_of(P, S, Ahead, UpToDate, Consistent),
         state_of(P, S, SyncSource, UpToDate, Inconsistent),
         false,
         "it catches up"},
        {secondary, state_of(S, U, NetworkFailure, UpToDate, DUnknown), false, "nobody writes"},
        {secondary, state_of(S, P, Connected, UpToDate, Diskless), true, "it writes on our disk"},
        {state_of(S, S, Connected, UpToDate, Diskless),
         state_of(S, P, Connected, UpToDate, Diskless),
         true,
         "a diskless peer is promoted"},
        {state_of(S, U, WFReportParams, UpToDate, DUnknown),
         state_of(S, P, Connected, UpToDate, Diskless),
         false,
         "a diskless Primary may refuse our data"},
        {state_of(P, U, WFConnection, UpToDate, DUnknown),
         state_of(P, U, WFConnection, UpToDate, Outdated),
         true,
         "fenced while it is away"},
    };
    for (const PartingRow& row : rows) {
        EXPECT_EQ(parts_ways(row.from, row.to), row.parts) << row.why;
    }
}

TEST(Lineage, ADiskCountsByItsFlags) {
    EXPECT_EQ(disk_by_flags(false, true, true, Fencing::DontCare), Inconsistent);
    EXPECT_EQ(disk_by_flags(true, false, true, Fencing::DontCare), Outdated);
    EXPECT_EQ(disk_by_flags(true, true, false, Fencing::DontCare), UpToDate);
    EXPECT_EQ(disk_by_flags(true, true, false, Fencing::ResourceOnly), Consistent);
    EXPECT_EQ(disk_by_flags(true, true, true, Fencing::ResourceOnly), UpToDate);
}

TEST(Lineage, OnlyASecondaryNamesAGenerationForItsPeer) {
    using enum ConnState;
    EXPECT_TRUE(names_generation_for_peer(
        state_of(Role::Secondary, Role::Primary, Connected, UpToDate, Diskless)));
    EXPECT_FALSE(names_generation_for_peer(
        state_of(Role::Primary, Role::Primary, Connected, UpToDate, Diskless)));
    EXPECT_FALSE(names_generation_for_peer(
        state_of(Role::Secondary, Role::Secondary, Connected, UpToDate, Diskless)));
    EXPECT_FALSE(names_generation_for_peer(
        state_of(Role::Secondary, Role::Primary, Connected, UpToDate, UpToDate)));
}

}  // namespace
}  // namespace engine
