#include "tests/sim/cluster.h"

#include "base/require.h"
#include "meta/superblock.h"

#include <algorithm>

namespace sim {

using namespace std::chrono_literals;

using engine::ConnState;
using engine::DiskState;
using engine::Role;
using Op = engine::AppRequest::Op;

namespace {

constexpr std::uint64_t kFirstGeneration = 0x5eed5eed5eed5e00ull;
constexpr std::uint64_t kLargestSectors = 256;      // of a random request
constexpr std::uint64_t kMetadataBytes = 4u << 20;  // of a device of its own

}  // namespace

Cluster::Cluster(ClusterOptions options)
    : options_(options), world_(options.seed), net_(world_, options.link) {
    options_.net.protocol = options_.protocol;
    settings = make_settings();
    HostObserver& self = *this;
    for (const Node node : kNodes) {
        auto& host = hosts_[index(node)];
        host = std::make_unique<Host>(world_, net_, self, node);
        io::DiskGeometry geometry;
        geometry.size_bytes = node == Node::Bob && options.bobs_device_bytes != 0
                                  ? options.bobs_device_bytes
                                  : options.device_bytes;
        geometry.can_discard = options.can_discard;
        const std::uint32_t block = node == Node::Bob && options.bobs_block_bytes != 0
                                        ? options.bobs_block_bytes
                                        : options.block_bytes;
        geometry.logical_block_bytes = geometry.physical_block_bytes = block;
        if (options.external_metadata[index(node)]) {
            geometry.meta = io::MetaGeometry{kMetadataBytes, std::nullopt};
        }
        for (std::size_t i = 0; i < options.volumes; ++i) {
            host->add_volume(geometry, options.al_stripes);
            host->volume(i).disk->set_latency(options.latency);
        }
    }
    oracles_ = std::make_unique<Oracles>(world_,
                                         std::array<Host*, 2>{hosts_[0].get(), hosts_[1].get()},
                                         options.volumes,
                                         options.protocol);
}

// Machines go before the network: what is queued lives in their pools. An engine that is gone must
// not have left a buffer behind.
Cluster::~Cluster() {
    for (const Node node : kNodes) {
        host(node).power_cut({});
    }
}

engine::ResourceSettings Cluster::make_settings() const {
    engine::ResourceSettings made;
    made.name = "r0";
    made.net = options_.net;
    made.fencing = options_.fencing;
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        const auto number = static_cast<std::uint16_t>(i);
        made.volumes.push_back({{number}, number, options_.disk});
    }
    return made;
}

// --- Setting up ---

void Cluster::prepare_disks(std::uint64_t current_uuid) {
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < options_.volumes; ++i) {
            Host::Volume& volume = host(node).volume(i);
            meta::Layout layout = volume.layout;
            layout.usable_sectors = std::min(host(Node::Alice).volume(i).layout.usable_sectors,
                                             host(Node::Bob).volume(i).layout.usable_sectors);
            create_metadata(*volume.disk, layout, current_uuid, volume.al_stripes);
        }
    }
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < options_.volumes; ++i) {
            oracles_->disk_replaced(node, i);
        }
    }
}

void Cluster::start_fresh() {
    prepare_disks(meta::kUuidJustCreated);
    start(Node::Alice, false);
    start(Node::Bob, false);
}

void Cluster::start_in_sync() {
    prepare_disks(kFirstGeneration);
    start(Node::Alice);
    start(Node::Bob);
    if (!run_until_in_sync()) {
        world_.fail("the cluster does not get in sync at the start");
    }
}

void Cluster::replace_disk(Node node, std::size_t volume) {
    Host::Volume& side = host(node).volume(volume);
    REQUIRE(!side.attached);
    create_metadata(*side.disk, side.layout, meta::kUuidJustCreated, side.al_stripes);
    oracles_->disk_replaced(node, volume);
}

