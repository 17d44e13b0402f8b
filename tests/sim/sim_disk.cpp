#include "tests/sim/sim_disk.h"

#include "base/require.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sim {

using Kind = io::DiskOp::Kind;

SimDisk::SimDisk(World& world, Node node, io::DiskGeometry geometry, base::Sector metadata_start)
    : world_(world), node_(node), geometry_(geometry), metadata_start_(metadata_start) {
}

bool SimDisk::changes_data(const io::DiskOp& op) {
    return op.kind == Kind::Write || op.kind == Kind::Discard || op.kind == Kind::WriteZeroes;
}

base::Sector SimDisk::end() const {
    return geometry_.meta
               ? metadata_start_ + base::sectors_rounding_down(geometry_.meta->size_bytes)
               : base::sectors_rounding_down(geometry_.size_bytes);
}

io::DiskOp SimDisk::placed(io::DiskOp op) const {
    if (geometry_.meta && op.area == io::DiskOp::Area::Meta && op.kind != Kind::Flush) {
        op.sector = op.sector + metadata_start_;
    }
    return op;
}

// What the disk contract forbids to whoever submits.
void SimDisk::check(const io::DiskOp& op) {
    if (done_ == nullptr) {
        world_.fail("disk operation on a closed device");
    }
    if (op.kind == Kind::Flush) {
        return;
    }
    const std::uint64_t end = op.sector.value + op.length / kSector;
    if (op.length == 0 || op.length % geometry_.logical_block_bytes != 0 ||
        op.sector.value * kSector % geometry_.logical_block_bytes != 0) {
        world_.fail("disk operation that is not a multiple of the logical block");
    }
    const bool data = op.area == io::DiskOp::Area::Data;
    if (end > (data ? geometry_.size_bytes / kSector : this->end().value)) {
        world_.fail("disk operation beyond the end of the device");
    }
    if (data ? end > metadata_start_.value : op.sector.value < metadata_start_.value) {
        world_.fail(data ? "data operation that reaches into the metadata"
                         : "metadata operation that reaches into the data");
    }
    const bool moves_bytes = op.kind == Kind::Write || op.kind == Kind::Read;
    if (moves_bytes && op.buffer.offset % geometry_.logical_block_bytes != 0) {
        world_.fail("disk operation whose memory is not aligned to the logical block");
    }
    if (moves_bytes && (op.buffer.length != op.length || op.length > geometry_.max_io_bytes)) {
        world_.fail("disk operation with a wrong buffer or above the device's largest request");
    }
    for (const auto& [number, entry] : in_flight_) {
        const bool overlap =
            entry.op.kind != Kind::Flush &&
            op.sector < base::Sector{entry.op.sector.value + entry.op.length / kSector} &&
            entry.op.sector.value < end;
        if (overlap && changes_data(op) && changes_data(entry.op)) {
            world_.fail(
                base::format("%s: two overlapping writes in flight on one disk at sector "
                             "%llu: which one stays is undefined",
                             name(node_),
                             static_cast<unsigned long long>(op.sector.value)));
        }
    }
}

int SimDisk::draw_error(const io::DiskOp& op) {
    if (op.kind != Kind::Flush &&
        (op.length % least_ != 0 || op.sector.value * kSector % least_ != 0)) {
        return EINVAL;
    }
    if (losing_flush_ && op.kind == Kind::Flush) {
        return EIO;
    }
    if (const auto n = failing_numbers_.find(operations_); n != failing_numbers_.end()) {
        return n->second;
    }
    if (const auto kind = failing_.find(op.kind); kind != failing_.end()) {
        return kind->second;
    }
    if (metadata_error_ != 0 && op.kind != Kind::Flush && op.area == io::DiskOp::Area::Meta) {
        return metadata_error_;
    }
    if (data_write_error_ != 0 && changes_data(op) && op.area == io::DiskOp::Area::Data) {
        return data_write_error_;
    }
    if (op.kind == Kind::Read) {
        const auto bad = bad_sectors_.lower_bound(op.sector.value);
        if (bad != bad_sectors_.end() && *bad < op.sector.value + op.length / kSector) {
            return EIO;
        }
    }
    if (op.kind == Kind::Discard && !geometry_.can_discard) {
        return EOPNOTSUPP;
    }
    return 0;
}

