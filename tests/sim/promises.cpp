#include "tests/sim/promises.h"

#include "proto/packets.h"

#include <algorithm>
#include <array>

namespace sim {

using engine::DiskState;
using engine::Role;
using proto::Command;

namespace {

constexpr std::uint64_t masked(std::uint64_t uuid) {
    return uuid & ~meta::kUuidPrimaryBit;
}

}  // namespace

void Promises::process_started() {
    epochs_.assign(1, {});
    zeroed_.clear();
}

void Promises::zeroed(std::size_t volume, base::Sector sector, std::uint64_t bytes) {
    zeroed_.push_back({volume, sector.value, sector.value + bytes / kSectorBytes});
}

void Promises::fail(std::size_t volume, const char* what) {
    world_.fail(base::format("%s volume %zu: %s", name(node_), volume, what));
}

// --- What arrives ---

void Promises::arrived(const engine::Packet& packet) {
    switch (static_cast<Command>(packet.header.command)) {
        case Command::ConnectionFeatures:
            epochs_.assign(1, {});  // a new connection
            return;
        case Command::Data:
            return on_data(packet);
        case Command::Trim:
        case Command::Zeroes:
            if (const auto trim = proto::decode_trim(packet.body)) {
                zeroed(packet.header.volume, trim->data.sector, trim->size);
                Write& write = epochs_.back().writes.emplace_back();
                write.volume = packet.header.volume;
                write.block_id = trim->data.block_id;
            }
            return;
        case Command::Barrier:
            if (const auto barrier = proto::decode_barrier(packet.body);
                barrier && !epochs_.back().writes.empty()) {
                epochs_.back().number = barrier->number;
                epochs_.emplace_back();
            }
            return;
        default:
            return;
    }
}

void Promises::on_data(const engine::Packet& packet) {
    if (packet.body.size() < proto::Data::kSize) {
        return;
    }
    const auto data = proto::decode_data(base::ConstBytes(packet.body).first(proto::Data::kSize));
    if (!data) {
        return;
    }
    Write write;
    write.volume = packet.header.volume;
    write.block_id = data->block_id;
    write.sector = data->sector.value;
    write.fua = data->has(proto::kDataFua);
    write.flush = data->has(proto::kDataFlush);
    // Before a resync of everything both nodes have all blocks marked: a write of the source need
    // not reach a target that its handler may still forbid.
    const std::optional<Side> side = side_(write.volume);
    if (side && (side->state.conn == engine::ConnState::StartingSyncT ||
                 side->state.conn == engine::ConnState::WFSyncUUID)) {
        epochs_.back().writes.push_back(std::move(write));
        return;
    }
    const base::ConstBytes bytes = packet.payload.bytes();
    for (std::size_t at = 0; at + kSectorBytes <= bytes.size(); at += kSectorBytes) {
        write.stamps.push_back(base::get_le64(bytes, at));
    }
    epochs_.back().writes.push_back(std::move(write));
}

// --- What is told ---

void Promises::sent(const proto::Header& header, base::ConstBytes body) {
    const std::size_t volume = header.volume;
    switch (static_cast<Command>(header.command)) {
        case Command::WriteAck:
        case Command::RsWriteAck:
            return on_write_ack(volume, body);
        case Command::NegAck:
            return on_negative_ack(volume, body);
        case Command::BarrierAck:
            return on_barrier_ack(body);
        case Command::Uuids:
            if (const auto uuids = proto::decode_uuids(body)) {
                expect_stored(volume, uuids->current, "tells a current uuid that is not stored");
                expect_stored(volume, uuids->bitmap, "tells a bitmap uuid that is not stored");
            }
            return;
        case Command::SyncUuid:
            if (const auto sync = proto::decode_sync_uuid(body)) {
                expect_stored(volume, sync->uuid, "tells a sync uuid that is not stored");
            }
            return;
        case Command::State:
            return on_state(volume, body);
        default:
            return;
    }
}

void Promises::on_write_ack(std::size_t volume, base::ConstBytes body) {
    const auto ack = proto::decode_block_ack(body);
    if (!ack || ack->block_id == proto::kIdSyncer) {
        return;
    }
    for (const Epoch& epoch : epochs_) {
        for (const Write& write : epoch.writes) {
            if (write.volume != volume || write.block_id != ack->block_id) {
                continue;
            }
            if (write.fua) {
                expect_stable(write, "confirms a forced write that is not on stable storage");
            }
            if (!write.flush) {
                return;
            }
            for (const Epoch& before : epochs_) {  // all that came before it
                for (const Write& covered : before.writes) {
                    if (&covered == &write) {
                        return;
                    }
                    if (covered.volume == volume) {
                        expect_stable(covered, "confirms a flush that has not covered a write");
                    }
                }
            }
        }
    }
}

// It is taken back: nobody counts on it.
void Promises::on_negative_ack(std::size_t volume, base::ConstBytes body) {
    const auto ack = proto::decode_block_ack(body);
    for (Epoch& epoch : epochs_) {
        for (Write& write : epoch.writes) {
            if (ack && write.volume == volume && write.block_id == ack->block_id) {
                write.stamps.clear();
            }
        }
    }
}

void Promises::on_barrier_ack(base::ConstBytes body) {
    const auto ack = proto::decode_barrier_ack(body);
    if (!ack || epochs_.front().number != ack->number) {
        return world_.fail(std::string(name(node_)) + " acknowledges a barrier out of turn");
    }
    for (const Write& write : epochs_.front().writes) {
        expect_stable(write, "acknowledges a barrier before its writes are on stable storage");
    }
    epochs_.pop_front();
}

// Stamps grow with time, and overlapping writes are applied in their order.
bool Promises::may_show(const Write& write, std::size_t i, std::optional<Stamp> stable) const {
    if (stable && *stable >= write.stamps[i]) {
        return true;
    }
    const std::uint64_t sector = write.sector + i;
    return stable == kZeroes &&
           std::any_of(zeroed_.begin(), zeroed_.end(), [&](const Zeroed& range) {
               return range.volume == write.volume && range.first <= sector && sector < range.end;
           });
}

void Promises::expect_stable(const Write& write, const char* what) {
    const std::optional<Side> side = side_(write.volume);
    if (!side || !side->data_flushes) {
        return;
    }
    for (std::size_t i = 0; i < write.stamps.size(); ++i) {
        const std::uint64_t sector = write.sector + i;
        std::array<std::uint8_t, kSectorBytes> bytes;
        side->disk->peek_stable({sector}, bytes);
        if (!may_show(write, i, read_stamp(bytes, sector))) {
            return fail(write.volume, what);
        }
    }
}

// --- Announcements ---

std::optional<meta::Superblock> Promises::stored(std::size_t volume) {
    const std::optional<Side> side = side_(volume);
    if (!side || !side->meta_flushes) {
        return std::nullopt;
    }
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    side->disk->peek_stable(side->superblock_sector, block);
    auto superblock = meta::decode_superblock(block);
    if (!superblock) {
        return std::nullopt;
    }
    for (const std::uint64_t uuid : {superblock->current_uuid,
                                     superblock->bitmap_uuid,
                                     superblock->history_uuids[0],
                                     superblock->history_uuids[1]}) {
        told_[volume].insert(masked(uuid));
    }
    return *superblock;
}

void Promises::disk_done(std::size_t volume) {
    stored(volume);
}

// One that was replaced meanwhile was stored once: its successor follows.
void Promises::expect_stored(std::size_t volume, std::uint64_t uuid, const char* what) {
    if (stored(volume) && masked(uuid) != 0 && !told_[volume].contains(masked(uuid))) {
        fail(volume, what);
    }
}

// A state that has changed again meanwhile is followed by the new one: that one counts.
void Promises::on_state(std::size_t volume, base::ConstBytes body) {
    const auto packet = proto::decode_state(body);
    const auto superblock = stored(volume);
    if (!packet || !superblock) {
        return;
    }
    const engine::VolumeState told = engine::from_wire(packet->value);
    const engine::VolumeState now = side_(volume)->state;
    if (told.disk != now.disk || told.role != now.role) {
        return;
    }
    const bool up_to_date =
        superblock->has(meta::kMdConsistent) && superblock->has(meta::kMdWasUpToDate);
    if (told.disk == DiskState::UpToDate && !up_to_date) {
        fail(volume, "says UpToDate before that is stored");
    } else if (told.disk == DiskState::Outdated && up_to_date) {
        fail(volume, "says Outdated before that is stored");
    } else if (told.role == Role::Primary && told.disk >= DiskState::Inconsistent &&
               !superblock->has(meta::kMdPrimaryInd)) {
        fail(volume, "says Primary before that is stored");
    }
}

}  // namespace sim
