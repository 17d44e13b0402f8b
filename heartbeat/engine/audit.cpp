#include "heartbeat/engine/audit.h"

#include "heartbeat/engine/core.h"

namespace hb {

namespace {

constexpr Time kEvery{5000};
constexpr int kOfferedAfter = 6;  // half a minute: a partner of our kind has acquired them by then

}  // namespace

void Audit::dual_claim_seen() {
    if (!check_.is_set()) {
        check_.set(core_.now + kEvery);
    }
}

void Audit::on_time() {
    if (!check_.is_set() && core_.joining.done() && !core_.legacy()) {
        check_.set(core_.now + kEvery);
    }
    if (check_.take(core_.now)) {
        check();
        check_.set(core_.now + kEvery);
    }
}

// Twice in a row, so that a message that is late is no alarm.
void Audit::check() {
    const Holdings& holdings = core_.holdings;
    const bool settled =
        holdings.both_stable() && core_.standby.idle() && core_.members.partner_alive() &&
        holdings.other_known() && !holdings.other_left() && !core_.takeover.pending() &&
        !core_.partition.unsettled() && !core_.isolation.isolated() && !core_.shutdown.requested();
    if (!settled) {
        dual_before_ = orphan_before_ = false;
        foreign_orphan_ = 0;
        return;
    }
    const Hold ours = holdings.hold();
    const Hold theirs = mirror(holdings.other());
    const bool dual = overlaps(ours, theirs);
    if (dual && dual_before_) {
        core_.journal.error(has(ours & theirs, Hold::local)
                                ? "Both machines own our resources!"
                                : "Both machines own foreign resources!");
        core_.journal.alarm(AlarmKind::dual_claim, "Both nodes hold the same resources");
        core_.partition.on_dual_claim();
    }
    const bool orphan =
        !has(ours | theirs, Hold::local) && !core_.groups.indexes(Hold::local).empty();
    if (orphan && orphan_before_) {
        core_.journal.error("No one owns our local resources!");
        core_.journal.alarm(AlarmKind::dual_claim, "Nobody held our resources: they are acquired");
        core_.holdings.acquire_local();
    }
    dual_before_ = dual;
    orphan_before_ = orphan;
    check_foreign(ours | theirs);
}

// The original looks at what it holds only when something happens: it is told that they are free.
void Audit::check_foreign(Hold held) {
    const bool orphan = !has(held, Hold::foreign) && !core_.groups.indexes(Hold::foreign).empty();
    foreign_orphan_ = orphan ? foreign_orphan_ + 1 : 0;
    if (foreign_orphan_ >= kOfferedAfter &&
        core_.groups.leaving(core_.holdings.hold()) == Hold::none) {
        foreign_orphan_ = 0;
        core_.journal.alarm(AlarmKind::dual_claim,
                            "Nobody holds the resources of " + core_.members.partner()->name +
                                ": they are offered to it");
        core_.standby.give(Hold::foreign);
    }
}

// Only a partner that lives and claims the group can be argued with; for a stranger's machine
// nothing is gained by stopping ours.
void Audit::on_address_conflict(const AddressConflict& conflict) {
    core_.journal.alarm(
        AlarmKind::duplicate_address,
        "Address " + conflict.ip + " is also used by the machine with MAC " + conflict.mac);
    if (overlaps(core_.holdings.hold(), mirror(core_.holdings.other()))) {
        core_.partition.on_dual_claim();
    }
}

}  // namespace hb