void Cluster::start(Node node, bool connect_too) {
    if (violation().empty() && !host(node).running()) {
        host(node).start(own_settings[index(node)].value_or(settings));
        std::vector<engine::AdminId> attaches;
        for (std::size_t i = 0; i < options_.volumes; ++i) {
            move_metadata_to_end(node, i);
            attaches.push_back(admin_begin(
                node, engine::Attach{{static_cast<std::uint16_t>(i)}, disk(node, i).geometry()}));
        }
        run_until(
            [&] {
                return !host(node).running() ||
                       std::all_of(attaches.begin(), attaches.end(), [&](engine::AdminId id) {
                           return answer(id).answered;
                       });
            },
            admin_limit);
        if (connect_too && host(node).running()) {
            connect(node);
        }
    }
}

// --- The administrator ---

engine::AdminId Cluster::admin_begin(Node node, engine::AdminCommand command) {
    const engine::AdminId id{next_id_++};
    if (host(node).running()) {
        open_admin_[id.value] = {node, world_.now(), command};
        host(node).admin(id, std::move(command));
    } else {
        answers_[id.value] = {true, false, -1, "the process is not running"};
    }
    return id;
}

AdminResult Cluster::answer(engine::AdminId id) const {
    const auto found = answers_.find(id.value);
    return found == answers_.end() ? AdminResult{} : found->second;
}

AdminResult Cluster::admin(Node node, engine::AdminCommand command) {
    const engine::AdminId id = admin_begin(node, std::move(command));
    run_until([&] { return answer(id).answered; }, admin_limit + 1s);
    return answer(id);
}

AdminResult Cluster::attach(Node node, std::size_t volume) {
    move_metadata_to_end(node, volume);
    if (host(node).running() && !host(node).has_volume(volume)) {
        add_volume(node, volume);
    }
    return admin(
        node, engine::Attach{{static_cast<std::uint16_t>(volume)}, disk(node, volume).geometry()});
}

AdminResult Cluster::add_volume(Node node, std::size_t volume) {
    const engine::ResourceSettings& own = own_settings[index(node)].value_or(settings);
    return admin(node, engine::AddVolume{own.volumes.at(volume)});
}

AdminResult Cluster::remove_volume(Node node, std::size_t volume) {
    const AdminResult result =
        admin(node, engine::RemoveVolume{{static_cast<std::uint16_t>(volume)}});
    if (result.ok()) {  // and what was said of it
        std::erase(suspensions_, Suspension{node, volume, host(node).incarnation()});
    }
    return result;
}

AdminResult Cluster::detach(Node node, std::size_t volume, bool force) {
    return admin(node, engine::Detach{{static_cast<std::uint16_t>(volume)}, force});
}

AdminResult Cluster::invalidate(Node node, std::size_t volume) {
    return admin(node, engine::Invalidate{{static_cast<std::uint16_t>(volume)}});
}

AdminResult Cluster::invalidate_remote(Node node, std::size_t volume) {
    return admin(node, engine::InvalidateRemote{{static_cast<std::uint16_t>(volume)}});
}

void Cluster::grow_disk(Node node, std::uint64_t bytes, std::size_t volume) {
    host(node).grow_disk(volume, disk(node, volume).geometry().size_bytes + bytes);
}

void Cluster::move_metadata_to_end(Node node, std::size_t volume) {
    Host::Volume& side = host(node).volume(volume);
    if (side.attached || side.disk->outstanding() != 0) {
        return;
    }
    host(node).settle_layout(volume);
    if (side.new_layout && side.layout == *side.old_layout) {
        move_metadata(*side.disk, *side.old_layout, *side.new_layout);
        oracles_->metadata_moved(node, volume);
    }
    host(node).forget_old_layout(volume);
}

AdminResult Cluster::resize(Node node, std::size_t volume) {
    return admin(node, engine::Resize{{static_cast<std::uint16_t>(volume)}});
}

AdminResult Cluster::suspend_io(Node node, bool suspended, std::size_t volume) {
    const Suspension one{node, volume, host(node).incarnation()};
    if (!suspended) {
        std::erase(suspensions_, one);
        resumed_.push_back(one);
        resuming_.push_back(one);
        must_freeze_[index(node)].erase(volume);
    }
    const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
    const AdminResult result = admin(node, engine::SuspendIo{number, suspended});
    std::erase(resuming_, one);
    if (suspended && result.ok() && one.incarnation == host(node).incarnation()) {
        suspensions_.push_back(one);
    }
    return result;
}

