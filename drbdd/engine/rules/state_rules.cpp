#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>

namespace engine {

namespace {

struct Limits {
    DiskState disk_min = DiskState::Diskless;
    DiskState disk_max = DiskState::UpToDate;
    DiskState pdsk_min = DiskState::Diskless;
    DiskState pdsk_max = DiskState::UpToDate;
};

Limits limits(ConnState conn) {
    using enum DiskState;
    switch (conn) {
        case ConnState::WFBitMapT:
        case ConnState::PausedSyncT:
        case ConnState::StartingSyncT:
        case ConnState::WFSyncUUID:
        case ConnState::Behind:
            return {Inconsistent, Outdated, UpToDate, UpToDate};
        case ConnState::VerifyS:
        case ConnState::VerifyT:
            return {UpToDate, UpToDate, UpToDate, UpToDate};
        case ConnState::WFBitMapS:
        case ConnState::PausedSyncS:
        case ConnState::StartingSyncS:
        case ConnState::Ahead:
            return {UpToDate, UpToDate, Inconsistent, Consistent};
        case ConnState::SyncTarget:
            return {Inconsistent, Inconsistent, UpToDate, UpToDate};
        case ConnState::SyncSource:
            return {UpToDate, UpToDate, Inconsistent, Inconsistent};
        case ConnState::Connected:
            return {Diskless, UpToDate, Diskless, UpToDate};
        default:
            return {Diskless, UpToDate, Inconsistent, DUnknown};
    }
}

ConnState pause(ConnState conn, bool paused) {
    switch (conn) {
        case ConnState::SyncSource:
        case ConnState::PausedSyncS:
            return paused ? ConnState::PausedSyncS : ConnState::SyncSource;
        case ConnState::SyncTarget:
        case ConnState::PausedSyncT:
            return paused ? ConnState::PausedSyncT : ConnState::SyncTarget;
        default:
            return conn;
    }
}

bool starting_sync(ConnState conn) {
    return conn == ConnState::StartingSyncS || conn == ConnState::StartingSyncT;
}

bool both_up_to_date(const VolumeState& s) {
    return s.disk == DiskState::UpToDate && s.pdsk == DiskState::UpToDate;
}

void upgrade(DiskState& disk) {
    if (disk == DiskState::Consistent || disk == DiskState::Outdated) {
        disk = DiskState::UpToDate;
    }
}

}  // namespace

VolumeState sanitise(const VolumeState& wanted) {
    VolumeState s = wanted;
    if (s.conn < ConnState::Connected) {
        s.peer = Role::Unknown;
        s.peer_isp = false;
        if (s.pdsk < DiskState::Inconsistent || s.pdsk > DiskState::DUnknown) {
            s.pdsk = DiskState::DUnknown;
        }
    }
    if (s.conn > ConnState::Connected &&
        (s.disk <= DiskState::Failed || s.pdsk <= DiskState::Failed)) {
        s.conn = ConnState::Connected;
    }
    if (s.conn >= ConnState::Connected && s.conn < ConnState::Ahead) {
        // A peer without a disk may have had newer data on it: see judge().
        if (s.disk != DiskState::Consistent || s.pdsk >= DiskState::Negotiating) {
            upgrade(s.disk);
        }
        upgrade(s.pdsk);
    }
    if (verifying(s.conn) && !both_up_to_date(s)) {
        s.conn = ConnState::Connected;
    }
    const Limits l = limits(s.conn);
    s.disk = std::clamp(s.disk, l.disk_min, l.disk_max);
    s.pdsk = std::clamp(s.pdsk, l.pdsk_min, l.pdsk_max);
    s.conn = pause(s.conn, s.aftr_isp || s.peer_isp || s.user_isp);
    return s;
}

VolumeState frozen_where_due(const VolumeState& old, VolumeState next, const FreezePolicy& policy) {
    const auto awaits_verdict = [](const VolumeState& s) {
        return s.role == Role::Primary && s.conn < ConnState::Connected &&
               s.disk == DiskState::UpToDate && s.pdsk > DiskState::Outdated;
    };
    const auto lacks_data = [](const VolumeState& s) {
        return s.role == Role::Primary && s.disk < DiskState::UpToDate &&
               s.pdsk < DiskState::UpToDate;
    };
    if (policy.fencing == Fencing::ResourceAndStonith && awaits_verdict(next)) {
        next.susp_fen = next.susp_fen || !awaits_verdict(old);
    }
    if (policy.on_no_data == OnNoData::SuspendIo && lacks_data(next)) {
        next.susp_nod = next.susp_nod || !lacks_data(old);
    }
    if (next.role != Role::Primary) {
        next.susp_fen = next.susp_nod = false;
    }
    return next;
}

StateCode check_validity(const VolumeState& s, const StatePolicy& policy) {
    const bool primary = s.role == Role::Primary;
    const bool good_data = s.disk == DiskState::UpToDate || s.pdsk == DiskState::UpToDate;
    if (primary && s.peer == Role::Primary) {
        return StateCode::TwoPrimaries;
    }
    if (primary && s.conn < ConnState::Connected && s.disk < DiskState::UpToDate) {
        return StateCode::NoUpToDateDisk;
    }
    if (policy.fencing != Fencing::DontCare && primary && s.conn < ConnState::Connected &&
        s.pdsk >= DiskState::DUnknown) {
        return StateCode::PrimaryNop;
    }
    if (primary && s.disk <= DiskState::Inconsistent && s.pdsk <= DiskState::Inconsistent) {
        return StateCode::NoUpToDateDisk;
    }
    if (s.conn > ConnState::Connected && s.disk < DiskState::Inconsistent) {
        return StateCode::NoLocalDisk;
    }
    if (s.conn > ConnState::Connected && s.pdsk < DiskState::Inconsistent) {
        return StateCode::NoRemoteDisk;
    }
    if (s.conn > ConnState::Connected && !good_data) {
        return StateCode::NoUpToDateDisk;
    }
    if ((s.conn == ConnState::Connected || s.conn == ConnState::WFBitMapS ||
         s.conn == ConnState::SyncSource || s.conn == ConnState::PausedSyncS) &&
        s.disk == DiskState::Outdated) {
        return StateCode::ConnectedOutdates;
    }
    if (verifying(s.conn) && !policy.can_verify) {
        return StateCode::NoVerifyAlg;
    }
    if (verifying(s.conn) && !both_up_to_date(s)) {
        return StateCode::NoUpToDateDisk;
    }
    if (primary && !good_data) {
        return StateCode::NoUpToDateDisk;
    }
    if (starting_sync(s.conn) && s.pdsk == DiskState::DUnknown) {
        return StateCode::NeedConnection;
    }
    if (s.conn >= ConnState::Connected && s.pdsk == DiskState::DUnknown) {
        return StateCode::ConnectedOutdates;
    }
    return StateCode::Success;
}

StateCode check_transition(const VolumeState& from, const VolumeState& to, bool in_handshake) {
    StateCode code = StateCode::Success;
    if (starting_sync(to.conn) && from.conn > ConnState::Connected) {
        code = StateCode::ResyncRunning;
    }
    if (to.conn == ConnState::Disconnecting && from.conn == ConnState::StandAlone) {
        code = StateCode::AlreadyStandalone;
    }
    if (to.disk > DiskState::Attaching && from.disk == DiskState::Diskless) {
        code = StateCode::IsDiskless;
    }
    if (to.conn == ConnState::WFConnection && from.conn < ConnState::Unconnected) {
        code = StateCode::NoNetConfig;
    }
    if (to.disk == DiskState::Outdated && from.disk < DiskState::Outdated &&
        from.disk != DiskState::Attaching) {
        code = StateCode::LowerThanOutdated;
    }
    if (to.conn == ConnState::Disconnecting && from.conn == ConnState::Unconnected) {
        code = StateCode::InTransientState;
    }
    if (in_handshake) {
        code = StateCode::InTransientState;
    }
    if (from.role != Role::Primary && to.role == Role::Primary && to.pdsk == DiskState::UpToDate &&
        to.disk != DiskState::UpToDate && to.disk != DiskState::Diskless &&
        (to.conn <= ConnState::WFSyncUUID || to.conn == ConnState::Behind ||
         to.conn != from.conn)) {
        code = StateCode::InTransientState;
    }
    if (verifying(to.conn) && from.conn < ConnState::Connected) {
        code = StateCode::NeedConnection;
    }
    if (verifying(to.conn) && to.conn != from.conn && from.conn > ConnState::Connected) {
        code = StateCode::ResyncRunning;
    }
    if (starting_sync(to.conn) && from.conn < ConnState::Connected) {
        code = StateCode::NeedConnection;
    }
    return code;
}

StateCode check_change(const VolumeState& from,
                       const VolumeState& to,
                       bool in_handshake,
                       const StatePolicy& policy) {
    if (starting_sync(to.conn) && from.conn > ConnState::Connected) {
        return StateCode::ResyncRunning;  // also one that is just being agreed on
    }
    if (from == to) {
        return StateCode::NothingToDo;
    }
    const StateCode invalid = check_validity(to, policy);
    if (invalid != StateCode::Success && check_validity(from, policy) != invalid) {
        return invalid;
    }
    return check_transition(from, to, in_handshake);
}

bool peer_may_ask(std::uint32_t mask, std::uint32_t value) {
    constexpr std::uint32_t kRole = 3;
    constexpr std::uint32_t kConn = 31u << 4;
    constexpr std::uint32_t kDisk = 15u << 9;
    constexpr std::uint32_t kPeerDisk = 15u << 13;
    if ((mask & ~(kRole | kConn | kDisk | kPeerDisk)) != 0) {
        return false;
    }
    for (const std::uint32_t field : {kRole, kConn, kDisk, kPeerDisk}) {
        if ((mask & field) != 0 && (mask & field) != field) {
            return false;  // a part of a field
        }
    }
    const auto role = static_cast<Role>(value & kRole);
    const auto conn = static_cast<ConnState>(value >> 4 & 31);
    const auto disk = static_cast<DiskState>(value >> 9 & 15);
    const auto peer_disk = static_cast<DiskState>(value >> 13 & 15);
    const bool role_ok = role == Role::Primary || role == Role::Secondary;
    const bool conn_ok =
        conn == ConnState::Disconnecting || starting_sync(conn) || conn == ConnState::VerifyS;
    const bool disk_ok = disk <= DiskState::UpToDate && disk != DiskState::DUnknown;
    return ((mask & kRole) == 0 || role_ok) && ((mask & kConn) == 0 || conn_ok) &&
           ((mask & kDisk) == 0 || disk_ok) &&
           ((mask & kPeerDisk) == 0 || peer_disk == DiskState::Outdated);
}

VolumeState apply_peer_request(const VolumeState& own, std::uint32_t mask, std::uint32_t value) {
    const auto swapped = [](std::uint32_t word) {
        const std::uint32_t role = word & 3;
        const std::uint32_t peer = word >> 2 & 3;
        const std::uint32_t disk = word >> 9 & 15;
        const std::uint32_t pdsk = word >> 13 & 15;
        return peer | role << 2 | (word & 31u << 4) | pdsk << 9 | disk << 13;
    };
    const auto mirrored = [](std::uint32_t conn) {
        switch (static_cast<ConnState>(conn)) {
            case ConnState::WFReportParams:
            case ConnState::Connected:
                return conn;
            case ConnState::StartingSyncS:
                return static_cast<std::uint32_t>(ConnState::StartingSyncT);
            case ConnState::StartingSyncT:
                return static_cast<std::uint32_t>(ConnState::StartingSyncS);
            case ConnState::VerifyS:
                return static_cast<std::uint32_t>(ConnState::VerifyT);
            case ConnState::Disconnecting:
                return static_cast<std::uint32_t>(ConnState::TearDown);
            default:
                return conn == 31 ? conn : 0u;
        }
    };
    const std::uint32_t our_mask = swapped(mask);
    std::uint32_t our_value = swapped(value) & our_mask;
    if ((our_mask & 31u << 4) != 0) {
        our_value = (our_value & ~(31u << 4)) | mirrored(value >> 4 & 31) << 4;
    }
    VolumeState result = from_wire((to_wire(own) & ~our_mask) | our_value);
    result.susp = own.susp;
    result.susp_nod = own.susp_nod;
    result.susp_fen = own.susp_fen;
    return result;
}

StateCode check_peer_request(const VolumeState& from,
                             const VolumeState& wanted,
                             bool in_handshake,
                             const StatePolicy& policy) {
    const VolumeState to = sanitise(wanted);
    const bool conn_taken_back = wanted.conn != from.conn && to.conn != wanted.conn;
    const bool disk_taken_back = wanted.disk != from.disk && to.disk != wanted.disk;
    if (conn_taken_back || disk_taken_back) {
        const StateCode invalid = check_validity(wanted, policy);
        if (invalid != StateCode::Success) {
            return invalid;
        }
        const StateCode illegal = check_transition(from, wanted, in_handshake);
        return illegal != StateCode::Success ? illegal : StateCode::NotSupported;
    }
    if (wanted.peer == Role::Primary && to.peer != Role::Primary) {
        return StateCode::InTransientState;  // in the handshake: we would not know of it
    }
    // Of its own disk the peer may make what the rules correct, but for this: it would be UpToDate.
    if (wanted.pdsk == DiskState::Outdated && wanted.pdsk != from.pdsk && to.pdsk != wanted.pdsk) {
        return StateCode::ConnectedOutdates;
    }
    return check_change(from, to, in_handshake, policy);
}

}  // namespace engine
