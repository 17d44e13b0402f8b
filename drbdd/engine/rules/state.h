// The state of one volume as DRBD names it, its form on the wire and in the log.
// Wire specification, sections 4.1 to 4.3 and 15.4.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace engine {

enum class Role : std::uint8_t { Unknown = 0, Primary = 1, Secondary = 2 };

// The order is part of the protocol: "conn >= Connected", "conn < Ahead".
enum class ConnState : std::uint8_t {
    StandAlone = 0,
    Disconnecting = 1,
    Unconnected = 2,
    Timeout = 3,
    BrokenPipe = 4,
    NetworkFailure = 5,
    ProtocolError = 6,
    TearDown = 7,
    WFConnection = 8,
    WFReportParams = 9,
    Connected = 10,
    StartingSyncS = 11,
    StartingSyncT = 12,
    WFBitMapS = 13,
    WFBitMapT = 14,
    WFSyncUUID = 15,
    SyncSource = 16,
    SyncTarget = 17,
    VerifyS = 18,
    VerifyT = 19,
    PausedSyncS = 20,
    PausedSyncT = 21,
    Ahead = 22,
    Behind = 23,
};

enum class DiskState : std::uint8_t {
    Diskless = 0,
    Attaching = 1,
    Failed = 2,
    Negotiating = 3,
    Inconsistent = 4,
    Outdated = 5,
    DUnknown = 6,  // of the peer only
    Consistent = 7,
    UpToDate = 8,
};

inline bool verifying(ConnState conn) {
    return conn == ConnState::VerifyS || conn == ConnState::VerifyT;
}

const char* name(Role role);
const char* name(ConnState conn);
const char* name(DiskState disk);

// One volume, from this node's point of view. Values outside the enumerations never occur: decoding
// a word of the peer's maps them to the nearest harmless value.
struct VolumeState {
    Role role = Role::Secondary;
    Role peer = Role::Unknown;
    ConnState conn = ConnState::StandAlone;
    DiskState disk = DiskState::Diskless;
    DiskState pdsk = DiskState::DUnknown;
    // Applications wait: their administrator wants it, no good data are at hand, or nobody knows
    // yet what a lost peer does.
    bool susp = false;
    bool susp_nod = false;
    bool susp_fen = false;
    bool aftr_isp = false;
    bool peer_isp = false;
    bool user_isp = false;

    bool operator==(const VolumeState&) const = default;

    bool frozen() const { return susp || susp_nod || susp_fen; }

    bool syncing() const {  // a resync is under way or paused
        return conn == ConnState::SyncSource || conn == ConnState::SyncTarget ||
               conn == ConnState::PausedSyncS || conn == ConnState::PausedSyncT;
    }
};

std::uint32_t to_wire(const VolumeState& state);
VolumeState from_wire(std::uint32_t word);

// "role( Secondary -> Primary ) disk( ... ) ": the changed fields in DRBD's order, empty if none.
std::string describe_change(const VolumeState& from, const VolumeState& to);

// Return codes of state changes, section 4.4; also what travels in P_STATE_CHG_REPLY.
enum class StateCode : int {
    NothingToDo = 2,
    Success = 1,
    UnknownError = 0,
    TwoPrimaries = -1,
    NoUpToDateDisk = -2,
    NoLocalDisk = -4,
    NoRemoteDisk = -5,
    ConnectedOutdates = -6,
    PrimaryNop = -7,
    ResyncRunning = -8,
    AlreadyStandalone = -9,
    CwFailedByPeer = -10,
    IsDiskless = -11,
    DeviceInUse = -12,
    NoNetConfig = -13,
    NoVerifyAlg = -14,
    NeedConnection = -15,
    LowerThanOutdated = -16,
    NotSupported = -17,
    InTransientState = -18,
    ConcurrentStChg = -19,
    OVolPeerPri = -20,
    OutdateWoConn = -21,
};

inline bool succeeded(StateCode code) {
    return static_cast<int>(code) >= static_cast<int>(StateCode::Success);
}

// The original's words, for example "Need access to UpToDate data".
const char* text(StateCode code);

}  // namespace engine
