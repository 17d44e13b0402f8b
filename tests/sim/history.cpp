#include "tests/sim/history.h"

#include <algorithm>
#include <utility>

namespace sim {

using engine::ReplicationProtocol;

History::History(ReplicationProtocol protocol, PeekOf peek)
    : protocol_(protocol), peek_(std::move(peek)) {
    nodes_[0].lineage = nodes_[1].lineage = std::make_shared<Lineage>();
}

Lineage::Peek History::peek_on(Node node) const {
    return [this, node](std::uint64_t sector) { return peek_(node, sector); };
}

Holds History::holds(Node node) {
    View& view = nodes_[index(node)];
    if (view.holds != Holds::All && view.lineage->all_there(peek_on(node))) {
        view.holds = Holds::All;
    }
    return view.holds;
}

void History::lower(Node node, Holds to) {
    Holds& holds = nodes_[index(node)].holds;
    holds = std::min(holds, to);
}

// By content: what state a disk is in says little of what has reached it.
History::Reached History::write_acked(Node node, std::uint64_t write) {
    const Lineage& on = lineage(node);
    const Reached reached{on.shows(write, peek_on(node)),
                          !diverged() && on.shows(write, peek_on(other(node)))};
    if (!reached.mine) {
        lower(node, Holds::Stale);
    }
    // What a peer that has gone its own way holds is measured on its own lineage.
    if (!diverged() && !reached.peers) {
        lower(other(node), Holds::Stale);  // under A it may still be on its way
    }
    return reached;
}

// The cache of the machine survives. Under protocol B what was acknowledged was in the memory of
// the process only; and a flush of the application covers the peer under protocol C only.
void History::process_killed(Node node, bool receiving) {
    // What comes in from a node that has gone its own way is no part of what this one has.
    if (receiving && !diverged() && protocol_ != ReplicationProtocol::C) {
        lower(node, Holds::Stale);
        nodes_[index(node)].lost_memory = protocol_ == ReplicationProtocol::B;
    }
}

void History::power_cut(Node node, bool receiving) {
    process_killed(node, receiving);
    lower(node, Holds::Flushed);
    // Nobody is left who has it all: what was not flushed is gone for an application, too, that
    // goes on on a node without a disk.
    if (!diverged() && holds(other(node)) != Holds::All) {
        nodes_[index(node)].lineage->fall_back_to_flushed();
    }
}

void History::flush_lost(Node node, bool in_contact) {
    lower(node, Holds::Flushed);
    // A node that has gone its own way holds the only copy of that, and its cache shows it for a
    // while. So does one that has just lost the other, and can't know whether that one has it.
    if (diverged() || !in_contact || holds(other(node)) != Holds::All) {
        nodes_[index(node)].lineage->fall_back_to_flushed();
    }
}

void History::promoted_alone(Node node, bool split) {
    View& view = nodes_[index(node)];
    view.stale_when_promoted = holds(node) == Holds::Stale;
    if (split && !diverged()) {
        view.lineage = std::make_shared<Lineage>(*view.lineage);
    }
    if (view.holds == Holds::Flushed) {
        view.lineage->fall_back_to_flushed();
    }
    if (view.holds == Holds::Stale) {
        if (!diverged()) {
            view.lineage = std::make_shared<Lineage>(*view.lineage);
        }
        view.lineage->adopt(peek_on(node));
    }
    view.holds = Holds::All;
}

// Somewhere `node` holds what was acknowledged last, and the other one does not.
bool History::only_copy_at(Node node, Node other) const {
    const Lineage& on = *nodes_[index(node)].lineage;
    const auto sectors = on.sectors();
    return std::any_of(sectors.begin(), sectors.end(), [&](std::uint64_t sector) {
        return !on.is_recent(sector, peek_(other, sector)) &&
               on.is_recent(sector, peek_(node, sector));
    });
}

bool History::sync_begins(Node source) {
    View& from = nodes_[index(source)];
    View& to = nodes_[index(other(source))];
    if (holds(source) == Holds::Flushed) {
        from.lineage->fall_back_to_flushed();
    }
    if (diverged() && holds(source) == Holds::Stale) {
        // A split brain that was decided for it: what it has is what counts. It may be of a history
        // that nobody follows any more, while the node worked through the other one's disk.
        from.lineage = std::make_shared<Lineage>(*from.lineage);
        from.lineage->adopt(peek_on(source));
        from.holds = Holds::All;
    }
    const bool loses = !diverged() && only_copy_at(other(source), source);
    if (diverged()) {
        to.lineage = from.lineage;  // what the target had is discarded
    }
    to.holds = Holds::Stale;  // a mixture until the end, when it is as good as the source is now
    to.when_in_sync = from.holds == Holds::Stale ? Holds::Stale : Holds::All;
    return !loses;
}

void History::target_in_sync(Node target, bool source_lost) {
    if (!diverged() && (source_lost || protocol_ != ReplicationProtocol::A)) {
        nodes_[index(target)].holds = nodes_[index(target)].when_in_sync;
    }
}

void History::overrule(Node source) {
    if (protocol_ == engine::ReplicationProtocol::C) {
        lineage(source).adopt(peek_on(source));
    } else {
        lineage(source).accept(peek_on(source));  // what is on its way may still arrive
    }
    nodes_[index(source)].holds = Holds::All;
}

void History::excuse(Node source) {
    lineage(source).accept(peek_on(source));
    nodes_[index(source)].holds = Holds::All;
}

void History::only_disk_is(Node node) {
    View& view = nodes_[index(node)];
    if (view.holds == Holds::Flushed) {  // also where all is there now: see works_through_peer()
        view.lineage->fall_back_to_flushed();
        view.holds = Holds::All;
    }
}

void History::works_through_peer(Node node) {
    only_disk_is(other(node));
    View through;
    through.lineage = nodes_[index(other(node))].lineage;
    through.holds = Holds::Stale;
    nodes_[index(node)] = std::move(through);
}

void History::in_sync() {
    // Without a resync a node whose cache was lost is as good as the other: both are read from.
    for (View& view : nodes_) {
        if (view.holds == Holds::Flushed) {
            view.lineage->fall_back_to_flushed();
        }
        view.holds = Holds::All;
        view.lost_memory = false;
    }
}

void History::settled() {
    if (!diverged()) {
        nodes_[0].holds = nodes_[1].holds = Holds::All;
    }
}

}  // namespace sim
