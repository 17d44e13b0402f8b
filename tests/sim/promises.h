// What a node tells its peer must be true of its disk by then, whatever happens next: identifiers
// and states that it announces, and the writes that it confirms as being on stable storage. Watches
// the packets of one node, knows nothing of how its engine came to send them.
#pragma once

#include "drbdd/engine/events.h"
#include "drbdd/engine/settings.h"
#include "drbdd/engine/status.h"
#include "meta/superblock.h"
#include "tests/sim/app_model.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/world.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <vector>

namespace sim {

class Promises {
public:
    // One volume of the node: nothing while its disk is not attached.
    struct Side {
        const SimDisk* disk = nullptr;
        base::Sector superblock_sector;
        engine::VolumeState state;
        bool data_flushes = true;
        bool meta_flushes = true;
    };

    using SideOf = std::function<std::optional<Side>(std::size_t volume)>;

    Promises(World& world, Node node, std::size_t volumes, SideOf side)
        : world_(world), node_(node), told_(volumes), side_(std::move(side)) {}

    void process_started();
    void arrived(const engine::Packet& packet);
    void sent(const proto::Header& header, base::ConstBytes body);
    // Also by the application of this node itself.
    void zeroed(std::size_t volume, base::Sector sector, std::uint64_t bytes);
    // Something has become stable, perhaps.
    void disk_done(std::size_t volume);

private:
    struct Write {
        std::size_t volume = 0;
        std::uint64_t block_id = 0;
        std::uint64_t sector = 0;
        std::vector<Stamp> stamps;
        bool fua = false;
        bool flush = false;
    };

    struct Epoch {
        std::optional<std::uint32_t> number;  // its barrier has arrived
        std::vector<Write> writes;
    };

    struct Zeroed {
        std::size_t volume = 0;
        std::uint64_t first = 0;
        std::uint64_t end = 0;
    };

    void on_data(const engine::Packet& packet);
    void on_write_ack(std::size_t volume, base::ConstBytes body);
    void on_negative_ack(std::size_t volume, base::ConstBytes body);
    void on_barrier_ack(base::ConstBytes body);
    void expect_stable(const Write& write, const char* what);
    bool may_show(const Write& write, std::size_t i, std::optional<Stamp> stable) const;
    std::optional<meta::Superblock> stored(std::size_t volume);
    void expect_stored(std::size_t volume, std::uint64_t uuid, const char* what);
    void on_state(std::size_t volume, base::ConstBytes body);
    void fail(std::size_t volume, const char* what);

    World& world_;
    Node node_;
    std::deque<Epoch> epochs_{1};
    std::vector<Zeroed> zeroed_;
    std::vector<std::set<std::uint64_t>> told_;  // identifiers that were on stable storage once
    SideOf side_;
};

}  // namespace sim
