// The complete comparison table of wire specification 5.3, and what follows from it (5.4, 5.5).
#include "drbdd/engine/rules/generation_ids.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

constexpr std::uint64_t kA = 0xA0A0A0A0A0A0A0A0;
constexpr std::uint64_t kB = 0xB0B0B0B0B0B0B0B0;
constexpr std::uint64_t kC = 0xC0C0C0C0C0C0C0C0;
constexpr std::uint64_t kD = 0xD0D0D0D0D0D0D0D0;
constexpr std::uint64_t kE = 0xE0E0E0E0E0E0E0E0;
constexpr std::uint64_t kF = 0xF0F0F0F0F0F0F0F0;

SyncSide side(GenerationIds ids) {
    SyncSide s;
    s.ids = ids;
    s.disk = DiskState::UpToDate;
    return s;
}

struct Row {
    const char* what;
    GenerationIds own;
    GenerationIds peer;
    CompareResult result;
    int rule;
};

const Row kTable[] = {
    {"both just created", {4, 0, {}}, {4, 0, {}}, CompareResult::NoSync, 10},
    {"own just created", {4, 0, {}}, {kA, 4, {}}, CompareResult::TargetFull, 20},
    {"own unset", {0, 0, {}}, {kA, 0, {}}, CompareResult::TargetFull, 20},
    {"peer just created", {kA, 4, {}}, {4, 0, {}}, CompareResult::SourceFull, 30},
    {"we missed the end as source",
     {kA, kB, {kC, 0}},
     {kA, 0, {kB, kC}},
     CompareResult::Source,
     34},
    {"peer did not record the sync uuid",
     {kA, kB, {0, 0}},
     {kA, 0, {kD, kE}},
     CompareResult::Source,
     36},
    {"peer missed the end", {kA, 0, {kB, kC}}, {kA, kB, {kC, 0}}, CompareResult::Target, 35},
    {"we did not record the sync uuid",
     {kA, 0, {kD, kE}},
     {kA, kB, {0, 0}},
     CompareResult::Target,
     37},
    {"same generation", {kA, 0, {}}, {kA, 0, {}}, CompareResult::NoSync, 40},
    {"same but for the role's bit", {kA | 1, 0, {}}, {kA, 0, {}}, CompareResult::NoSync, 40},
    {"peer went on without us", {kA, 0, {}}, {kB, kA, {}}, CompareResult::Target, 50},
    {"its bit 0 does not matter", {kA, 0, {}}, {kB, kA | 1, {}}, CompareResult::Target, 50},
    {"last sync uuid never reached us",
     {kA, 0, {}},
     {kB, kA + kUuidSyncOffset, {kA, kD}},
     CompareResult::Target,
     51},
    {"it never reached us, and other generations followed",
     {kA, 0, {}},
     {kB, kA + kUuidSyncOffset, {kC, kD}},
     CompareResult::Target,
     51},
    {"the same, and we are still in its history",
     {kA, 0, {}},
     {kB, kA + kUuidSyncOffset, {kC, kA}},
     CompareResult::Target,
     51},
    {"we are in its history", {kA, 0, {}}, {kB, kC, {kD, kA}}, CompareResult::TargetFull, 60},
    {"we went on without the peer", {kB, kA, {}}, {kA, 0, {}}, CompareResult::Source, 70},
    {"our last sync uuid was lost",
     {kB, kA + kUuidSyncOffset, {kA, kD}},
     {kA, 0, {}},
     CompareResult::Source,
     71},
    {"our last sync uuid was lost, and other generations followed",
     {kB, kA + kUuidSyncOffset, {kC, kD}},
     {kA, 0, {}},
     CompareResult::Source,
     71},
    {"it is in our history", {kB, kC, {kA, kD}}, {kA, 0, {}}, CompareResult::SourceFull, 80},
    {"both went on from the same", {kB, kA, {}}, {kC, kA, {}}, CompareResult::SplitBrainAuto, 90},
    {"a common ancestor in the history",
     {kB, kC, {kA, kF}},
     {kD, kE, {kA, 0}},
     CompareResult::SplitBrain,
     100},
    {"two empty histories count as common",
     {kA, 0, {}},
     {kB, 0, {}},
     CompareResult::SplitBrain,
     100},
    {"nothing in common", {kA, 0, {kB, kC}}, {kD, 0, {kE, kF}}, CompareResult::Unrelated, 100},
};

TEST(Compare, FollowsTheTable) {
    for (const Row& row : kTable) {
        const Comparison c = compare(side(row.own), side(row.peer), false, true);
        EXPECT_EQ(c.result, row.result) << row.what;
        EXPECT_EQ(c.rule, row.rule) << row.what;
    }
}

TEST(Compare, BothNodesComeToOppositeResults) {
    for (const Row& row : kTable) {
        const Comparison ours = compare(side(row.own), side(row.peer), false, true);
        const Comparison theirs = compare(side(row.peer), side(row.own), true, true);
        const int a = static_cast<int>(ours.result);
        const int b = static_cast<int>(theirs.result);
        EXPECT_EQ(a, std::abs(a) >= 100 ? b : -b) << row.what;
    }
}

