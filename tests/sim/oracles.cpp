#include "tests/sim/oracles.h"

#include "base/log.h"

#include <algorithm>

namespace sim {

using engine::ConnState;
using engine::DiskState;
using engine::Role;

namespace {

constexpr std::size_t kCheckedPerStep = 64;
constexpr io::Duration kBitsOnDisk = std::chrono::seconds(10);
constexpr io::Duration kFlagsOnDisk = std::chrono::seconds(10);  // slow disks included

bool source_side(ConnState conn) {
    return conn == ConnState::WFBitMapS || conn == ConnState::SyncSource ||
           conn == ConnState::PausedSyncS || conn == ConnState::StartingSyncS;
}

bool target_side(ConnState conn) {
    return conn == ConnState::WFBitMapT || conn == ConnState::WFSyncUUID ||
           conn == ConnState::SyncTarget || conn == ConnState::PausedSyncT ||
           conn == ConnState::StartingSyncT;
}

}  // namespace

Oracles::Oracles(World& world,
                 std::array<Host*, 2> hosts,
                 std::size_t volumes,
                 engine::ReplicationProtocol protocol)
    : world_(world), hosts_(hosts) {
    for (std::size_t i = 0; i < volumes; ++i) {
        volumes_.emplace_back(protocol, [this, i](Node node, std::uint64_t sector) {
            std::array<std::uint8_t, kSectorBytes> bytes;
            hosts_[index(node)]->volume(i).disk->peek_lasting({sector}, bytes);
            return read_stamp(bytes, sector);
        });
    }
}

void Oracles::metadata_moved(Node node, std::size_t volume) {
    volumes_[volume].nodes[index(node)].dirt.reset();
    volumes_[volume].may_copy_more = true;  // what the log said is in the bitmap now
    look_at_disks(volume);
}

void Oracles::disk_replaced(Node node, std::size_t volume) {
    PerVolume& v = volumes_[volume];
    v.armed = false;
    v.in_sync = false;
    v.may_copy_more = true;
    v.nodes[index(node)] = {};
    v.history.disk_replaced(node);
    look_at_disks(volume);
}

void Oracles::note_write(std::size_t volume, base::Sector sector, std::uint64_t sectors) {
    std::vector<bool>& written = volumes_[volume].written;
    const std::uint64_t end = (sector.value + sectors + 7) / 8;
    if (written.size() < end) {
        written.resize(end);
    }
    std::fill(written.begin() + static_cast<std::ptrdiff_t>(sector.value / 8),
              written.begin() + static_cast<std::ptrdiff_t>(end),
              true);
}

void Oracles::planted(std::size_t volume, std::uint64_t block) {
    note_write(volume, {block * 8}, 8);
    volumes_[volume].planted.insert(block);
    look_at_disks(volume);
}

// It has come to its end: what was planted is marked, and nothing else but what somebody writes.
void Oracles::check_verify(Node node, std::size_t volume) {
    const PerVolume& v = volumes_[volume];
    const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
    const engine::Engine& engine = hosts_[index(node)]->engine();
    for (const std::uint64_t block : v.planted) {
        if (v.differing.contains(block) && !engine.is_out_of_sync(number, block)) {
            return world_.fail(base::format(
                "volume %zu: a verify has missed block %llu", volume, base::ull(block)));
        }
    }
    const std::uint64_t bits = hosts_[index(node)]->volume(volume).layout.usable_sectors / 8;
    for (std::uint64_t bit = 0; bit < bits && v.armed && !v.may_copy_more; ++bit) {
        if ((bit >= v.written.size() || !v.written[bit]) && engine.is_out_of_sync(number, bit)) {
            return world_.fail(
                base::format("volume %zu: a verify marks block %llu, which is the same",
                             volume,
                             base::ull(bit)));
        }
    }
}

void Oracles::look_for_more_to_copy(Node node,
                                    std::size_t volume,
                                    const engine::VolumeStatus& now) {
    PerVolume& v = volumes_[volume];
    PerNode& n = v.nodes[index(node)];
    const bool full =
        now.state.conn == ConnState::StartingSyncS || now.state.conn == ConnState::StartingSyncT;
    const bool spoiled = now.state.disk == DiskState::Inconsistent && !target_side(now.state.conn);
    const bool lost_disk =
        now.state.disk < DiskState::Negotiating && n.state.disk >= DiskState::Inconsistent;
    const bool resized =
        n.size_sectors != 0 && now.size_sectors != 0 && n.size_sectors != now.size_sectors;
    const std::uint64_t errors = hosts_[index(node)]->volume(volume).disk->errors_given();
    const bool failed = std::exchange(v.errors[index(node)], errors) != errors;
    v.may_copy_more = v.may_copy_more || full || spoiled || lost_disk || resized || failed;
    if (now.state.disk != DiskState::UpToDate) {
        n.without_disk_at = world_.now();
    }
    n.out_of_sync = now.out_of_sync_bits;
    n.size_sectors = now.size_sectors != 0 ? now.size_sectors : n.size_sectors;
}

// Only what somebody has written since the two were the same can differ, if nothing has gone wrong.
void Oracles::check_amount(Node source, std::size_t volume) {
    const PerVolume& v = volumes_[volume];
    if (!v.armed || v.may_copy_more || data_loss_allowed_) {
        return;
    }
    Host& host = *hosts_[index(source)];
    const std::uint64_t bits = host.volume(volume).layout.usable_sectors / 8;
    if (v.nodes[index(source)].out_of_sync >= v.nodes[index(source)].size_sectors / 8) {
        return;  // all of it, as the identifiers ask for (rules 20, 30, 60 and 80)
    }
    for (std::uint64_t bit = 0; bit < bits; ++bit) {
        if ((bit >= v.written.size() || !v.written[bit]) &&
            host.engine().is_out_of_sync({static_cast<std::uint16_t>(volume)}, bit)) {
            return world_.fail(
                base::format("volume %zu: a resync copies block %llu, which nobody has written",
                             volume,
                             static_cast<unsigned long long>(bit)));
        }
    }
}

// What was metadata is data when the device has grown, and has never been the same on both.
void Oracles::note_room(std::size_t volume, std::set<std::uint64_t>& changed) {
    PerVolume& v = volumes_[volume];
    const auto blocks = [&](Node node) {
        const Host::Volume& side = hosts_[index(node)]->volume(volume);
        const auto superblock =
            side.has_grown ? read_superblock(*side.disk, side.layout) : std::nullopt;
        return (superblock ? superblock->la_size_sectors : side.layout.usable_sectors) / 8;
    };
    const std::uint64_t now = std::min(blocks(Node::Alice), blocks(Node::Bob));
    const std::uint64_t before = std::exchange(v.data_blocks, now);
    if (before == 0 || before == now) {
        return;
    }
    v.differing.erase(v.differing.lower_bound(now), v.differing.end());
    for (const Node node : kNodes) {
        v.history.lineage(node).has_grown_at(std::min(before, now) * 8);
        for (const std::uint64_t block :
             hosts_[index(node)]->volume(volume).disk->blocks_ever_written()) {
            if (block >= before && block < now) {
                changed.insert(block);
            }
        }
        v.nodes[index(node)].dirt.reset();
    }
}

// Keeps the set of differing blocks and the picture of the metadata up to date.
void Oracles::look_at_disks(std::size_t volume) {
    PerVolume& v = volumes_[volume];
    std::set<std::uint64_t> changed;
    for (const Node node : kNodes) {
        hosts_[index(node)]->settle_layout(volume);
    }
    note_room(volume, changed);
    for (const Node node : kNodes) {
        Host::Volume& side = hosts_[index(node)]->volume(volume);
        const std::uint64_t data_blocks = v.data_blocks;
        bool metadata_changed = false;
        for (const std::uint64_t block : side.disk->take_changed_blocks()) {
            if (block < data_blocks) {
                changed.insert(block);
            } else {
                metadata_changed = true;
            }
        }
        if (metadata_changed) {
            v.nodes[index(node)].dirt.reset();
            look_at_uuid_on_disk(node, volume);
        }
    }
    std::array<std::array<std::uint8_t, 4096>, 2> bytes;
    for (const std::uint64_t block : changed) {
        for (const Node node : kNodes) {
            hosts_[index(node)]->volume(volume).disk->peek({block * 8}, bytes[index(node)]);
        }
        if (bytes[0] == bytes[1]) {
            v.differing.erase(block);
            v.planted.erase(block);
        } else {
            v.differing.insert(block);
        }
    }
}

void Oracles::note_uuid(World& world,
                        Node node,
                        const char* where,
                        std::uint64_t uuid,
                        std::optional<std::uint64_t>& current,
                        std::set<std::uint64_t>& replaced) {
    uuid &= ~meta::kUuidPrimaryBit;
    if (uuid == 0 || (current && *current == uuid)) {
        return;
    }
    if (replaced.contains(uuid)) {
        world.fail(std::string(name(node)) + ": current uuid " + base::hex64(uuid) + " came back " +
                   where + " after it had been replaced");
    }
    if (current) {
        replaced.insert(*current);
    }
    current = uuid;
    world.trace.add(world.now(), node, where, uuid);
}

void Oracles::look_at_uuid_on_disk(Node node, std::size_t volume) {
    PerNode& n = volumes_[volume].nodes[index(node)];
    const Host::Volume& side = hosts_[index(node)]->volume(volume);
    const auto superblock = read_superblock(*side.disk, side.layout);
    if (!superblock) {
        return;  // destroyed on purpose: the attach is to refuse it
    }
    if (n.was_power_cut) {
        // A superblock write that was in flight has been undone: that is no going back of ours.
        n.replaced_on_disk.erase(superblock->current_uuid & ~meta::kUuidPrimaryBit);
        n.uuid_on_disk.reset();
        n.was_power_cut = false;
    }
    if (!superblock->has(meta::kMdConsistent)) {
        return;
    }
    note_uuid(
        world_, node, "on disk", superblock->current_uuid, n.uuid_on_disk, n.replaced_on_disk);
}

void Oracles::look_at_volume(Node node, std::size_t volume, const engine::VolumeStatus& status) {
    PerVolume& v = volumes_[volume];
    PerNode& n = v.nodes[index(node)];
    const bool became_target_in_sync = n.state.conn == ConnState::SyncTarget &&
                                       n.state.disk == DiskState::Inconsistent &&
                                       status.state.disk == DiskState::UpToDate;
    if (became_target_in_sync) {  // what it went away from may come back, if that is the source's
        n.replaced_in_core.erase(status.current_uuid & ~meta::kUuidPrimaryBit);
        n.replaced_on_disk.erase(status.current_uuid & ~meta::kUuidPrimaryBit);
    }
    // The uuid of a sync target names no generation; at the end the old one may even come back.
    if (status.state.disk > DiskState::Inconsistent) {
        note_uuid(world_, node, "in core", status.current_uuid, n.uuid_in_core, n.replaced_in_core);
    }
    const auto is_source = [](ConnState conn) {
        return conn == ConnState::SyncSource || conn == ConnState::PausedSyncS;
    };
    if (status.state.disk < DiskState::Negotiating) {
        // What the lost disk had not stored by then never was a generation.
        n.uuid_in_core.reset();
        n.replaced_in_core.clear();
    }
    // The log speaks for writes that are not finished, and for what a crash of a Primary leaves.
    if (n.log_counts) {
        n.log_counted_at = world_.now();
    }
    n.log_counts =
        status.state.role == Role::Primary ||
        (status.state.peer == Role::Primary && status.state.pdsk < DiskState::Inconsistent);
    const bool begins = is_source(status.state.conn) && !is_source(n.state.conn);
    const bool attached_alone =
        n.state.disk < DiskState::Negotiating && status.state.disk == DiskState::UpToDate &&
        status.state.role == Role::Primary && status.state.conn < ConnState::Connected;
    if (attached_alone) {
        v.history.only_disk_is(node);  // also one whose flush has failed, and lost something
    }
    look_for_more_to_copy(node, volume, status);
    const bool verified =
        n.state.conn == ConnState::VerifyS && status.state.conn == ConnState::Connected &&
        status.state.disk == DiskState::UpToDate && status.state.pdsk == DiskState::UpToDate;
    n.state = status.state;
    if (verified) {
        check_verify(node, volume);
    }
    if (became_target_in_sync) {
        v.synced_at = world_.now();
        const bool source_lost = v.nodes[index(other(node))].state.disk < DiskState::Inconsistent;
        v.history.target_in_sync(node, source_lost);
    }
    if (begins) {
        ++resyncs_begun_;
        check_amount(node, volume);
        const bool keeps_all = v.history.sync_begins(node);
        if (!keeps_all && data_loss_allowed_) {
            v.history.overrule(node);
        } else if (!keeps_all && v.history.may_lack_writes(node)) {
            v.history.excuse(node);
        } else if (!keeps_all && !v.history.may_have_in_memory(node)) {
            world_.fail(std::string(name(node)) +
                        " becomes sync source although it lacks acknowledged writes");
        }
    }
}

void Oracles::look_at_status(Node node) {
    const engine::ResourceStatus status = hosts_[index(node)]->status();
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        look_at_volume(node, i, status.volumes.at(i));
    }
}

