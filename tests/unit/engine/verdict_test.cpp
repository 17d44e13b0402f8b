// Wire specification, section 4.5, steps 5 to 9: one test for each row of what a P_STATE may mean.
// The comparison of identifiers (5.3 to 5.5) has its own table in generation_ids_test.cpp.
#include "drbdd/engine/rules/verdict.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

constexpr std::uint64_t kA = 0xA0A0A0A0A0A0A0A0;
constexpr std::uint64_t kB = 0xB0B0B0B0B0B0B0B0;
constexpr std::uint64_t kC = 0xC0C0C0C0C0C0C0C0;
constexpr std::uint64_t kD = 0xD0D0D0D0D0D0D0D0;

// Two Secondaries of one generation, ours in the handshake; a test changes what it is about.
struct Pair {
    OwnSide own;
    ToldSide told;
    SyncPolicy policy;
    Fencing fencing = Fencing::DontCare;

    Pair() {
        own.state.conn = ConnState::WFReportParams;
        own.state.disk = DiskState::UpToDate;
        own.data.ids = {kA, 0, {}};
        own.data.disk = DiskState::UpToDate;
        told.state.role = Role::Secondary;
        told.state.conn = ConnState::WFConnection;
        told.state.disk = told.disk = DiskState::UpToDate;
        told.data.emplace();
        told.data->ids = {kA, 0, {}};
    }

    void connected() {
        own.state.conn = told.state.conn = ConnState::Connected;
        own.state.peer = told.state.role;
        own.state.pdsk = told.disk;
    }

    void own_disk(DiskState disk) { own.state.disk = own.data.disk = disk; }

    void peer_disk(DiskState disk) { told.state.disk = told.disk = disk; }

    void own_attaches(DiskState would_be) {
        own.state.disk = DiskState::Negotiating;
        own.data.disk = would_be;
        own.data.attaching = true;
    }

    // It is Consistent, as far as its identifiers say (step 1).
    void peer_attaches() {
        told.state.disk = DiskState::Negotiating;
        told.disk = DiskState::Consistent;
        own.state.pdsk = DiskState::Diskless;
    }

    Verdict judged() const { return judge(own, told, policy, fencing); }
};

void expect_refused(const Verdict& verdict, base::ErrorCode code, const std::string& words) {
    ASSERT_TRUE(verdict.refused.has_value());
    EXPECT_EQ(verdict.refused->code, code);
    EXPECT_NE(verdict.refused->text.find(words), std::string::npos) << verdict.refused->text;
}

// --- Step 5 ---

TEST(Verdict, TheHandshakeEndsConnected) {
    const Verdict verdict = Pair().judged();
    EXPECT_FALSE(verdict.refused);
    EXPECT_EQ(verdict.next.conn, ConnState::Connected);
    EXPECT_EQ(verdict.next.peer, Role::Secondary);
    EXPECT_EQ(verdict.next.pdsk, DiskState::UpToDate);
    EXPECT_EQ(verdict.answer, Verdict::Answer::State);
    EXPECT_FALSE(verdict.tell_ids_first);
    EXPECT_FALSE(verdict.tell_state_first);
}

TEST(Verdict, WhoseSourceIsAheadIsBehind) {
    Pair pair;
    pair.connected();
    pair.told.state.conn = ConnState::Ahead;
    EXPECT_EQ(pair.judged().next.conn, ConnState::Behind);
}

TEST(Verdict, APauseOfThePeersIsOurs) {
    Pair pair;
    pair.told.state.user_isp = true;
    EXPECT_TRUE(pair.judged().next.peer_isp);
    pair.told.state.user_isp = false;
    pair.told.state.aftr_isp = true;
    EXPECT_TRUE(pair.judged().next.peer_isp);
}

// --- Step 6: when it is decided ---

TEST(Verdict, AFreshConnectionIsDecided) {
    Pair pair;
    pair.told.data->ids = {kB, kA, {}};
    const Verdict target = pair.judged();
    ASSERT_TRUE(target.decision);
    EXPECT_EQ(target.next.conn, ConnState::WFBitMapT);
    EXPECT_EQ(target.next.disk, DiskState::Outdated);
    EXPECT_EQ(target.answer, Verdict::Answer::State);
    std::swap(pair.own.data.ids, pair.told.data->ids);
    const Verdict source = pair.judged();
    EXPECT_EQ(source.next.conn, ConnState::WFBitMapS);
    EXPECT_EQ(source.next.disk, DiskState::UpToDate);
    EXPECT_EQ(source.next.pdsk, DiskState::Consistent);
}