void Cluster::connect_both() {
    const engine::AdminId ids[] = {admin_begin(Node::Alice, engine::ConnectCommand{}),
                                   admin_begin(Node::Bob, engine::ConnectCommand{})};
    run_until([&] { return answer(ids[0]).answered && answer(ids[1]).answered; }, admin_limit + 1s);
}

// --- The application ---

RequestNumber Cluster::issue(Node node, Op op, std::uint64_t sector, std::uint64_t sectors, Io io) {
    const RequestNumber id = next_id_++;
    if (!host(node).running()) {
        results_[id] = ENODEV;
        return id;
    }
    Lineage& lineage = oracles_->history(io.volume).lineage(node);
    engine::AppRequest request;
    request.id = {id};
    request.volume = {static_cast<std::uint16_t>(io.volume)};
    request.op = op;
    request.fua = io.fua;
    request.sector = {sector};
    request.length = sectors * kSectorBytes;
    if (op == Op::Read || op == Op::Write) {
        request.payload = host(node).pool().allocate_slice(request.length);
    }
    if (op == Op::Read) {
        lineage.read_issued(id, {sector}, sectors);
    } else if (op != Op::Flush) {
        const Stamp stamp = op == Op::Write ? next_stamp_++ : kZeroes;
        lineage.issued(id, {sector}, sectors, stamp, op == Op::Discard);
        oracles_->note_write(io.volume, {sector}, sectors);
        for (std::uint64_t i = 0; op == Op::Write && i < sectors; ++i) {
            fill_sector(
                request.payload.bytes().subspan(i * kSectorBytes, kSectorBytes), sector + i, stamp);
        }
    }
    open_[id] = {node,
                 io.volume,
                 op,
                 io.fua,
                 world_.now(),
                 world_.now(),
                 lineage.mark(),
                 oracles_->history(io.volume).shared_lineage(node)};
    host(node).step(std::move(request));
    return id;
}

RequestNumber Cluster::write(Node node, std::uint64_t sector, std::uint64_t sectors, Io io) {
    return issue(node, Op::Write, sector, sectors, io);
}

RequestNumber Cluster::read(Node node, std::uint64_t sector, std::uint64_t sectors, Io io) {
    return issue(node, Op::Read, sector, sectors, io);
}

RequestNumber Cluster::discard(Node node, std::uint64_t sector, std::uint64_t sectors, Io io) {
    return issue(node, Op::Discard, sector, sectors, io);
}

RequestNumber Cluster::write_zeroes(Node node, std::uint64_t sector, std::uint64_t sectors, Io io) {
    return issue(node, Op::WriteZeroes, sector, sectors, io);
}

RequestNumber Cluster::flush(Node node, Io io) {
    return issue(node, Op::Flush, 0, 0, io);
}

std::uint64_t Cluster::block_sectors() const {
    return std::max(options_.block_bytes, options_.bobs_block_bytes) / kSectorBytes;
}

// Half of the requests go to a small region, so that they overlap.
void Cluster::random_request(Node node, bool only_writes) {
    if (!host(node).running() || host(node).status().role != Role::Primary) {
        return;
    }
    base::Prng& prng = world_.prng;
    Io io;
    io.volume = prng.below(options_.volumes);
    const std::uint64_t size = status(node, io.volume).size_sectors;
    if (size < kLargestSectors) {
        return;
    }
    std::uint64_t sectors =
        prng.chance(0.5) ? 8 : 1 + prng.below(prng.chance(0.2) ? kLargestSectors : 32);
    const std::uint64_t region = prng.chance(0.5) ? std::min<std::uint64_t>(size, 512) : size;
    std::uint64_t sector = prng.below(std::max<std::uint64_t>(region, sectors) - sectors + 1);
    sector = sectors == 8 ? sector / 8 * 8 : sector;
    const std::uint64_t end = sector + sectors;
    const std::uint64_t block = block_sectors();
    sector = sector / block * block;
    sectors = std::min(size, (end + block - 1) / block * block) - sector;
    io.fua = prng.chance(0.1);
    const std::uint64_t kind = prng.below(only_writes ? 11 : 20);
    if (kind < 10) {
        write(node, sector, sectors, io);
    } else if (kind == 10) {
        flush(node, io);
    } else if (kind == 11) {
        discard(node, sector, sectors, io);
    } else if (kind == 12) {
        write_zeroes(node, sector, sectors, io);
    } else {
        read(node, sector, sectors, io);
    }
}