TEST(Compare, CorrectsTheSideThatMissedTheEnd) {
    const Comparison own = compare(side({kA, kB, {kC, 0}}), side({kA, 0, {kB, kC}}), false, true);
    EXPECT_TRUE(own.own_corrected);
    EXPECT_EQ(own.own, (GenerationIds{kA, 0, {kB, kC}}));
    const Comparison lost =
        compare(side({kB, kA + kUuidSyncOffset, {kA, kD}}), side({kA, 0, {}}), false, true);
    EXPECT_TRUE(lost.own_corrected);
    EXPECT_EQ(lost.own, (GenerationIds{kB, kA, {kD, kD}}));
    const Comparison older =
        compare(side({kB, kA + kUuidSyncOffset, {kC, kD}}), side({kA, 0, {}}), false, true);
    EXPECT_TRUE(older.own_corrected);
    EXPECT_EQ(older.own, (GenerationIds{kB, kA, {kC, kD}}));
}

struct CrashRow {
    bool own_crashed;
    bool peer_crashed;
    Role own;
    Role peer;
    bool resolve;
    CompareResult result;
    int rule;
};

TEST(Compare, ACrashedPrimaryIsTheSource) {
    const CrashRow rows[] = {
        {true, false, Role::Secondary, Role::Secondary, false, CompareResult::Source, 40},
        {false, true, Role::Secondary, Role::Secondary, false, CompareResult::Target, 40},
        {true, true, Role::Secondary, Role::Secondary, true, CompareResult::Target, 40},
        {true, true, Role::Secondary, Role::Secondary, false, CompareResult::Source, 40},
        {true, false, Role::Secondary, Role::Primary, false, CompareResult::Target, 41},
        {false, true, Role::Primary, Role::Secondary, false, CompareResult::Source, 41},
        {true, false, Role::Primary, Role::Primary, false, CompareResult::SplitBrain, 41},
    };
    for (const CrashRow& row : rows) {
        SyncSide own = side({kA, 0, {}});
        SyncSide peer = own;
        own.crashed_primary = row.own_crashed;
        peer.crashed_primary = row.peer_crashed;
        own.role = row.own;
        peer.role = row.peer;
        const Comparison c = compare(own, peer, row.resolve, true);
        EXPECT_EQ(c.result, row.result) << row.rule;
        EXPECT_EQ(c.rule, row.rule);
    }
    SyncSide own = side({kA, 0, {}});
    own.crashed_primary = true;
    own.role = Role::Primary;
    EXPECT_EQ(compare(own, side({kA, 0, {}}), false, false).result, CompareResult::RefuseTooOld);
}

TEST(DecideSync, AnInconsistentDiskBecomesTarget) {
    SyncSide own = side({kA, 0, {}});
    SyncSide peer = own;
    peer.disk = DiskState::Inconsistent;
    EXPECT_EQ(decide_sync(own, peer, {}).conn, ConnState::WFBitMapS);
    EXPECT_EQ(decide_sync(peer, own, {}).conn, ConnState::WFBitMapT);
}

TEST(DecideSync, FullSyncSetsAllBits) {
    const SyncDecision d = decide_sync(side({kA, 4, {}}), side({4, 0, {}}), {});
    EXPECT_EQ(d.conn, ConnState::WFBitMapS);
    EXPECT_TRUE(d.full);
}

TEST(DecideSync, SplitBrainIsRefusedWithTheOriginalsWords) {
    const SyncDecision d = decide_sync(side({kB, kA, {}}), side({kC, kA, {}}), {});
    EXPECT_TRUE(d.refused);
    EXPECT_EQ(d.log.back().text, "Split-Brain detected but unresolved, dropping connection!");
    EXPECT_EQ(d.handlers, (std::vector<std::string>{"initial-split-brain", "split-brain"}));
}

TEST(DecideSync, DiscardMyDataMakesUsTheTarget) {
    SyncSide own = side({kB, kA, {}});
    const SyncSide peer = side({kC, kA, {}});
    own.discard_my_data = true;
    EXPECT_EQ(decide_sync(own, peer, {}).conn, ConnState::WFBitMapT);
    EXPECT_EQ(decide_sync(peer, own, {}).conn, ConnState::WFBitMapS);
}

struct PolicyRow {
    AfterSplitBrain policy;
    std::uint64_t own_bits;
    std::uint64_t peer_bits;
    bool own_was_primary;
    bool peer_was_primary;
    ConnState conn;  // StandAlone: refused
};