TEST(Verdict, NothingIsDecidedWithoutTwoDisksAndIdentifiers) {
    Pair pair;
    pair.told.data.reset();
    EXPECT_FALSE(pair.judged().decision);
    EXPECT_EQ(pair.judged().next.conn, ConnState::Connected);
    pair = Pair();
    pair.peer_disk(DiskState::Diskless);
    EXPECT_FALSE(pair.judged().decision);
    pair = Pair();
    pair.own_disk(DiskState::Diskless);
    EXPECT_FALSE(pair.judged().decision);
}

TEST(Verdict, AConnectedPairIsNotDecidedAgain) {
    Pair pair;
    pair.connected();
    const Verdict verdict = pair.judged();
    EXPECT_FALSE(verdict.decision);
    EXPECT_EQ(verdict.next, pair.own.state);
    EXPECT_EQ(verdict.answer, Verdict::Answer::None);
}

TEST(Verdict, APeerThatHasBegunToPrepareAResyncIsFollowed) {
    for (const ConnState conn :
         {ConnState::StartingSyncS, ConnState::StartingSyncT, ConnState::WFBitMapS}) {
        Pair pair;
        pair.connected();
        pair.told.state.conn = conn;
        pair.own.data.ids = {kB, kA, {}};
        const Verdict verdict = pair.judged();
        ASSERT_TRUE(verdict.decision) << name(conn);
        EXPECT_EQ(verdict.next.conn, ConnState::WFBitMapS);
        EXPECT_EQ(verdict.answer, Verdict::Answer::None) << "it has decided already";
    }
}

TEST(Verdict, AForcedPeersDataCountAndItIsToldToDecideAsWell) {
    Pair pair;
    pair.connected();
    pair.own_disk(DiskState::Inconsistent);
    pair.told.state.role = Role::Primary;
    pair.own.consider_resync = true;
    const Verdict verdict = pair.judged();
    ASSERT_TRUE(verdict.decision);
    EXPECT_EQ(verdict.next.conn, ConnState::WFBitMapT);
    EXPECT_EQ(verdict.answer, Verdict::Answer::IdsAndState);
}

// It was asked to copy everything before we heard that it was forced: that settles the same.
TEST(Verdict, AResyncThatBeginsOnRequestIsNotDecidedOnOnceMore) {
    Pair pair;
    pair.connected();
    pair.own_disk(DiskState::Inconsistent);
    pair.own.state.conn = ConnState::StartingSyncT;
    pair.told.state.role = Role::Primary;
    pair.own.consider_resync = true;
    const Verdict verdict = pair.judged();
    EXPECT_FALSE(verdict.decision);
    EXPECT_EQ(verdict.next.conn, ConnState::StartingSyncT);
}

// --- Attaching while connected ---

TEST(Verdict, AnAttachedDiskBecomesWhatItWouldBe) {
    Pair pair;
    pair.connected();
    pair.own_attaches(DiskState::UpToDate);
    EXPECT_EQ(pair.judged().next.disk, DiskState::UpToDate);
    EXPECT_EQ(pair.judged().next.conn, ConnState::Connected);
}

TEST(Verdict, AnAttachWaitsForTheIdentifiersThatThePeerAnswersWith) {
    Pair pair;
    pair.connected();
    pair.own_attaches(DiskState::UpToDate);
    pair.own.ids_awaited = true;
    const Verdict verdict = pair.judged();
    EXPECT_FALSE(verdict.decision);
    EXPECT_EQ(verdict.next.disk, DiskState::Negotiating);
}

TEST(Verdict, AnAttachOfStrangeDataIsGivenUpHere) {
    Pair pair;
    pair.connected();
    pair.own_attaches(DiskState::UpToDate);
    pair.own.data.ids = {kB, kC, {kD, kD}};
    const Verdict verdict = pair.judged();
    EXPECT_TRUE(verdict.attach_aborted);
    EXPECT_FALSE(verdict.refused);
    EXPECT_TRUE(verdict.decision->refused);
}

TEST(Verdict, AnAttachOfStrangeDataIsGivenUpThere) {
    Pair pair;
    pair.connected();
    pair.peer_attaches();
    pair.told.data->ids = {kB, kC, {kD, kD}};
    const Verdict verdict = pair.judged();
    EXPECT_TRUE(verdict.tell_ids_first);
    EXPECT_TRUE(verdict.tell_state_first);
    EXPECT_FALSE(verdict.refused);
    EXPECT_EQ(verdict.next.pdsk, DiskState::Diskless);
    EXPECT_EQ(verdict.next.conn, ConnState::Connected);
}

TEST(Verdict, AnAttachingPeerIsToldOurIdentifiersBeforeAndOurStateAfter) {
    Pair pair;
    pair.connected();
    pair.peer_attaches();
    pair.own.data.ids = {kB, kA, {}};
    const Verdict verdict = pair.judged();
    EXPECT_TRUE(verdict.tell_ids_first);
    EXPECT_EQ(verdict.next.conn, ConnState::WFBitMapS);
    EXPECT_EQ(verdict.answer, Verdict::Answer::State);
}