void Oracles::look_at_both() {
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        PerVolume& v = volumes_[i];
        const engine::VolumeState& a = v.nodes[0].state;
        const engine::VolumeState& b = v.nodes[1].state;
        const bool alive = hosts_[0]->running() && hosts_[1]->running();
        const bool connected =
            alive && a.conn >= ConnState::Connected && b.conn >= ConnState::Connected;
        if (connected && a.role == Role::Primary && b.role == Role::Primary) {
            world_.fail("two connected Primaries");
        }
        if (alive && ((source_side(a.conn) && source_side(b.conn)) ||
                      (target_side(a.conn) && target_side(b.conn)))) {
            world_.fail(base::format("both nodes on the same side of a resync: %s and %s",
                                     engine::name(a.conn),
                                     engine::name(b.conn)));
        }
        const auto good = [](const engine::VolumeState& s) {
            return s.conn == ConnState::Connected && s.disk == DiskState::UpToDate &&
                   s.pdsk == DiskState::UpToDate;
        };
        const bool in_sync = alive && good(a) && good(b);
        if (in_sync && !v.in_sync) {
            v.armed = true;
            v.history.in_sync();
        }
        if (in_sync && v.nodes[0].out_of_sync == 0 && v.nodes[1].out_of_sync == 0) {
            v.may_copy_more = false;
        }
        v.in_sync = in_sync;
    }
}

