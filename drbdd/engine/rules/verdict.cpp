#include "drbdd/engine/rules/verdict.h"

#include "base/log.h"
#include "drbdd/engine/rules/state_rules.h"

#include <utility>

namespace engine {

namespace {

constexpr const char* kLacksWrites =
    "Can not connect: the peer lacks writes that the application saw completed";

class Judge {
public:
    Judge(const OwnSide& own, const ToldSide& told, const SyncPolicy& policy, Fencing fencing)
        : own_(own), told_(told), policy_(policy), fencing_(fencing), peer_disk_(told.disk) {
        out_.next = own.state;
    }

    Verdict run() {
        first_steps();
        if (own_.state.disk == DiskState::Inconsistent && refuse_where_writes_are_lost()) {
            return out_;
        }
        if (decision_wanted()) {
            decide();
            if (out_.attach_aborted || out_.refused) {
                return out_;
            }
        }
        if (refuse_by_disks()) {
            return out_;
        }
        choose_own_disk();
        commit();
        return out_;
    }

private:
    bool fresh() const { return own_.state.conn < ConnState::Connected; }

    bool attaching() const { return own_.state.disk == DiskState::Negotiating; }

    bool peer_attaching() const { return told_.state.disk == DiskState::Negotiating; }

    void refuse(base::ErrorCode code, std::string text) {
        out_.refused = base::Error{code, std::move(text)};
    }

    // Step 5.
    void first_steps() {
        if (own_.state.conn == ConnState::WFReportParams) {
            out_.next.conn = ConnState::Connected;
        }
        if (told_.state.conn == ConnState::Ahead) {
            out_.next.conn = ConnState::Behind;
        }
    }

    // --- Step 6: who has the newer data ---

    bool decision_wanted() const {
        if (!told_.data || told_.state.disk < DiskState::Negotiating ||
            own_.state.disk < DiskState::Negotiating) {
            return false;
        }
        const bool connected = own_.state.conn == ConnState::Connected;
        const bool someone_attaches =
            connected && (peer_attaching() || (attaching() && !own_.ids_awaited));
        const bool peer_began = connected && told_.state.conn >= ConnState::StartingSyncS &&
                                told_.state.conn <= ConnState::WFBitMapT;
        // A resync that begins on request settles the same.
        const bool reconsidered = connected && own_.consider_resync;
        return fresh() || someone_attaches || reconsidered || peer_began;
    }

    void decide() {
        out_.tell_ids_first = peer_attaching();
        SyncSide theirs = *told_.data;
        theirs.role = told_.state.role;
        theirs.disk = peer_disk_;
        out_.decision = decide_sync(own_.data, theirs, policy_);
        if (!out_.decision->refused) {
            out_.next.conn = out_.decision->conn;
        } else if (attaching()) {
            out_.attach_aborted = true;
        } else if (peer_attaching()) {
            // It waits for our side to come to the same verdict, and then gives up the attach.
            peer_disk_ = DiskState::Diskless;
            out_.tell_state_first = true;
        } else {
            std::string why =
                out_.decision->log.empty() ? "refused" : out_.decision->log.back().text;
            if (out_.decision->split_brain) {
                why += " " + way_out(theirs);
            }
            refuse(base::ErrorCode::State, std::move(why));
        }
    }

    // For the person who has to choose: which node has what, and the commands that end it.
    std::string way_out(const SyncSide& theirs) const {
        const auto side = [](const SyncSide& data, const char* whose) {
            return base::format("%s (%s, %s) has changed %llu KiB",
                                whose,
                                name(data.role),
                                name(data.disk),
                                base::ull(data.dirty_bits * 4));
        };
        return side(own_.data, "This node") + ", " + side(theirs, "the peer") +
               ". On the node whose changes are to be lost: 'drbdadm secondary RES', "
               "'drbdadm connect --discard-my-data RES'; on the other one, if it is StandAlone: "
               "'drbdadm connect RES'";
    }

    // --- What the disks allow, whatever the identifiers say ---

    // A disk that counts as bad (on-io-error pass_on) would be overwritten by what lacks the writes
    // that applications saw completed.
    bool refuse_where_writes_are_lost() {
        if (!fresh() || own_.state.role != Role::Primary || !own_.peer_lacks_writes) {
            return false;
        }
        refuse(base::ErrorCode::State, kLacksWrites);
        return true;
    }

