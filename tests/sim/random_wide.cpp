// The wide space: every option that changes safety, and what else happens to a pair in its life.
#include "meta/superblock.h"
#include "tests/sim/random_run.h"

#include <algorithm>
#include <cerrno>

namespace sim {

using namespace std::chrono_literals;

using engine::AfterSplitBrain;
using engine::DiskState;
using engine::OnIoError;
using engine::Role;

namespace {

constexpr DiskLatency kFastDisk{};

template <typename T, std::size_t N>
T any_of(base::Prng& chance, const T (&choices)[N]) {
    return choices[chance.below(N)];
}

// The peer need not have the same.
void draw_own(engine::DiskSettings& disk, base::Prng& chance) {
    constexpr OnIoError kOnIoError[] = {
        OnIoError::Detach, OnIoError::Detach, OnIoError::CallLocalIoError, OnIoError::PassOn};
    constexpr std::uint32_t kExtents[] = {7, 67, 67, 127, 1237};
    constexpr std::uint32_t kKib[] = {2'048, 10'240, 102'400};
    disk.al_extents = any_of(chance, kExtents);
    disk.on_io_error = any_of(chance, kOnIoError);
    const bool fixed = chance.chance(0.15);
    const bool limited = chance.chance(0.25);
    const std::uint32_t kib = any_of(chance, kKib);
    disk.resync_rate_fixed = fixed;
    disk.resync_rate_kib = fixed ? kib : 250;
    disk.c_max_rate_kib = limited && !fixed ? kib : 0;
    constexpr std::uint32_t kMinRate[] = {0, 250, 4'000};
    disk.c_min_rate_kib = any_of(chance, kMinRate);
    disk.c_fill_target = chance.chance(0.2) ? 0 : 100;
}

void draw_own(engine::NetSettings& net, base::Prng& chance) {
    constexpr std::uint32_t kEpochs[] = {1, 4, 2048};
    constexpr std::uint32_t kBuffers[] = {32, 512, 2048};
    net.use_rle = chance.chance(0.7);
    net.timeout = chance.chance(0.5) ? 6s : 2s;
    net.ping_int = chance.chance(0.5) ? 10s : 1s;
    net.ko_count = chance.chance(0.7) ? 7 : 2;
    net.max_epoch_size = any_of(chance, kEpochs);
    net.max_buffers = any_of(chance, kBuffers);
    net.explicit_flush = chance.chance(0.5);
}

// Both nodes have the same, or they do not connect.
void draw_policies(engine::NetSettings& net, base::Prng& chance) {
    using enum AfterSplitBrain;
    constexpr AfterSplitBrain kZero[] = {Disconnect,
                                         DiscardYoungerPrimary,
                                         DiscardOlderPrimary,
                                         DiscardZeroChanges,
                                         DiscardLeastChanges};
    constexpr AfterSplitBrain kOne[] = {
        Disconnect, Consensus, DiscardSecondary, CallPriLostAfterSb, ViolentlyAs0p};
    constexpr AfterSplitBrain kTwo[] = {Disconnect, CallPriLostAfterSb, ViolentlyAs0p};
    const AfterSplitBrain zero = any_of(chance, kZero);
    const AfterSplitBrain one = any_of(chance, kOne);
    const AfterSplitBrain two = any_of(chance, kTwo);
    const bool always = chance.chance(0.3);
    const bool call = chance.chance(0.3);
    if (chance.chance(0.3)) {
        net.after_sb_0p = zero;
        net.after_sb_1p = one;
        net.after_sb_2p = two;
        net.always_asbp = always;
        net.rr_conflict = call ? engine::RrConflict::CallPriLost : engine::RrConflict::Disconnect;
    }
}

bool has_policies(const engine::NetSettings& net) {
    return net.after_sb_0p != AfterSplitBrain::Disconnect ||
           net.after_sb_1p != AfterSplitBrain::Disconnect ||
           net.after_sb_2p != AfterSplitBrain::Disconnect;
}

}  // namespace

void RandomRun::widen(ClusterOptions& options, base::Prng& chance) {
    constexpr std::uint64_t kMib = 1u << 20;
    constexpr std::uint64_t kDevices[] = {8, 8, 8, 8, 8, 320, 320, 1200};
    constexpr std::uint32_t kStripes[] = {1, 1, 1, 2, 8, 64};
    constexpr Protocol kProtocols[] = {Protocol::C, Protocol::C, Protocol::B, Protocol::A};
    options.protocol = any_of(chance, kProtocols);
    options.volumes = chance.chance(0.5) ? 1 : 1 + chance.below(4);
    options.device_bytes = any_of(chance, kDevices) * kMib;
    options.al_stripes = any_of(chance, kStripes);
    draw_own(options.disk, chance);
    draw_own(options.net, chance);
    draw_policies(options.net, chance);
    const bool large_blocks = chance.chance(0.15);
    const bool mixed = chance.chance(0.1);
    if (large_blocks) {
        options.block_bytes = 4096;
    } else if (mixed) {
        options.bobs_block_bytes = 4096;
    }
    // Of a source of its own: what has been drawn for a seed since it was written down stays.
    base::Prng placement(~options.seed);
    for (bool& external : options.external_metadata) {
        external = placement.chance(0.25);
    }
    constexpr const char* kDigests[] = {"", "crc32c", "crc32c", "sha1", "xxhash64"};
    options.net.verify_alg = any_of(placement, kDigests);
    constexpr io::Duration kTimeouts[] = {2s, 2s, 5s, 30s};
    const io::Duration timeout = any_of(placement, kTimeouts);
    if (placement.chance(0.25)) {
        options.disk.disk_timeout = timeout;
    }
    constexpr const char* kWithData[] = {"", "", "crc32c", "sha1", "xxhash64"};
    options.net.integrity_alg = any_of(placement, kWithData);
    constexpr const char* kCompared[] = {"", "", "crc32c", "md5", "xxhash64"};
    options.net.csums_alg = any_of(placement, kCompared);
    options.net.csums_after_crash_only = placement.chance(0.3);
    using enum engine::ReadBalancing;
    constexpr engine::ReadBalancing kReads[] = {
        PreferRemote, RoundRobin, LeastPending, WhenCongestedRemote, Striping32K, Striping1M};
    const engine::ReadBalancing reads = any_of(placement, kReads);
    if (placement.chance(0.5)) {
        options.disk.read_balancing = reads;
    }
    constexpr std::uint32_t kFill[] = {8, 64, 256, 0};
    constexpr std::uint32_t kInUse[] = {7, 67, 1237};
    options.net.congestion_fill = any_of(placement, kFill);
    options.net.congestion_extents = any_of(placement, kInUse);
    if (placement.chance(0.45)) {  // to disconnect would ask for a person each time
        options.net.on_congestion = engine::OnCongestion::PullAhead;
    }
    constexpr io::Duration kSlow[] = {100ms, 400ms, 1500ms};
    const io::Duration slow = any_of(chance, kSlow);
    if (chance.chance(0.1)) {
        options.latency.high = slow;
    }
}

// --- What happens ---

void RandomRun::act_widely() {
    const std::uint64_t kind = chance_.below(100);
    const Node node = any_node();
    if (cluster_.host(node).frozen() && chance_.chance(0.5)) {
        cluster_.thaw(node);
    }
    if (kind < 36) {
        act_on_io();
    } else if (kind < 47) {
        act_on_link();
    } else if (kind < 57) {
        act_on_node();
    } else if (kind < 60) {
        act_on_frozen(node);
    } else if (kind < 71) {
        act_on_role();
    } else if (kind < 79) {
        act_on_connection();
    } else if (kind < 83) {
        act_on_full_sync();
    } else if (kind < 84) {
        act_on_pause(node);
    } else if (kind < 85) {
        act_on_size();
    } else if (kind < 86) {
        act_on_settings();
    } else if (kind < 89) {
        act_on_clients();
    } else {
        act_on_disk_widely();
    }
    if (verify_chance_.chance(0.1)) {
        act_on_verify();
    }
    if (digest_chance_.chance(0.1)) {
        act_on_digests();
    }
    if (turn_chance_.chance(0.05)) {
        act_on_turn();
    }
    cluster_.run_for(any_pause());
}

// Whatever is going on: what it marks is held against what differs.
void RandomRun::act_on_verify() {
    const Node node = verify_chance_.chance(0.5) ? Node::Alice : Node::Bob;
    const std::size_t volume = verify_chance_.below(volumes_);
    const bool resumed = verify_chance_.chance(0.3);
    // Block by block over all of a large one is most of a run, and shows nothing more.
    const std::uint64_t first =
        (options_.device_bytes - std::min(options_.device_bytes, kSmallDevice)) /
        base::kSectorBytes;
    if (answers(node)) {
        const bool repair = verify_chance_.chance(0.4);  // a Secondary refuses
        cluster_.verify(node, resumed ? std::nullopt : std::optional(first), volume, repair);
    }
}

// Another volume's resync comes first, or is over.
void RandomRun::act_on_turn() {
    const Node node = turn_chance_.chance(0.5) ? Node::Alice : Node::Bob;
    const std::size_t volume = turn_chance_.below(volumes_);
    const bool waits = turn_chance_.chance(0.4);
    if (answers(node)) {
        cluster_.resync_turn(node, waits, volume);
    }
}

// With digests what goes over the wire may be spoilt, and they may be others on both nodes.
void RandomRun::act_on_digests() {
    if (!cluster_.settings.net.integrity_alg.empty() && digest_chance_.chance(0.7)) {
        cluster_.net().spoil_next_payload(digest_chance_.chance(0.5) ? Node::Alice : Node::Bob);
        return;
    }
    constexpr const char* kOthers[] = {"crc32c", "md5", "sha256", "xxhash64"};
    const std::string algorithm = any_of(digest_chance_, kOthers);
    const Node first = digest_chance_.chance(0.5) ? Node::Alice : Node::Bob;
    const bool both_listen = std::all_of(std::begin(kNodes), std::end(kNodes), [this](Node node) {
        return !cluster_.host(node).running() || answers(node);
    });
    // Two changes whose words cross leave each node with the other one's, as in DRBD, until the
    // next.
    if (!both_listen || cluster_.now() < digests_known_at_) {
        return;
    }
    digests_known_at_ = cluster_.now() + 5s;
    cluster_.settings.net.integrity_alg = algorithm;
    for (const Node node : {first, other(first)}) {
        std::optional<engine::ResourceSettings>& own = cluster_.own_settings[index(node)];
        own = own.value_or(cluster_.settings);
        own->net.integrity_alg = algorithm;
        if (answers(node)) {
            cluster_.admin(node, engine::ChangeSettings{*own});
        }
    }
}

void RandomRun::act_on_frozen(Node node) {
    if (cluster_.host(node).frozen()) {
        cluster_.thaw(node);
    } else {
        cluster_.freeze(node);
    }
}

// In the middle of whatever is going on. Never of the last good copy.
void RandomRun::act_on_full_sync() {
    const Node victim = any_node();
    const Node source = other(victim);
    const std::size_t volume = any_volume();
    const bool remotely = chance_.chance(0.5);
    if (options_.device_bytes != kSmallDevice || !answers(victim) || !answers(source) ||
        faulty_ == source || cluster_.disk_state(source, volume) != DiskState::UpToDate ||
        cluster_.oracles().history(volume).holds(source) != Holds::All ||
        cluster_.status(victim, volume).state.pdsk != DiskState::UpToDate) {
        return;
    }
    if (remotely) {
        cluster_.invalidate_remote(source, volume);
    } else {
        cluster_.invalidate(victim, volume);
    }
}

// Some are forgotten by the person who began them, until all has to come to a good end.
void RandomRun::act_on_pause(Node node) {
    const std::size_t volume = any_volume();
    const bool paused = chance_.chance(0.6);
    if (!answers(node)) {
        return;
    }
    if (chance_.chance(0.3)) {
        // Nobody lets go on what waits for the verdict on a peer: that would split the pair.
        if (paused || !cluster_.status(node, volume).state.susp_fen) {
            cluster_.suspend_io(node, paused, volume);
        }
    } else {
        cluster_.pause_sync(node, paused, volume);
    }
}

// Disks grow, mostly both; not every node is told, and none is asked what it was doing.
void RandomRun::act_on_size() {
    const std::size_t volume = any_volume();
    const std::uint64_t gain = (1 + chance_.below(6)) << 20;
    const Node first = any_node();
    const bool alone = chance_.chance(0.3);
    for (const Node node : kNodes) {
        if ((!alone || node == first) && chance_.chance(0.8) &&
            cluster_.disk(node, volume).geometry().size_bytes < options_.device_bytes + kMostGain) {
            cluster_.grow_disk(node, gain, volume);
        }
    }
    if (answers(first) && chance_.chance(0.8)) {
        cluster_.resize(first, volume);
    }
}

void RandomRun::act_on_settings() {
    const Node node = any_node();
    const bool online = chance_.chance(0.5);
    change_settings_of(node, !online && !cluster_.host(node).running());
    if (online && answers(node)) {
        cluster_.admin(node, engine::ChangeSettings{*cluster_.own_settings[index(node)]});
    }
}

// What it offers to the peer is fixed for the life of a process: a handshake may be under way.
void RandomRun::change_settings_of(Node node, bool restarted) {
    std::optional<engine::ResourceSettings>& own = cluster_.own_settings[index(node)];
    own = own.value_or(cluster_.settings);
    const bool offered = own->net.explicit_flush;
    for (engine::VolumeSettings& volume : own->volumes) {
        draw_own(volume.disk, chance_);
    }
    draw_own(own->net, chance_);
    own->net.explicit_flush = restarted ? own->net.explicit_flush : offered;
}

// They vanish, and the next thing that anybody wants is the node's role.
void RandomRun::act_on_clients() {
    cluster_.stop_load();
    const auto node = primary();
    if (node && answers(*node) && chance_.chance(0.5)) {
        cluster_.demote(*node);
    }
}

void RandomRun::act_on_disk_widely() {
    const Node node = faulty_.value_or(any_node());
    const std::size_t volume = any_volume();
    SimDisk& disk = cluster_.disk(node, volume);
    if (!had_disk_faults_ && has_policies(options_.net)) {
        // Generations may part without two Primaries; which one goes is the policy's choice then.
        cluster_.oracles().allow_data_loss();
    }
    faulty_ = node;
    had_disk_faults_ = true;
    if (disk.geometry().meta && chance_.chance(0.15)) {
        return disk.fail_metadata(EIO);
    }
    switch (chance_.below(12)) {
        case 0:
            return disk.fail_operation(1 + chance_.below(20), EIO);
        case 1:
            return disk.add_bad_sector({chance_.below(512)});
        case 2:
            return disk.fail_all(io::DiskOp::Kind::Flush, EIO);
        case 3:
            disk.set_stuck(true);
            cluster_.world().after(any_pause(), [&disk] { disk.set_stuck(false); });
            return;
        case 4:
        case 5:
            if (answers(node)) {
                cluster_.detach(node, volume, chance_.chance(0.3));
            }
            if (answers(node) && chance_.chance(0.4)) {
                cluster_.remove_volume(node, volume);  // comes back with the disk
            }
            return;
        case 6:
            return disk.lose_next_flush();
        case 7:
            return slow_down(disk);
        case 8:
            return spread_bad_sectors(node, volume);
        default:
            disk.heal();
            if (answers(node)) {
                cluster_.attach(node, volume);
            }
            faulty_.reset();
            return;
    }
}

void RandomRun::slow_down(SimDisk& disk) {
    constexpr io::Duration kSlow[] = {100ms, 400ms, 1500ms};
    DiskLatency slow = options_.latency;
    slow.high = any_of(chance_, kSlow);
    disk.set_latency(slow);
    cluster_.world().after(any_pause(), [this, &disk] { disk.set_latency(options_.latency); });
}

// Found when something reads them. One of ten lies in the metadata.
void RandomRun::spread_bad_sectors(Node node, std::size_t volume) {
    const Host::Volume& side = cluster_.host(node).volume(volume);
    const std::uint64_t end = side.disk->end().value;
    const std::uint64_t data = side.layout.usable_sectors;
    for (int i = 0; i < 5; ++i) {
        const bool metadata = chance_.chance(0.1);
        const std::uint64_t first = metadata ? data : 0;
        const std::uint64_t count = metadata ? end - data : std::min<std::uint64_t>(data, 8192);
        side.disk->add_bad_sector({first + chance_.below(count)});
    }
}

// Before everything has to come to a good end.
void RandomRun::calm_down() {
    for (const Node node : kNodes) {
        cluster_.thaw(node);
        for (std::size_t i = 0; i < volumes_ && space_ != Space::First; ++i) {
            cluster_.disk(node, i).set_latency(kFastDisk);
            if (answers(node) && cluster_.status(node, i).state.aftr_isp) {
                cluster_.resync_turn(node, false, i);
            }
            if (answers(node) && cluster_.status(node, i).state.user_isp) {
                cluster_.pause_sync(node, false, i);
            }
            if (answers(node) && cluster_.status(node, i).state.susp) {
                cluster_.suspend_io(node, false, i);
            }
        }
    }
}

}  // namespace sim