void Oracles::note_lost_flushes(Node node, std::size_t volume) {
    PerVolume& v = volumes_[volume];
    const std::uint64_t lost = hosts_[index(node)]->volume(volume).disk->flushes_lost();
    if (v.flushes_lost[index(node)] != lost) {
        v.flushes_lost[index(node)] = lost;
        v.history.flush_lost(node, v.nodes[index(node)].state.conn >= engine::ConnState::Connected);
    }
}

void Oracles::after_step(Node node) {
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        note_lost_flushes(node, i);
    }
    look_at_status(node);
    look_at_both();
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        look_at_disks(i);
        check_some_coverage(i);
    }
}

void Oracles::after_process_gone(Node node) {
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        PerNode& n = volumes_[i].nodes[index(node)];
        // The activity log speaks for a Primary that has crashed, and for who worked for one; and
        // the bits of a resync are cleared on disk a while after its end.
        const bool just_synced = world_.now() - volumes_[i].synced_at < kBitsOnDisk;
        const bool log_counted = n.log_counts || world_.now() - n.log_counted_at < kFlagsOnDisk;
        volumes_[i].may_copy_more = volumes_[i].may_copy_more || log_counted || just_synced;
        n.state = {};
        n.uuid_in_core.reset();
        n.replaced_in_core.clear();
        n.was_power_cut = !hosts_[index(node)]->powered();
        n.dirt.reset();
        volumes_[i].in_sync = false;
        look_at_disks(i);
        check_coverage(i);
    }
}

