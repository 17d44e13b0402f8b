#include "drbdd/engine/rules/state.h"

#include "base/log.h"

#include <array>

namespace engine {

namespace {

constexpr std::array<const char*, 24> kConnNames = {
    "StandAlone",     "Disconnecting", "Unconnected",   "Timeout",      "BrokenPipe",
    "NetworkFailure", "ProtocolError", "TearDown",      "WFConnection", "WFReportParams",
    "Connected",      "StartingSyncS", "StartingSyncT", "WFBitMapS",    "WFBitMapT",
    "WFSyncUUID",     "SyncSource",    "SyncTarget",    "VerifyS",      "VerifyT",
    "PausedSyncS",    "PausedSyncT",   "Ahead",         "Behind"};

constexpr std::array<const char*, 9> kDiskNames = {"Diskless",
                                                   "Attaching",
                                                   "Failed",
                                                   "Negotiating",
                                                   "Inconsistent",
                                                   "Outdated",
                                                   "DUnknown",
                                                   "Consistent",
                                                   "UpToDate"};

Role role_from(std::uint32_t bits) {
    return bits == 1 ? Role::Primary : bits == 2 ? Role::Secondary : Role::Unknown;
}

DiskState disk_from(std::uint32_t bits) {
    return bits < kDiskNames.size() ? static_cast<DiskState>(bits) : DiskState::DUnknown;
}

void field(std::string& line, const char* label, const char* from, const char* to) {
    line += base::format("%s( %s -> %s ) ", label, from, to);
}

void flag(std::string& line, const char* label, bool from, bool to) {
    if (from != to) {
        field(line, label, from ? "1" : "0", to ? "1" : "0");
    }
}

}  // namespace

const char* name(Role role) {
    switch (role) {
        case Role::Primary:
            return "Primary";
        case Role::Secondary:
            return "Secondary";
        case Role::Unknown:
            break;
    }
    return "Unknown";
}

const char* name(ConnState conn) {
    return kConnNames[static_cast<std::size_t>(conn)];
}

const char* name(DiskState disk) {
    return kDiskNames[static_cast<std::size_t>(disk)];
}

std::uint32_t to_wire(const VolumeState& s) {
    return static_cast<std::uint32_t>(s.role) | static_cast<std::uint32_t>(s.peer) << 2 |
           static_cast<std::uint32_t>(s.conn) << 4 | static_cast<std::uint32_t>(s.disk) << 9 |
           static_cast<std::uint32_t>(s.pdsk) << 13 | (s.susp ? 1u << 17 : 0) |
           (s.aftr_isp ? 1u << 18 : 0) | (s.peer_isp ? 1u << 19 : 0) | (s.user_isp ? 1u << 20 : 0) |
           (s.susp_nod ? 1u << 21 : 0) | (s.susp_fen ? 1u << 22 : 0);
}

VolumeState from_wire(std::uint32_t word) {
    VolumeState s;
    s.role = role_from(word & 3);
    s.peer = role_from(word >> 2 & 3);
    const std::uint32_t conn = word >> 4 & 31;
    s.conn = conn < kConnNames.size() ? static_cast<ConnState>(conn) : ConnState::StandAlone;
    s.disk = disk_from(word >> 9 & 15);
    s.pdsk = disk_from(word >> 13 & 15);
    s.susp = (word >> 17 & 1) != 0;
    s.aftr_isp = (word >> 18 & 1) != 0;
    s.peer_isp = (word >> 19 & 1) != 0;
    s.user_isp = (word >> 20 & 1) != 0;
    s.susp_nod = (word >> 21 & 1) != 0;
    s.susp_fen = (word >> 22 & 1) != 0;
    return s;
}

std::string describe_change(const VolumeState& from, const VolumeState& to) {
    std::string line;
    if (from.role != to.role) {
        field(line, "role", name(from.role), name(to.role));
    }
    if (from.peer != to.peer) {
        field(line, "peer", name(from.peer), name(to.peer));
    }
    if (from.conn != to.conn) {
        field(line, "conn", name(from.conn), name(to.conn));
    }
    if (from.disk != to.disk) {
        field(line, "disk", name(from.disk), name(to.disk));
    }
    if (from.pdsk != to.pdsk) {
        field(line, "pdsk", name(from.pdsk), name(to.pdsk));
    }
    flag(line, "susp", from.frozen(), to.frozen());
    flag(line, "aftr_isp", from.aftr_isp, to.aftr_isp);
    flag(line, "peer_isp", from.peer_isp, to.peer_isp);
    flag(line, "user_isp", from.user_isp, to.user_isp);
    return line;
}

const char* text(StateCode code) {
    switch (code) {
        case StateCode::NothingToDo:
            return "No change";
        case StateCode::Success:
            return "Success";
        case StateCode::UnknownError:
            return "Unknown error";
        case StateCode::TwoPrimaries:
            return "Multiple primaries not allowed by config";
        case StateCode::NoUpToDateDisk:
            return "Need access to UpToDate data";
        case StateCode::NoLocalDisk:
            return "Can not resync without local disk";
        case StateCode::NoRemoteDisk:
            return "Can not resync without remote disk";
        case StateCode::ConnectedOutdates:
            return "Refusing to be Outdated while Connected";
        case StateCode::PrimaryNop:
            return "Refusing to be Primary while peer is not outdated";
        case StateCode::ResyncRunning:
            return "Can not start OV/resync since it is already active";
        case StateCode::AlreadyStandalone:
            return "Can not disconnect a StandAlone device";
        case StateCode::CwFailedByPeer:
            return "State change was refused by peer node";
        case StateCode::IsDiskless:
            return "Device is diskless, the requested operation requires a disk";
        case StateCode::DeviceInUse:
            return "Device is held open by someone";
        case StateCode::NoNetConfig:
            return "Have no net/connection configuration";
        case StateCode::NoVerifyAlg:
            return "Need a verify algorithm to start online verify";
        case StateCode::NeedConnection:
            return "Need a connection to start verify or resync";
        case StateCode::LowerThanOutdated:
            return "Disk state is lower than outdated";
        case StateCode::NotSupported:
            return "Peer does not support protocol";
        case StateCode::InTransientState:
            return "In transient state, retry after next state change";
        case StateCode::ConcurrentStChg:
            return "Concurrent state changes detected and aborted";
        case StateCode::OVolPeerPri:
            return "Other vol primary on peer not allowed by config";
        case StateCode::OutdateWoConn:
            return "Need a connection for a graceful disconnect/outdate peer";
    }
    return "Unknown error";
}

}  // namespace engine