void SimDisk::submit(const io::DiskOp& wanted) {
    const io::DiskOp op = placed(wanted);
    check(op);
    ++operations_;
    InFlight entry;
    entry.op = op;
    entry.number = operations_;
    entry.error = draw_error(op);
    entry.flush_horizon = completions_;
    entry.loses = op.kind == Kind::Flush && std::exchange(losing_flush_, false);
    if (changes_data(op) && entry.error == 0 && world_.prng.chance(0.5)) {
        land(entry, [](std::uint64_t) { return true; });
        entry.landed = true;
    }
    auto& kept = in_flight_.emplace(entry.number, std::move(entry)).first->second;
    if (!stuck_) {
        schedule(kept);
    }
}

void SimDisk::schedule(InFlight& entry) {
    entry.event = world_.after(world_.between(latency_.low, latency_.high),
                               [this, number = entry.number] { complete(number); });
}

void SimDisk::complete(std::uint64_t number) {
    auto node = in_flight_.extract(number);
    InFlight& entry = node.mapped();
    switch (entry.op.kind) {
        case Kind::Read:
            finish_read(entry);
            break;
        case Kind::Flush:
            finish_flush(entry);
            break;
        case Kind::Write:
        case Kind::Discard:
        case Kind::WriteZeroes:
            finish_write(entry);
            break;
    }
    const io::IoId id = entry.op.id;
    entry.op.buffer = {};
    errors_given_ += entry.error != 0 ? 1 : 0;  // now it is known to who asked
    if (done_ != nullptr) {
        done_(id, entry.error);
    }
}

void SimDisk::finish_read(InFlight& entry) {
    if (entry.error != 0) {
        return;
    }
    peek(entry.op.sector, entry.op.buffer.bytes());
}

void SimDisk::finish_write(InFlight& entry) {
    if (entry.error != 0) {
        if (entry.error != EOPNOTSUPP && entry.error != EINVAL) {
            land(entry, [this](std::uint64_t) { return world_.prng.chance(0.5); });
        }
    } else if (!entry.landed) {
        land(entry, [](std::uint64_t) { return true; });
    }
    ++completions_;
    for (std::uint64_t s = entry.op.sector.value;
         s < entry.op.sector.value + entry.op.length / kSector;
         ++s) {
        const auto found = dirty_.find(s);
        if (found == dirty_.end()) {
            continue;
        }
        auto& versions = found->second.versions;
        const auto mine = std::find_if(versions.begin(), versions.end(), [&](const Version& v) {
            return v.write == entry.number;
        });
        if (mine == versions.end()) {
            continue;
        }
        mine->completed = completions_;
        if (entry.op.fua && entry.error == 0) {
            found->second.stable = mine->bytes;
            versions.erase(versions.begin(), mine + 1);
            if (versions.empty()) {
                dirty_.erase(found);
            }
        }
    }
}

// Only what was completed before the flush was submitted becomes stable: the contract promises no
// more, so neither do we.
void SimDisk::finish_flush(const InFlight& entry) {
    if (entry.loses) {
        lose_some(entry);
    }
    if (entry.error != 0) {
        return;
    }
    for (auto it = dirty_.begin(); it != dirty_.end();) {
        auto& versions = it->second.versions;
        auto last = versions.end();
        for (auto v = versions.begin(); v != versions.end(); ++v) {
            if (!v->lost && v->completed != 0 && v->completed <= entry.flush_horizon) {
                last = v;
            }
        }
        if (last != versions.end()) {
            it->second.stable = last->bytes;
            versions.erase(versions.begin(), last + 1);
        }
        it = versions.empty() ? dirty_.erase(it) : std::next(it);
    }
}