bool Oracles::covered_by(Node node, std::size_t volume, std::uint64_t bit) {
    Host& host = *hosts_[index(node)];
    PerNode& n = volumes_[volume].nodes[index(node)];
    const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
    if (host.running() && n.state.disk >= DiskState::Negotiating) {
        const auto extent = static_cast<std::uint32_t>(bit / base::kBitsPerAlExtent);
        return host.engine().is_out_of_sync(number, bit) ||
               (n.log_counts && host.engine().is_al_active(number, extent));
    }
    if (!n.dirt) {
        const Host::Volume& side = host.volume(volume);
        n.dirt.emplace(*side.disk, side.layout);
    }
    return n.dirt->covers(bit);
}

bool Oracles::covered(std::size_t volume, std::uint64_t bit) {
    return covered_by(Node::Alice, volume, bit) || covered_by(Node::Bob, volume, bit);
}

void Oracles::check_coverage(std::size_t volume) {
    const PerVolume& v = volumes_[volume];
    if (!v.armed || world_.failed()) {
        return;
    }
    for (const std::uint64_t block : v.differing) {
        if (!v.planted.contains(block) && !covered(volume, block)) {
            return world_.fail(base::format(
                "volume %zu: block %llu differs and is neither marked nor covered by an active "
                "extent",
                volume,
                static_cast<unsigned long long>(block)));
        }
    }
}

// All of them while there are few; during a resync a moving part of them.
void Oracles::check_some_coverage(std::size_t volume) {
    const PerVolume& v = volumes_[volume];
    if (v.differing.size() <= kCheckedPerStep || ++cursor_ % 64 == 0) {
        check_coverage(volume);
    }
}

}  // namespace sim
