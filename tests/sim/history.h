// Which node holds what of one volume's history. Both nodes of a healthy pair are on one lineage; a
// promotion of a node that lacks acknowledged writes begins another (it is a split brain, made on
// purpose). From this follows what a read may return and what a failover must not lose.
#pragma once

#include "drbdd/engine/status.h"
#include "tests/sim/app_model.h"
#include "tests/sim/world.h"

#include <array>
#include <functional>
#include <memory>

namespace sim {

// How much of its lineage a node's disk holds.
enum class Holds : std::uint8_t {
    Stale,    // acknowledged writes are missing
    Flushed,  // everything that was flushed; younger acknowledged writes may be missing
    All,
};

class History {
public:
    // What a sector of a node's disk holds for good, cache included.
    using PeekOf = std::function<std::optional<Stamp>(Node node, std::uint64_t sector)>;

    History(engine::ReplicationProtocol protocol, PeekOf peek);

    Lineage& lineage(Node node) { return *nodes_[index(node)].lineage; }

    std::shared_ptr<Lineage> shared_lineage(Node node) { return nodes_[index(node)].lineage; }

    // By its content a node may hold more than what has happened to it lets expect: then that
    // counts.
    Holds holds(Node node);

    // When it was promoted alone the last time.
    bool stale_when_promoted(Node node) const { return nodes_[index(node)].stale_when_promoted; }

    // Of a Secondary whose data are the ones to go on with. Under B what it had acknowledged was
    // in the memory of its process: when that dies and then the Primary's disk, both have failed.
    bool may_lack_writes(Node node) const {
        return protocol_ == engine::ReplicationProtocol::A || nodes_[index(node)].lost_memory;
    }

    // What it has acknowledged under B may wait for its log: it is to write that, and only then to
    // read it for a resync. Whether it did is seen at the target.
    bool may_have_in_memory(Node node) const {
        return protocol_ == engine::ReplicationProtocol::B && !nodes_[index(node)].lost_memory;
    }

    bool diverged() const { return nodes_[0].lineage != nodes_[1].lineage; }

    // An application's write on `node` is acknowledged, one of this volume's present lineages.
    // False where it has not reached a disk.
    struct Reached {
        bool mine = false;
        bool peers = false;
    };

    Reached write_acked(Node node, std::uint64_t write);
    // `receiving`: a Primary's writes were coming in.
    void process_killed(Node node, bool receiving);
    void power_cut(Node node, bool receiving);

    void disk_replaced(Node node) { nodes_[index(node)].holds = Holds::Stale; }

    // A failed flush has lost what it was to cover.
    void flush_lost(Node node, bool in_contact);
    // `node` becomes Primary on its own disk, without the peer. `split`: the peer is Primary, too.
    void promoted_alone(Node node, bool split);
    // `source` overwrites the other node. False: it lacks what the other one has.
    bool sync_begins(Node source);
    // The resync of this node has come to its end. Under protocol A acknowledged writes may still
    // be on their way, but for those of a source that had lost its disk by then.
    void target_in_sync(Node target, bool source_lost);
    // The administrator wants this node's data, whatever they lack.
    void overrule(Node source);
    // It may lack what was acknowledged; that may also still be on its way to it.
    void excuse(Node source);
    // The other node's disk is lost: what this one's cache lost before is gone.
    void only_disk_is(Node node);
    // A Primary without a disk: its history is that of the other node's.
    void works_through_peer(Node node);
    // Both are connected and UpToDate.
    void in_sync();
    // Everything acknowledged has reached both nodes' disks.
    void settled();

private:
    struct View {
        std::shared_ptr<Lineage> lineage;
        Holds holds = Holds::All;
        Holds when_in_sync =
            Holds::All;  // of a resync's target: as good as its source at the start
        bool lost_memory = false;
        bool stale_when_promoted = false;
    };

    void lower(Node node, Holds to);
    Lineage::Peek peek_on(Node node) const;
    bool only_copy_at(Node node, Node other) const;

    engine::ReplicationProtocol protocol_;
    PeekOf peek_;
    std::array<View, 2> nodes_;
};

}  // namespace sim