void SimDisk::lose_some(const InFlight& flush) {
    world_.coverage.reached("a flush lost what it covered");
    ++flushes_lost_;
    for (auto& [sector, dirty] : dirty_) {
        for (Version& version : dirty.versions) {
            version.lost = version.lost ||
                           (version.completed != 0 && version.completed <= flush.flush_horizon &&
                            world_.prng.chance(0.5));
        }
    }
    world_.after(world_.between(io::Duration::zero(), std::chrono::seconds(20)),
                 [this] { forget_lost(); });
}

// The cache needs its memory for something else.
void SimDisk::forget_lost() {
    for (auto it = dirty_.begin(); it != dirty_.end();) {
        auto& [sector, dirty] = *it;
        const bool shown = dirty.versions.back().lost;
        std::erase_if(dirty.versions, [](const Version& version) { return version.lost; });
        if (shown) {
            store(sector, dirty.versions.empty() ? dirty.stable : dirty.versions.back().bytes);
        }
        it = dirty.versions.empty() ? dirty_.erase(it) : std::next(it);
    }
}

SimDisk::SectorBytes SimDisk::new_content(const io::DiskOp& op, std::uint64_t sector) const {
    SectorBytes bytes{};
    if (op.kind == Kind::Write) {
        const auto data = op.buffer.bytes();
        std::memcpy(bytes.data(), data.data() + (sector - op.sector.value) * kSector, kSector);
    }
    return bytes;
}

void SimDisk::land(const InFlight& entry, const std::function<bool(std::uint64_t)>& keeps) {
    const std::uint64_t first = entry.op.sector.value;
    for (std::uint64_t s = first; s < first + entry.op.length / kSector; ++s) {
        if (!keeps(s - first)) {
            continue;
        }
        const bool ever_written = blocks_.contains(s / 8);
        if (entry.op.kind != Kind::Write && !ever_written) {
            continue;  // zeroes on what was never written: large discards are cheap
        }
        bad_sectors_.erase(s);
        const SectorBytes bytes = new_content(entry.op, s);
        if (!ever_written && bytes == SectorBytes{}) {
            continue;  // and so is a resync of everything
        }
        Dirty& dirty = dirty_[s];
        if (dirty.versions.empty()) {
            dirty.stable = load(s);
        }
        dirty.versions.push_back({entry.number, 0, false, bytes});
        store(s, bytes);
    }
}

void SimDisk::land_some(const InFlight& entry, bool tear) {
    const std::uint64_t sectors = entry.op.length / kSector;
    switch (world_.prng.below(tear ? 4 : 2)) {
        case 0:
            return;
        case 1:
            return land(entry, [](std::uint64_t) { return true; });
        case 2: {
            const std::uint64_t kept = world_.prng.below(sectors + 1);
            return land(entry, [kept](std::uint64_t i) { return i < kept; });
        }
        default:
            return land(entry, [this](std::uint64_t) { return world_.prng.chance(0.5); });
    }
}

void SimDisk::lose_process() {
    for (auto& [number, entry] : in_flight_) {
        if (changes_data(entry.op) && !entry.landed) {
            land_some(entry, true);
        }
        if (entry.event) {
            world_.cancel(*entry.event);
        }
    }
    in_flight_.clear();
    done_ = nullptr;
    // What the dead process left in the cache can still be flushed by its successor.
    ++completions_;
    for (auto& [sector, dirty] : dirty_) {
        for (Version& version : dirty.versions) {
            version.completed = version.completed == 0 ? completions_ : version.completed;
        }
    }
}