void Cluster::random_writes(Node node, std::size_t count, io::Duration spread) {
    schedule_load(node, count, spread, true);
}

void Cluster::random_writes(Node node, std::size_t count) {
    random_writes(node, count, 200us * static_cast<std::int64_t>(count));
}

void Cluster::random_io(Node node, std::size_t count, io::Duration spread) {
    schedule_load(node, count, spread, false);
}

void Cluster::schedule_load(Node node, std::size_t count, io::Duration spread, bool only_writes) {
    scheduled_ += count;
    for (std::size_t i = 0; i < count; ++i) {
        world_.after(world_.between(0ns, spread), [this, node, only_writes, load = load_] {
            --scheduled_;
            if (load == load_) {
                random_request(node, only_writes);
            }
        });
    }
}

std::optional<int> Cluster::result(RequestNumber request) const {
    const auto found = results_.find(request);
    return found == results_.end() ? std::nullopt : std::optional<int>(found->second);
}

bool Cluster::drain(io::Duration limit) {
    return run_until([&] { return open_.empty() && scheduled_ == 0; }, limit);
}

// --- Faults ---

void Cluster::power_cut(Node node, PowerCut cut) {
    host(node).power_cut(cut);
}

void Cluster::cut_link() {
    cut_link(Node::Alice);
    cut_link(Node::Bob);
}

void Cluster::heal_link() {
    net_.set_delivers(Node::Alice, true);
    net_.set_delivers(Node::Bob, true);
}

void Cluster::spoil(Node node, std::uint64_t block, std::size_t volume) {
    std::array<std::uint8_t, 4096> bytes;
    disk(node, volume).peek({block * 8}, bytes);
    bytes[world_.prng.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << world_.prng.below(8));
    disk(node, volume).poke({block * 8}, bytes);
    oracles_->planted(volume, block);
}

// Whoever asked it something meanwhile goes on waiting.
void Cluster::thaw(Node node) {
    for (auto& [id, command] : open_admin_) {
        if (command.node == node) {
            command.issued = world_.now();
        }
    }
    host(node).thaw();
}

// --- Time ---

bool Cluster::step_until(io::Instant limit) {
    if (world_.failed() || !world_.has_event_until(limit)) {
        return false;
    }
    world_.run_next();
    check_patience();
    return true;
}

void Cluster::run_for(io::Duration duration) {
    const io::Instant limit = world_.now() + duration;
    while (step_until(limit)) {
    }
    if (!world_.failed()) {
        world_.advance_to(limit);
    }
}

bool Cluster::run_until(const std::function<bool()>& condition, io::Duration limit) {
    const io::Instant end = world_.now() + limit;
    while (!condition()) {
        if (!step_until(end)) {
            if (!world_.failed()) {
                world_.advance_to(end);
            }
            return false;
        }
    }
    return !world_.failed();
}

bool Cluster::run_until_in_sync(io::Duration limit) {
    return run_until([this] { return in_sync(); }, limit);
}