    // A Primary without a disk goes on only with the data that its applications have seen.
    std::string why_unusable() const {
        if (own_.state.disk >= DiskState::Inconsistent || own_.state.role != Role::Primary) {
            return {};
        }
        if (told_.data && own_.peer_has_other_data) {
            return "Can only connect to data with current UUID=" + base::hex64(own_.exposed_uuid);
        }
        return own_.peer_lacks_writes ? kLacksWrites : "";
    }

    bool refuse_by_disks() {
        const VolumeState& own = own_.state;
        // A detach that it gave up. Meanwhile we wrote without it: who has what is settled anew.
        if (!fresh() && own.disk >= DiskState::Inconsistent && own.pdsk < DiskState::Negotiating &&
            told_.state.disk >= DiskState::Inconsistent) {
            refuse(base::ErrorCode::Busy, "the peer's disk has come back unasked");
            return true;
        }
        const std::string reason = why_unusable();
        if (!reason.empty() && fresh()) {
            refuse(base::ErrorCode::State, reason);
            return true;
        }
        // The peer attaches a disk now.
        if (!reason.empty() && own.disk < DiskState::Negotiating &&
            own.pdsk != DiskState::UpToDate && peer_disk_ >= DiskState::Inconsistent) {
            out_.warning = "The peer's disk is not used: " + reason;
            peer_disk_ = DiskState::Diskless;
        }
        // Connected data are UpToDate in DRBD. Without a disk the peer can't say whether ours still
        // lack writes, and nobody would be left to say so.
        if (fresh() && own.disk == DiskState::Outdated && peer_disk_ < DiskState::Inconsistent) {
            refuse(base::ErrorCode::Busy,
                   "our data are outdated and the peer has no disk: waiting for its disk");
            return true;
        }
        return false;
    }

    void choose_own_disk() {
        if (out_.decision && attaching() &&
            (out_.next.conn == ConnState::Connected || out_.next.conn == ConnState::WFBitMapS)) {
            out_.next.disk = own_.data.disk;
        }
        // A Secondary without a disk does not know what was newer on it; a Primary does.
        if (own_.state.disk == DiskState::Consistent && peer_disk_ < DiskState::Negotiating &&
            told_.state.role == Role::Primary && told_.state.conn >= ConnState::Connected &&
            told_.state.pdsk == DiskState::UpToDate) {
            out_.next.disk = DiskState::UpToDate;
        }
    }

    // --- Steps 7 and 9 ---

    void commit() {
        VolumeState& next = out_.next;
        next.peer = told_.state.role;
        next.pdsk = peer_disk_;
        next.peer_isp = told_.state.aftr_isp || told_.state.user_isp;
        next = sanitise(next);
        if (fresh()) {
            const StateCode code = check_validity(next, fencing_);
            if (code != StateCode::Success && code != StateCode::ConnectedOutdates) {
                refuse(base::ErrorCode::State, base::format("State change failed: %s", text(code)));
            }
        }
        out_.answer = answer();
    }

    Verdict::Answer answer() const {
        const VolumeState& own = own_.state;
        const VolumeState& next = out_.next;
        if (fresh()) {
            return Verdict::Answer::State;
        }
        if (own.pdsk < DiskState::Negotiating && next.pdsk >= DiskState::Inconsistent) {
            return peer_attaching() ? Verdict::Answer::State : Verdict::Answer::IdsAndState;
        }
        // The peer has not decided yet.
        if (own.conn == ConnState::Connected && next.conn > ConnState::Connected &&
            told_.state.conn <= ConnState::Connected && !peer_attaching()) {
            return Verdict::Answer::IdsAndState;
        }
        return Verdict::Answer::None;
    }

    const OwnSide& own_;
    const ToldSide& told_;
    const SyncPolicy& policy_;
    Fencing fencing_;
    DiskState peer_disk_;
    Verdict out_;
};

}  // namespace

Verdict judge(const OwnSide& own, const ToldSide& told, const SyncPolicy& policy, Fencing fencing) {
    return Judge(own, told, policy, fencing).run();
}

}  // namespace engine