void SimDisk::lose_power(const PowerCut& cut) {
    for (auto& [number, entry] : in_flight_) {
        if (changes_data(entry.op) && !entry.landed) {
            land_some(entry, cut.tear_in_flight);
        }
        if (entry.event) {
            world_.cancel(*entry.event);
        }
    }
    in_flight_.clear();
    done_ = nullptr;
    forget_lost();
    for (auto& [sector, dirty] : dirty_) {
        if (!world_.prng.chance(cut.drop_unflushed)) {
            continue;
        }
        const std::uint64_t kept = world_.prng.below(dirty.versions.size() + 1);
        store(sector, kept == 0 ? dirty.stable : dirty.versions[kept - 1].bytes);
    }
    dirty_.clear();
}

void SimDisk::fail_operation(std::uint64_t n, int error) {
    failing_numbers_[operations_ + n] = error;
}

void SimDisk::heal() {
    failing_.clear();
    failing_numbers_.clear();
    bad_sectors_.clear();
    data_write_error_ = 0;
    metadata_error_ = 0;
    losing_flush_ = false;
    set_stuck(false);
}

void SimDisk::set_stuck(bool stuck) {
    stuck_ = stuck;
    for (auto& [number, entry] : in_flight_) {
        if (!stuck && !entry.event) {
            schedule(entry);
        }
    }
}

void SimDisk::peek(base::Sector sector, base::Bytes out) const {
    REQUIRE(out.size() % kSector == 0);
    for (std::size_t i = 0; i < out.size() / kSector; ++i) {
        const SectorBytes bytes = load(sector.value + i);
        std::memcpy(out.data() + i * kSector, bytes.data(), kSector);
    }
}

void SimDisk::peek_lasting(base::Sector sector, base::Bytes out) const {
    peek(sector, out);
    for (std::size_t i = 0; i < out.size() / kSector; ++i) {
        const auto found = dirty_.find(sector.value + i);
        if (found == dirty_.end()) {
            continue;
        }
        const Dirty& dirty = found->second;
        const auto kept = std::find_if(dirty.versions.rbegin(),
                                       dirty.versions.rend(),
                                       [](const Version& version) { return !version.lost; });
        const SectorBytes& bytes = kept == dirty.versions.rend() ? dirty.stable : kept->bytes;
        std::memcpy(out.data() + i * kSector, bytes.data(), kSector);
    }
}

void SimDisk::peek_stable(base::Sector sector, base::Bytes out) const {
    REQUIRE(out.size() % kSector == 0);
    for (std::size_t i = 0; i < out.size() / kSector; ++i) {
        const auto dirty = dirty_.find(sector.value + i);
        const SectorBytes bytes =
            dirty == dirty_.end() ? load(sector.value + i) : dirty->second.stable;
        std::memcpy(out.data() + i * kSector, bytes.data(), kSector);
    }
}

void SimDisk::poke(base::Sector sector, base::ConstBytes bytes) {
    REQUIRE(bytes.size() % kSector == 0);
    for (std::size_t i = 0; i < bytes.size() / kSector; ++i) {
        SectorBytes content;
        std::memcpy(content.data(), bytes.data() + i * kSector, kSector);
        dirty_.erase(sector.value + i);
        store(sector.value + i, content);
    }
}

void SimDisk::store(std::uint64_t sector, const SectorBytes& bytes) {
    auto& block = blocks_[sector / 8];
    if (block == nullptr) {
        block = std::make_unique<Block>();
    }
    std::memcpy(block->data() + sector % 8 * kSector, bytes.data(), kSector);
    changed_.insert(sector / 8);
}

SimDisk::SectorBytes SimDisk::load(std::uint64_t sector) const {
    SectorBytes bytes{};
    if (const auto found = blocks_.find(sector / 8); found != blocks_.end()) {
        std::memcpy(bytes.data(), found->second->data() + sector % 8 * kSector, kSector);
    }
    return bytes;
}

std::set<std::uint64_t> SimDisk::blocks_ever_written() const {
    std::set<std::uint64_t> numbers;
    for (const auto& [number, block] : blocks_) {
        numbers.insert(number);
    }
    return numbers;
}

}  // namespace sim