// Nothing hangs: every request and every command is answered within its limit.
void Cluster::check_patience() {
    if (world_.now() < next_patience_check_) {
        return;
    }
    next_patience_check_ = world_.now() + 100ms;
    for (auto& [id, request] : open_) {
        if (suspended(request.node, request.volume) ||
            must_freeze_[index(request.node)].contains(request.volume)) {
            request.waits_since = world_.now();  // patience begins again when the I/O goes on
        }
        if (world_.now() - request.waits_since > request_limit) {
            return world_.fail(base::format("request %llu of %s (op %d) is not answered",
                                            static_cast<unsigned long long>(id),
                                            name(request.node),
                                            static_cast<int>(request.op)));
        }
    }
    for (const auto& [id, command] : open_admin_) {
        if (!command.answered && world_.now() - command.issued > admin_limit &&
            !host(command.node).frozen()) {
            return world_.fail(base::format("command %llu of %s (kind %zu) is not answered",
                                            static_cast<unsigned long long>(id),
                                            name(command.node),
                                            command.command.index()));
        }
    }
}

// --- Looking ---

engine::VolumeStatus Cluster::status(Node node, std::size_t volume) {
    return host(node).running() ? host(node).status().volumes.at(volume) : engine::VolumeStatus{};
}

bool Cluster::in_sync() const {
    for (const Node node : kNodes) {
        if (!host(node).running()) {
            return false;
        }
        const engine::ResourceStatus now = host(node).status();
        for (const engine::VolumeStatus& volume : now.volumes) {
            if (volume.state.conn != ConnState::Connected ||
                volume.state.disk != DiskState::UpToDate ||
                volume.state.pdsk != DiskState::UpToDate) {
                return false;
            }
        }
    }
    return true;
}

bool Cluster::disks_identical() const {
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        if (!oracles_->differing(i).empty()) {
            return false;
        }
    }
    return true;
}

std::optional<Stamp> Cluster::peek(Node node, std::size_t volume, std::uint64_t sector) const {
    std::array<std::uint8_t, kSectorBytes> bytes;
    host(node).volume(volume).disk->peek({sector}, bytes);
    return read_stamp(bytes, sector);
}

std::vector<std::uint64_t> Cluster::lost_acked_writes(Node node, std::size_t volume) {
    return oracles_->history(volume).lineage(node).lost(
        [&](std::uint64_t sector) { return peek(node, volume, sector); });
}

void Cluster::check_convergence(io::Duration limit) {
    if (!run_until_in_sync(limit)) {
        return world_.fail(base::format("not in sync in time: alice %s %s, bob %s %s",
                                        engine::name(conn(Node::Alice)),
                                        engine::name(disk_state(Node::Alice)),
                                        engine::name(conn(Node::Bob)),
                                        engine::name(disk_state(Node::Bob))));
    }
    drain(limit);
    run_for(5s);
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        std::set<std::uint64_t> differing = oracles_->differing(i);
        if (!options_.net.explicit_flush) {
            // A kernel does not copy what a device has gained if only the handshake tells of it.
            const Lineage& lineage = oracles_->history(i).lineage(Node::Alice);
            std::erase_if(differing, [&](std::uint64_t block) {
                return lineage.is_unused_gain(block * base::kSectorsPerBit, base::kSectorsPerBit);
            });
        }
        if (!differing.empty()) {
            world_.fail(base::format(
                "both UpToDate, but %zu blocks of volume %zu differ, the first is %llu",
                differing.size(),
                i,
                static_cast<unsigned long long>(*differing.begin())));
        }
        oracles_->history(i).settled();
        for (const Node node : kNodes) {
            if (status(node, i).state.frozen() && !suspended(node, i)) {
                world_.fail(std::string(name(node)) + " is frozen although all is well");
            }
            const auto lost = lost_acked_writes(node, i);
            if (!lost.empty()) {
                world_.fail(base::format(
                    "%s lost %zu acknowledged sectors of volume %zu, the first is "
                    "%llu: it holds %llx, may hold%s",
                    name(node),
                    lost.size(),
                    i,
                    static_cast<unsigned long long>(lost.front()),
                    static_cast<unsigned long long>(peek(node, i, lost.front()).value_or(~0ull)),
                    oracles_->history(i).lineage(node).describe(lost.front()).c_str()));
            }
        }
    }
}

std::string Cluster::replay_hint() const {
    return base::format("seed %llu", static_cast<unsigned long long>(options_.seed));
}

}  // namespace sim