TEST(Verdict, ADiskThatComesBackUnaskedEndsTheConnection) {
    Pair pair;
    pair.connected();
    pair.own.state.pdsk = DiskState::Failed;
    expect_refused(pair.judged(), base::ErrorCode::Busy, "has come back unasked");
}

// --- What the disks allow ---

TEST(Verdict, UnrelatedDataAndSplitBrainsAreRefused) {
    Pair pair;
    pair.own.data.ids = {kB, kC, {kD, kD}};
    expect_refused(pair.judged(), base::ErrorCode::State, "Unrelated data");
    pair.own.data.ids = {kB, kA, {}};
    pair.told.data->ids = {kC, kA, {}};
    const Verdict verdict = pair.judged();
    expect_refused(verdict,
                   base::ErrorCode::State,
                   "Split-Brain detected but unresolved, dropping connection!");
    expect_refused(verdict, base::ErrorCode::State, "This node (Secondary, UpToDate) has changed");
    expect_refused(verdict, base::ErrorCode::State, "'drbdadm connect --discard-my-data RES'");
    EXPECT_EQ(verdict.decision->handlers.back(), "split-brain");
}

TEST(Verdict, APrimaryWithoutADiskTakesOnlyTheDataThatItHasShown) {
    Pair pair;
    pair.own_disk(DiskState::Diskless);
    pair.own.state.role = Role::Primary;
    pair.own.exposed_uuid = kB;
    EXPECT_FALSE(pair.judged().refused);
    pair.own.peer_has_other_data = true;
    expect_refused(
        pair.judged(), base::ErrorCode::State, "Can only connect to data with current UUID=B0B0");
    pair.own.peer_has_other_data = false;
    pair.own.peer_lacks_writes = true;
    expect_refused(pair.judged(), base::ErrorCode::State, "lacks writes");
    pair.own.state.role = Role::Secondary;
    EXPECT_FALSE(pair.judged().refused) << "nobody has seen anything";
}

TEST(Verdict, ABadDiskIsNotOverwrittenByWhatLacksWrites) {
    Pair pair;
    pair.own_disk(DiskState::Inconsistent);
    pair.own.state.role = Role::Primary;
    EXPECT_FALSE(pair.judged().refused);
    pair.own.peer_lacks_writes = true;
    const Verdict verdict = pair.judged();
    expect_refused(verdict, base::ErrorCode::State, "lacks writes");
    EXPECT_FALSE(verdict.decision) << "nothing is done to the bitmap";
    pair.own.state.role = Role::Secondary;
    EXPECT_FALSE(pair.judged().refused);
}

TEST(Verdict, ADiskThatThePeerAttachesIsNotUsedByAPrimaryThatHasShownOtherData) {
    Pair pair;
    pair.connected();
    pair.own_disk(DiskState::Diskless);
    pair.own.state.role = Role::Primary;
    pair.own.state.pdsk = DiskState::Diskless;
    pair.own.exposed_uuid = kB;
    pair.own.peer_has_other_data = true;
    const Verdict verdict = pair.judged();
    EXPECT_FALSE(verdict.refused);
    EXPECT_NE(verdict.warning.find("is not used"), std::string::npos);
    EXPECT_EQ(verdict.next.pdsk, DiskState::Diskless);
}

TEST(Verdict, AnOutdatedDiskWaitsForThePeersDisk) {
    Pair pair;
    pair.own_disk(DiskState::Outdated);
    pair.peer_disk(DiskState::Diskless);
    expect_refused(pair.judged(), base::ErrorCode::Busy, "waiting for its disk");
}

TEST(Verdict, ConsistentDataAreVouchedForByAPrimaryThatUsedThem) {
    Pair pair;
    pair.connected();
    pair.own_disk(DiskState::Consistent);
    pair.peer_disk(DiskState::Diskless);
    pair.own.state.pdsk = DiskState::Diskless;
    pair.told.state.pdsk = DiskState::UpToDate;
    EXPECT_EQ(pair.judged().next.disk, DiskState::Consistent) << "by a Secondary";
    pair.told.state.role = Role::Primary;
    EXPECT_EQ(pair.judged().next.disk, DiskState::UpToDate);
}

TEST(Verdict, TwoPrimariesDoNotConnect) {
    Pair pair;
    pair.own.state.role = pair.told.state.role = Role::Primary;
    expect_refused(pair.judged(), base::ErrorCode::State, "Multiple primaries");
}

}  // namespace
}  // namespace engine
