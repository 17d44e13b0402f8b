#include "tests/sim/history.h"

#include <algorithm>
#include <utility>

namespace sim {

using engine::ReplicationProtocol;

History::History(ReplicationProtocol protocol) : protocol_(protocol) {
    nodes_[0].lineage = nodes_[1].lineage = std::make_shared<Lineage>();
}

void History::lower(Node node, Holds to) {
    Holds& holds = nodes_[index(node)].holds;
    holds = std::min(holds, to);
}

void History::write_acked(Node node, bool mine, bool peers) {
    if (!mine) {
        lower(node, Holds::Stale);
    }
    if (diverged()) {
        return;  // what the peer holds is measured on its own lineage
    }
    if (!peers || (mine && protocol_ == ReplicationProtocol::A)) {
        lower(other(node), Holds::Stale);  // A: it may still be on its way
    }
}

// The cache of the machine survives. Under protocol B what was acknowledged was in the memory of
// the process only; and a flush of the application covers the peer under protocol C only.
void History::process_killed(Node node, bool receiving) {
    if (receiving && protocol_ != ReplicationProtocol::C) {
        lower(node, Holds::Stale);
        nodes_[index(node)].lost_memory = protocol_ == ReplicationProtocol::B;
    }
}

void History::power_cut(Node node, bool receiving) {
    process_killed(node, receiving);
    lower(node, Holds::Flushed);
    // Nobody is left who has it all: what was not flushed is gone for an application, too, that
    // goes on on a node without a disk.
    if (!diverged() && nodes_[index(other(node))].holds != Holds::All) {
        nodes_[index(node)].lineage->fall_back_to_flushed();
    }
}

void History::promoted_alone(Node node, bool split, const PeekOf& peek) {
    View& view = nodes_[index(node)];
    view.stale_when_promoted = view.holds == Holds::Stale;
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
        view.lineage->adopt([&](std::uint64_t sector) { return peek(node, sector); });
    }
    view.holds = Holds::All;
}

bool History::sync_begins(Node source) {
    View& from = nodes_[index(source)];
    View& to = nodes_[index(other(source))];
    if (from.holds == Holds::Flushed) {
        from.lineage->fall_back_to_flushed();
    }
    const bool loses = !diverged() && from.holds == Holds::Stale && to.holds != Holds::Stale;
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

void History::overrule(Node source, const PeekOf& peek) {
    lineage(source).adopt([&](std::uint64_t sector) { return peek(source, sector); });
    nodes_[index(source)].holds = Holds::All;
}

void History::only_disk_is(Node node) {
    View& view = nodes_[index(node)];
    if (view.holds == Holds::Flushed) {
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
