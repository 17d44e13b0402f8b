// State words, names, the rules of wire specification 4.4 and the conversion of a peer's request.
#include "drbdd/engine/rules/state.h"

#include "drbdd/engine/rules/state_rules.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace engine {
namespace {

VolumeState connected() {
    return {Role::Secondary,
            Role::Secondary,
            ConnState::Connected,
            DiskState::UpToDate,
            DiskState::UpToDate};
}

TEST(StateWord, IsTheOneOfTheCaptures) {
    const VolumeState fresh{Role::Secondary,
                            Role::Unknown,
                            ConnState::WFConnection,
                            DiskState::UpToDate,
                            DiskState::DUnknown};
    EXPECT_EQ(to_wire(fresh), 0x0000d082u);
    const VolumeState source{Role::Primary,
                             Role::Secondary,
                             ConnState::WFBitMapS,
                             DiskState::UpToDate,
                             DiskState::Inconsistent};
    EXPECT_EQ(to_wire(source), 0x000090d9u);
    EXPECT_EQ(from_wire(0x000090d9u), source);
    EXPECT_EQ(from_wire(0x000110a6u).conn, ConnState::Connected);
}

TEST(StateWord, AnyWordDecodesToKnownValues) {
    for (std::uint32_t word = 0; word < 1u << 17; word += 37) {
        const VolumeState s = from_wire(word);
        EXPECT_STRNE(name(s.conn), nullptr);
        EXPECT_STRNE(name(s.disk), nullptr);
        EXPECT_STRNE(name(s.pdsk), nullptr);
    }
}

TEST(StateChange, IsDescribedAsDrbdLogsIt) {
    VolumeState to = connected();
    to.conn = ConnState::NetworkFailure;
    to.peer = Role::Unknown;
    to.pdsk = DiskState::DUnknown;
    EXPECT_EQ(describe_change(connected(), to),
              "peer( Secondary -> Unknown ) conn( Connected -> NetworkFailure ) pdsk( UpToDate -> "
              "DUnknown ) ");
}

TEST(Sanitise, ALostConnectionForgetsThePeer) {
    VolumeState s = connected();
    s.conn = ConnState::NetworkFailure;
    s = sanitise(s);
    EXPECT_EQ(s.peer, Role::Unknown);
    EXPECT_EQ(s.pdsk, DiskState::DUnknown);
    s.pdsk = DiskState::Outdated;
    EXPECT_EQ(sanitise(s).pdsk, DiskState::Outdated);
}

TEST(Sanitise, ConnectedMakesConsistentDataUpToDate) {
    VolumeState s = connected();
    s.disk = DiskState::Consistent;
    s.pdsk = DiskState::Outdated;
    s = sanitise(s);
    EXPECT_EQ(s.disk, DiskState::UpToDate);
    EXPECT_EQ(s.pdsk, DiskState::UpToDate);
}

TEST(Sanitise, ATargetIsOutdatedAndThenInconsistent) {
    VolumeState s = connected();
    s.conn = ConnState::WFBitMapT;
    EXPECT_EQ(sanitise(s).disk, DiskState::Outdated);
    s.conn = ConnState::SyncTarget;
    EXPECT_EQ(sanitise(s).disk, DiskState::Inconsistent);
    EXPECT_EQ(sanitise(s).pdsk, DiskState::UpToDate);
}

TEST(Sanitise, AFailedDiskEndsTheResync) {
    VolumeState s = connected();
    s.conn = ConnState::SyncTarget;
    s.disk = DiskState::Failed;
    EXPECT_EQ(sanitise(s).conn, ConnState::Connected);
}

TEST(Sanitise, PauseFlagsPauseAndResume) {
    VolumeState s = connected();
    s.conn = ConnState::SyncSource;
    s.peer_isp = true;
    EXPECT_EQ(sanitise(s).conn, ConnState::PausedSyncS);
    s = sanitise(s);
    s.peer_isp = false;
    EXPECT_EQ(sanitise(s).conn, ConnState::SyncSource);
}

TEST(CheckChange, OnePrimaryOnly) {
    VolumeState from = connected();
    from.peer = Role::Primary;
    VolumeState to = from;
    to.role = Role::Primary;
    EXPECT_EQ(check_change(from, to, false), StateCode::TwoPrimaries);
}

TEST(CheckChange, APrimaryNeedsGoodData) {
    VolumeState from = connected();
    from.conn = ConnState::StandAlone;
    from.peer = Role::Unknown;
    from.pdsk = DiskState::DUnknown;
    VolumeState to = from;
    to.role = Role::Primary;
    EXPECT_EQ(check_change(from, to, false), StateCode::Success);
    from.disk = to.disk = DiskState::Inconsistent;
    EXPECT_EQ(check_change(from, to, false), StateCode::NoUpToDateDisk);
}

TEST(CheckChange, NothingMovesDuringTheHandshake) {
    VolumeState to = connected();
    to.role = Role::Primary;
    EXPECT_EQ(check_change(connected(), to, true), StateCode::InTransientState);
    EXPECT_EQ(check_change(connected(), connected(), false), StateCode::NothingToDo);
}

TEST(CheckChange, TheLastGoodCopyIsNotDetached) {
    VolumeState from = connected();
    from.role = Role::Primary;
    from.pdsk = DiskState::Inconsistent;
    VolumeState to = from;
    to.disk = DiskState::Failed;
    EXPECT_EQ(check_change(from, sanitise(to), false), StateCode::NoUpToDateDisk);
}

TEST(PeerRequest, IsSeenFromTheOtherSide) {
    EXPECT_EQ(apply_peer_request(connected(), 0x3, 0x1).peer, Role::Primary);
    EXPECT_EQ(apply_peer_request(connected(), 0x1f0, 0x0c0).conn, ConnState::StartingSyncS);
    EXPECT_EQ(apply_peer_request(connected(), 0x1f0, 0x0b0).conn, ConnState::StartingSyncT);
    EXPECT_EQ(apply_peer_request(connected(), 0x1f0, 0x010).conn, ConnState::TearDown);
    const VolumeState forced = apply_peer_request(connected(), 0x1e03, 0x1001);
    EXPECT_EQ(forced.peer, Role::Primary);
    EXPECT_EQ(forced.pdsk, DiskState::UpToDate);
    EXPECT_EQ(apply_peer_request(connected(), 0x1e00, 0x400).pdsk, DiskState::Failed);
    EXPECT_EQ(apply_peer_request(connected(), 0x1ff0, 0x0a10).pdsk, DiskState::Outdated);
}

VolumeState verifies(const VolumeState& from) {
    VolumeState s = from;
    s.conn = ConnState::VerifyS;
    return s;
}

// Bad data are never made good by comparing them.
TEST(Sanitise, AVerifyEndsWithGoodData) {
    EXPECT_EQ(sanitise(verifies(connected())).conn, ConnState::VerifyS);
    for (const DiskState disk : {DiskState::Diskless, DiskState::Failed, DiskState::Inconsistent}) {
        VolumeState s = verifies(connected());
        s.disk = disk;
        EXPECT_EQ(sanitise(s).conn, ConnState::Connected);
        EXPECT_EQ(sanitise(s).disk, disk);
        s = verifies(connected());
        s.pdsk = disk;
        EXPECT_EQ(sanitise(s).conn, ConnState::Connected);
        EXPECT_EQ(sanitise(s).pdsk, disk);
    }
}

TEST(CheckChange, AVerifyNeedsAnAlgorithmAConnectionAndPeace) {
    const StatePolicy with(Fencing::DontCare, true);
    const VolumeState from = connected();
    EXPECT_EQ(check_change(from, verifies(from), false), StateCode::NoVerifyAlg);
    EXPECT_EQ(check_change(from, verifies(from), false, with), StateCode::Success);
    EXPECT_EQ(check_change(from, verifies(from), true, with), StateCode::InTransientState);
    VolumeState other = from;
    other.pdsk = DiskState::Inconsistent;
    EXPECT_EQ(check_change(other, verifies(other), false, with), StateCode::NoUpToDateDisk);
    other.pdsk = DiskState::Diskless;
    EXPECT_EQ(check_change(other, verifies(other), false, with), StateCode::NoRemoteDisk);
    other = verifies(from);
    other.conn = ConnState::VerifyT;
    EXPECT_EQ(check_change(other, verifies(from), false, with), StateCode::ResyncRunning);
    VolumeState sync = verifies(from);
    sync.conn = ConnState::StartingSyncS;
    EXPECT_EQ(check_change(verifies(from), sync, false, with), StateCode::ResyncRunning);
    const auto asked = [&](const VolumeState& own) {
        return check_peer_request(own, apply_peer_request(own, 0x1f0, 0x120), false, with);
    };
    EXPECT_EQ(asked(from), StateCode::Success);
    EXPECT_EQ(asked(verifies(from)), StateCode::ResyncRunning);
    other = from;
    other.disk = other.pdsk = DiskState::Inconsistent;
    EXPECT_EQ(asked(other), StateCode::NoUpToDateDisk);
}

// Otherwise the peer counts on what never comes: it waits for a verify, or takes our data for
// Outdated while they are not.
TEST(StateRules, NobodyIsPromisedWhatTheRulesTakeBack) {
    const auto asked = [](const VolumeState& own, std::uint32_t mask, std::uint32_t value) {
        return check_peer_request(
            own, apply_peer_request(own, mask, value), false, Fencing::DontCare);
    };
    VolumeState diskless = connected();
    diskless.disk = DiskState::Diskless;
    VolumeState to_diskless = connected();
    to_diskless.pdsk = DiskState::Diskless;
    for (const std::uint32_t conn : {0x120u, 0x0c0u, 0x0b0u}) {  // verify, a full resync either way
        EXPECT_EQ(asked(diskless, 0x1f0, conn), StateCode::NoLocalDisk) << conn;
        EXPECT_EQ(asked(to_diskless, 0x1f0, conn), StateCode::NoRemoteDisk) << conn;
    }
    EXPECT_EQ(asked(connected(), 0x1f0, 0x120), StateCode::NoVerifyAlg);
    EXPECT_EQ(asked(connected(), 15u << 13, 5u << 13), StateCode::ConnectedOutdates);
    EXPECT_EQ(asked(connected(), 15u << 9, 5u << 9), StateCode::ConnectedOutdates);
    EXPECT_EQ(asked(to_diskless, 15u << 9, 5u << 9), StateCode::ConnectedOutdates);
    VolumeState target = connected();
    target.conn = ConnState::SyncTarget;
    target.disk = DiskState::Inconsistent;
    EXPECT_EQ(asked(target, 15u << 13, 5u << 13), StateCode::LowerThanOutdated);
    VolumeState handshake = connected();
    handshake.conn = ConnState::WFReportParams;
    handshake.peer = Role::Unknown;
    EXPECT_EQ(asked(handshake, 0x3, 0x1), StateCode::InTransientState);
    // With the end of the connection it comes true, on both sides.
    EXPECT_EQ(asked(connected(), 0x1f0 | 15u << 13, 0x010 | 5u << 13), StateCode::Success);
    EXPECT_EQ(asked(connected(), 0x1ff0, 0x0a10), StateCode::Success);
    // What has an effect, or is so already.
    EXPECT_EQ(asked(connected(), 0x3, 0x1), StateCode::Success);
    EXPECT_EQ(asked(connected(), 0x3, 0x2), StateCode::NothingToDo);
    EXPECT_EQ(asked(connected(), 0x1f0, 0x0c0), StateCode::Success);
    EXPECT_EQ(asked(connected(), 0x1e00, 0x400), StateCode::Success);
    EXPECT_EQ(asked(to_diskless, 0x1e00, 0), StateCode::NothingToDo);
}

// Every value of every field, alone: what a peer may ask of us.
TEST(StateRules, APeerMayAskForItsOwnStateAndForLittleOfOurs) {
    struct Field {
        const char* name;
        unsigned shift;
        std::uint32_t bits;
        std::set<std::uint32_t> allowed;
    };

    const std::vector<Field> fields = {
        {"its role", 0, 3, {1, 2}},
        {"our role", 2, 3, {}},
        {"connection", 4, 31, {1, 11, 12, 18}},  // Disconnecting, StartingSyncS and T, VerifyS
        {"its disk", 9, 15, {0, 1, 2, 3, 4, 5, 7, 8}},
        {"our disk", 13, 15, {5}},  // Outdated
        {"pauses and suspension", 17, 127, {}},
    };
    for (const Field& field : fields) {
        for (std::uint32_t value = 0; value <= field.bits; ++value) {
            EXPECT_EQ(peer_may_ask(field.bits << field.shift, value << field.shift),
                      field.allowed.contains(value))
                << field.name << " " << value;
        }
    }
    EXPECT_FALSE(peer_may_ask(15u << 13, 0));  // once made a Primary diskless
    EXPECT_FALSE(peer_may_ask(1u << 13, 1u << 13));
    EXPECT_TRUE(peer_may_ask(0x1f0 | 0x1e000, 0x010 | 5u << 13));  // part, and be outdated
    EXPECT_TRUE(peer_may_ask(0x1e03, 0x1001));                     // primary --force
}

}  // namespace
}  // namespace engine
