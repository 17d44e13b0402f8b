// What must be true after every step of any engine, whatever has happened to the cluster. Each
// broken promise ends the run with its text.
#pragma once

#include "tests/sim/disk_metadata.h"
#include "tests/sim/history.h"
#include "tests/sim/host.h"

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace sim {

class Oracles {
public:
    Oracles(World& world,
            std::array<Host*, 2> hosts,
            std::size_t volumes,
            engine::ReplicationProtocol protocol);

    void after_step(Node node);
    void after_process_gone(Node node);

    // A disk was prepared or replaced outside the engine's knowledge: nothing is promised about
    // its differences until the next full sync.
    void disk_replaced(Node node, std::size_t volume);
    // By another program, while the disk was not attached.
    void metadata_moved(Node node, std::size_t volume);

    // Administrators may destroy data on purpose (discard-my-data, policies, invalidate, --force).
    void allow_data_loss() { data_loss_allowed_ = true; }

    bool data_loss_allowed() const { return data_loss_allowed_; }

    void forbid_data_loss() { data_loss_allowed_ = false; }

    History& history(std::size_t volume) { return volumes_[volume].history; }

    // Blocks of the data area that are not the same on both disks.
    const std::set<std::uint64_t>& differing(std::size_t volume) const {
        return volumes_[volume].differing;
    }

    // The application on any node writes here.
    void note_write(std::size_t volume, base::Sector sector, std::uint64_t sectors);

    // A block of a disk was changed behind everybody's back: it differs until something makes it
    // equal, and only a verify finds that.
    void planted(std::size_t volume, std::uint64_t block);

    // All differing blocks are covered; else the violation is reported.
    void check_coverage(std::size_t volume);

    bool had_disk_since(Node node, std::size_t volume, io::Instant then) const {
        return volumes_[volume].nodes[index(node)].without_disk_at < then;
    }

    std::uint64_t resyncs_begun() const { return resyncs_begun_; }

private:
    struct PerNode {
        std::optional<DirtOnDisk> dirt;  // as on disk, while it is up to date
        std::optional<std::uint64_t> uuid_on_disk;
        std::set<std::uint64_t> replaced_on_disk;
        std::optional<std::uint64_t> uuid_in_core;
        std::set<std::uint64_t> replaced_in_core;
        engine::VolumeState state;
        std::uint64_t out_of_sync = 0;
        std::uint64_t size_sectors = 0;
        bool was_power_cut = false;
        bool log_counts = false;
        io::Instant log_counted_at{};   // on disk it counts a moment longer
        io::Instant without_disk_at{};  // the last moment at which its copy was not good
    };

    struct PerVolume {
        PerVolume(engine::ReplicationProtocol protocol, History::PeekOf peek)
            : history(protocol, std::move(peek)) {}

        std::array<PerNode, 2> nodes;
        std::set<std::uint64_t> differing;
        std::uint64_t data_blocks = 0;  // that both disks have before their metadata
        bool armed = false;  // the pair has been in sync since the disks were last replaced
        bool in_sync = false;
        // Something since the last time that the two were the same lets a resync copy more than
        // what was written: a log that is replayed, a disk that failed, a full sync.
        bool may_copy_more = true;
        std::vector<bool> written;  // blocks, by the application
        std::set<std::uint64_t> planted;
        io::Instant synced_at{};  // the last time that one became in sync by a resync
        std::array<std::uint64_t, 2> flushes_lost{};
        std::array<std::uint64_t, 2> errors{};
        History history;
    };

    void look_at_disks(std::size_t volume);
    void note_room(std::size_t volume, std::set<std::uint64_t>& changed);
    void look_at_uuid_on_disk(Node node, std::size_t volume);
    void note_lost_flushes(Node node, std::size_t volume);
    void look_at_status(Node node);
    void look_at_volume(Node node, std::size_t volume, const engine::VolumeStatus& status);
    void look_for_more_to_copy(Node node, std::size_t volume, const engine::VolumeStatus& now);
    void check_amount(Node source, std::size_t volume);
    void check_verify(Node node, std::size_t volume);
    void look_at_both();
    bool covered(std::size_t volume, std::uint64_t bit);
    bool covered_by(Node node, std::size_t volume, std::uint64_t bit);
    void check_some_coverage(std::size_t volume);
    static void note_uuid(World& world,
                          Node node,
                          const char* where,
                          std::uint64_t uuid,
                          std::optional<std::uint64_t>& current,
                          std::set<std::uint64_t>& replaced);

    World& world_;
    std::array<Host*, 2> hosts_;
    std::vector<PerVolume> volumes_;
    bool data_loss_allowed_ = false;
    std::uint64_t resyncs_begun_ = 0;
    std::uint64_t cursor_ = 0;
};

}  // namespace sim