TEST(DecideSync, PoliciesWithoutAPrimary) {
    const PolicyRow rows[] = {
        {AfterSplitBrain::Disconnect, 0, 5, false, false, ConnState::StandAlone},
        {AfterSplitBrain::DiscardYoungerPrimary, 5, 5, false, true, ConnState::WFBitMapT},
        {AfterSplitBrain::DiscardYoungerPrimary, 5, 5, true, false, ConnState::WFBitMapS},
        {AfterSplitBrain::DiscardOlderPrimary, 5, 5, true, false, ConnState::WFBitMapT},
        {AfterSplitBrain::DiscardOlderPrimary, 5, 5, false, true, ConnState::WFBitMapS},
        {AfterSplitBrain::DiscardZeroChanges, 0, 5, true, true, ConnState::WFBitMapT},
        {AfterSplitBrain::DiscardZeroChanges, 5, 0, true, true, ConnState::WFBitMapS},
        {AfterSplitBrain::DiscardZeroChanges, 5, 6, true, true, ConnState::StandAlone},
        {AfterSplitBrain::DiscardLeastChanges, 5, 6, true, true, ConnState::WFBitMapT},
        {AfterSplitBrain::DiscardLeastChanges, 6, 5, true, true, ConnState::WFBitMapS},
        {AfterSplitBrain::DiscardLocal, 6, 5, true, true, ConnState::WFBitMapT},
        {AfterSplitBrain::DiscardRemote, 5, 6, true, true, ConnState::WFBitMapS},
    };
    for (const PolicyRow& row : rows) {
        SyncSide own = side({kB, kA | (row.own_was_primary ? 1u : 0u), {}});
        SyncSide peer = side({kC, kA | (row.peer_was_primary ? 1u : 0u), {}});
        own.dirty_bits = row.own_bits;
        peer.dirty_bits = row.peer_bits;
        SyncPolicy policy;
        policy.after_sb_0p = row.policy;
        const SyncDecision d = decide_sync(own, peer, policy);
        EXPECT_EQ(d.refused, row.conn == ConnState::StandAlone) << static_cast<int>(row.policy);
        if (!d.refused) {
            EXPECT_EQ(d.conn, row.conn) << static_cast<int>(row.policy);
        }
    }
}

TEST(DecideSync, DiscardSecondaryWithOnePrimary) {
    SyncSide own = side({kB, kA, {}});
    const SyncSide peer = side({kC, kA, {}});
    own.role = Role::Primary;
    SyncPolicy policy;
    policy.after_sb_1p = AfterSplitBrain::DiscardSecondary;
    EXPECT_EQ(decide_sync(own, peer, policy).conn, ConnState::WFBitMapS);
    EXPECT_EQ(decide_sync(peer, own, policy).conn, ConnState::WFBitMapT);
}

TEST(DecideSync, APrimaryDoesNotGiveUpItsData) {
    SyncSide own = side({kA, 0, {}});
    own.role = Role::Primary;
    const SyncDecision d = decide_sync(own, side({kB, kA, {}}), {});
    EXPECT_TRUE(d.refused);
    EXPECT_EQ(d.log.back().text, "I shall become SyncTarget, but I am primary!");
}

TEST(GenerationIds, RotateAsTheSpecificationSays) {
    GenerationIds ids{kA, kB, {kC, kD}};
    ids.rotate_bitmap(kE);
    EXPECT_EQ(ids, (GenerationIds{kA, kE, {kB, kC}}));
    ids.clear_bitmap();
    EXPECT_EQ(ids, (GenerationIds{kA, 0, {kE, kB}}));
    ids.clear_bitmap();
    EXPECT_EQ(ids, (GenerationIds{kA, 0, {kE, kB}}));
}

// Seed sim_random 7005730: a resync that was repeated put its identifier twice into the history and
// pushed out the one that the peer had in common with it.
TEST(GenerationIds, NoIdentifierStandsTwiceInTheHistory) {
    GenerationIds ids{0x3006, 0x5EEE, {0x5EEE, 0x5EED}};
    ids.clear_bitmap();
    EXPECT_EQ(ids.history, (std::array<std::uint64_t, 2>{0x5EEE, 0x5EED}));
    ids.push_history(0x5EEE | kUuidPrimaryBit);
    EXPECT_EQ(ids.history[1], 0x5EEDu);
}

TEST(GenerationIds, AnyCommonIdentifierMakesItASplitBrain) {
    SyncSide own;
    own.ids = {0x3006, 0x5EED0, {0x5EEE0, 0x5EEE2}};
    SyncSide peer;
    peer.ids = {0xDA320, 0x5EEE0, {0x11110, 0x22220}};
    EXPECT_EQ(compare(own, peer, true, true).result, CompareResult::SplitBrain);
    EXPECT_EQ(compare(peer, own, false, true).result, CompareResult::SplitBrain);
    peer.ids.bitmap = 0x33330;
    EXPECT_EQ(compare(own, peer, true, true).result, CompareResult::Unrelated);
    own.ids.bitmap = peer.ids.bitmap = 0;  // nothing is no identifier
    EXPECT_EQ(compare(own, peer, true, true).result, CompareResult::Unrelated);
}

}  // namespace
}  // namespace engine
