#include "tests/sim/random_run.h"

#include "meta/superblock.h"
#include "tests/sim/disk_metadata.h"

#include <algorithm>
#include <cerrno>

namespace sim {

using namespace std::chrono_literals;

using engine::ConnState;
using engine::DiskState;
using engine::Role;

namespace {

constexpr std::uint64_t kManyExtents = 320u << 20;  // more extents than the activity log has slots

// "Retry after next state change": no time was left in one answer.
constexpr int kTryAgain = static_cast<int>(engine::StateCode::InTransientState);

// Each device is copied whole, twice, over this link: a small buffer and a long way make it slow.
io::Duration sync_limit(const ClusterOptions& options) {
    const double latency = std::chrono::duration<double>(options.link.high_latency).count();
    const double rate = std::min(static_cast<double>(options.link.bytes_per_second),
                                 static_cast<double>(options.link.send_buffer) / latency);
    const double bytes = static_cast<double>(options.device_bytes * options.volumes);
    return 900s + std::chrono::seconds(static_cast<int>(2 * bytes / rate));
}

}  // namespace

io::Duration RandomRun::any_pause() {
    const io::Duration scales[] = {1ms, 20ms, 300ms, 4s};
    const io::Duration scale = scales[chance_.below(4)];
    return scale * static_cast<std::int64_t>(1 + chance_.below(10)) / 3;
}

std::optional<Space> space_of(const std::string& name) {
    return name == "first"                  ? std::optional(Space::First)
           : name == "wide" || name.empty() ? std::optional(Space::Wide)
                                            : std::nullopt;
}

ClusterOptions RandomRun::draw_options(base::Prng& chance, Variant variant, Space space) {
    ClusterOptions options;
    options.seed = chance.next();
    const Protocol protocols[] = {Protocol::C, Protocol::C, Protocol::C, Protocol::B, Protocol::A};
    options.protocol = protocols[chance.below(5)];
    options.volumes = chance.chance(0.2) ? 2 : 1;
    options.device_bytes = chance.chance(0.15) ? kManyExtents : kSmallDevice;
    options.can_discard = chance.chance(0.7);
    options.disk.al_extents = 67;
    options.net.use_rle = chance.chance(0.7);
    options.net.timeout = chance.chance(0.5) ? 6s : 2s;
    options.net.ping_int = chance.chance(0.5) ? 10s : 1s;
    options.net.connect_int = chance.chance(0.5) ? 10s : 3s;
    options.net.ko_count = chance.chance(0.7) ? 7 : 2;
    options.net.max_epoch_size = chance.chance(0.3) ? 4 : 2048;
    options.net.max_buffers = chance.chance(0.2) ? 32 : 2048;
    if (chance.chance(0.3)) {
        options.link.high_latency = 20ms;
        options.link.bytes_per_second = 20'000'000;
        options.link.send_buffer = 16 * 1024;
    }
    if (chance.chance(0.2)) {
        options.latency.high = 30ms;
    }
    if (variant == Variant::Fenced) {
        options.fencing = engine::Fencing::ResourceOnly;
        base::Prng strictness(~options.seed ^ 0x5a5a);  // of a source of its own
        if (strictness.chance(0.5) && space != Space::First) {
            options.fencing = engine::Fencing::ResourceAndStonith;
        }
    }
    if (space != Space::First) {
        widen(options, chance);
    }
    return options;
}

RandomRun::RandomRun(std::uint64_t seed, bool verbose, const std::string& space, Variant variant)
    : variant_(variant),
      space_(space_of(space).value()),
      chance_(seed),
      options_(draw_options(chance_, variant, space_)),
      volumes_(options_.volumes),
      cluster_(options_),
      verify_chance_(~seed),
      digest_chance_(~seed + 1),
      turn_chance_(~seed + 2) {
    cluster_.world().trace.set_verbose(verbose);
    if (base::Prng(~seed ^ 0xda7a).chance(0.3) && space_ != Space::First) {
        cluster_.settings.on_no_data = engine::OnNoData::SuspendIo;
    }
    may_split_ = chance_.chance(0.2) && variant == Variant::Plain;
}

std::optional<Node> RandomRun::primary() {
    for (const Node node : kNodes) {
        if (cluster_.host(node).running() && cluster_.host(node).status().role == Role::Primary) {
            return node;
        }
    }
    return std::nullopt;
}

void RandomRun::begin() {
    // Who is forced alone on the larger of two unequal devices can't shrink it for the other one.
    const bool equal = options_.external_metadata[0] == options_.external_metadata[1];
    const bool may_be_fresh =
        options_.device_bytes == kSmallDevice && variant_ == Variant::Plain && equal;
    if (may_be_fresh && chance_.chance(0.2)) {
        cluster_.start_fresh();
        cluster_.connect_both();
        cluster_.run_for(any_pause());
        const Node first = any_node();
        while (!cluster_.promote(first, true).ok() && space_ != Space::First) {
            cluster_.run_for(2s);  // on a slow disk even that takes its time
        }
        return;
    }
    cluster_.start_in_sync();
    cluster_.promote(any_node());
}

void RandomRun::act_on_io() {
    const auto node = primary();
    if (node) {
        cluster_.random_io(*node, 1 + chance_.below(40), any_pause());
    }
}

void RandomRun::act_on_link() {
    switch (chance_.below(6)) {
        case 0:
            return cluster_.cut_link();
        case 1:
            return cluster_.cut_link(any_node());
        case 2:
            return cluster_.net().reset_connections();
        default:
            return cluster_.heal_link();
    }
}

void RandomRun::act_on_node() {
    const Node node = any_node();
    PowerCut cut;
    cut.drop_unflushed = chance_.chance(0.3) ? 1.0 : 0.5;
    if (!cluster_.host(node).running()) {
        return cluster_.start(node, chance_.chance(0.9));
    }
    switch (chance_.below(6)) {
        case 0:
            return cluster_.kill(node);
        case 1:
            return cluster_.power_cut(node, cut);
        case 2:
            return cluster_.host(node).crash_after_effects(chance_.below(60), std::nullopt);
        case 3:
            return cluster_.host(node).crash_after_effects(chance_.below(60), cut);
        default:
            return;
    }
}

// True if a promotion now begins a second history: the other node has gone on alone, or does now.
bool RandomRun::would_split(Node to) {
    const Node from = other(to);
    if (cluster_.host(from).running() && cluster_.host(from).status().role == Role::Primary) {
        return true;
    }
    for (std::size_t i = 0; i < volumes_; ++i) {
        const auto uuid = [&](Node node) {
            const Host::Volume& volume = cluster_.host(node).volume(i);
            return read_superblock(*volume.disk, volume.layout)->current_uuid &
                   ~meta::kUuidPrimaryBit;
        };
        if (uuid(to) != uuid(from) || cluster_.oracles().history(i).diverged()) {
            return true;
        }
    }
    return false;
}

void RandomRun::fail_over(Node to) {
    if (!answers(to)) {
        return;
    }
    if (variant_ == Variant::Fenced) {
        return fail_over_fenced(to);
    }
    // The link may break while the peer is asked: then the promotion goes on without it.
    const bool splits = would_split(to);
    if (splits) {
        if (!may_split_) {
            return;
        }
        has_split_ = true;
        cluster_.oracles().allow_data_loss();
    }
    const std::vector<bool> stale = stale_volumes(to);
    const bool was_primary = cluster_.host(to).status().role == Role::Primary;
    cluster_.promote(to);
    if (!splits && !was_primary) {
        judge_promotion(to, stale, "with the identifier of the other node");
    }
}

// Whatever the other node is and does.
void RandomRun::fail_over_fenced(Node to) {
    const std::vector<bool> stale = stale_volumes(to);
    const bool was_primary = cluster_.host(to).status().role == Role::Primary;
    cluster_.promote(to);
    if (!was_primary) {
        judge_promotion(to, stale, "in spite of fencing");
    }
}

// That lack what was acknowledged. Under protocol A its last writes may be on their way.
std::vector<bool> RandomRun::stale_volumes(Node to) {
    std::vector<bool> stale;
    for (std::size_t i = 0; i < volumes_; ++i) {
        // Nobody can ask a disk that is lost whether it had more.
        const bool only_disk = cluster_.host(other(to)).running() &&
                               cluster_.disk_state(other(to), i) <= DiskState::Failed;
        History& history = cluster_.oracles().history(i);
        stale.push_back(history.holds(to) == Holds::Stale && !history.may_lack_writes(to) &&
                        !only_disk);
    }
    return stale;
}

void RandomRun::judge_promotion(Node to, const std::vector<bool>& stale, const char* how) {
    if (!cluster_.host(to).running() || cluster_.host(to).status().role != Role::Primary) {
        return;
    }
    for (std::size_t i = 0; i < volumes_; ++i) {
        const engine::VolumeState state = cluster_.status(to, i).state;
        // The command may have waited for a resync.
        const bool still = cluster_.oracles().history(i).stale_when_promoted(to);
        if (stale[i] && still && state.disk == DiskState::UpToDate &&
            state.conn < ConnState::Connected) {
            cluster_.world().fail(
                base::format("%s was promoted %s, and lacks acknowledged writes", name(to), how));
        }
    }
}

void RandomRun::act_on_role() {
    const auto now = primary();
    if (!now) {
        return fail_over(any_node());
    }
    if (!answers(*now)) {
        return;
    }
    if (chance_.chance(0.5)) {
        const AdminResult demoted = cluster_.demote(*now);
        if (demoted.ok() && chance_.chance(0.8)) {
            fail_over(other(*now));
        }
    } else if ((may_split_ || variant_ == Variant::Fenced) && chance_.chance(0.3)) {
        fail_over(other(*now));
    }
}

void RandomRun::act_on_connection() {
    const Node node = any_node();
    switch (chance_.below(4)) {
        case 0:
            cluster_.disconnect(node, chance_.chance(0.3));
            return;
        case 1:
            if (options_.device_bytes == kSmallDevice && cluster_.in_sync() && primary() != node) {
                cluster_.invalidate(node, any_volume());
            }
            return;
        default:
            cluster_.connect(node);
            return;
    }
}

void RandomRun::act_on_disk() {
    const Node node = faulty_.value_or(any_node());
    const std::size_t volume = any_volume();
    SimDisk& disk = cluster_.disk(node, volume);
    faulty_ = node;
    had_disk_faults_ = true;  // generations may part without a promotion
    switch (chance_.below(8)) {
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
            cluster_.detach(node, volume, chance_.chance(0.3));
            return;
        default:
            disk.heal();
            cluster_.attach(node, volume);
            faulty_.reset();
            return;
    }
}

void RandomRun::act() {
    if (space_ != Space::First) {
        return act_widely();
    }
    const std::uint64_t kind = chance_.below(100);
    if (kind < 40) {
        act_on_io();
    } else if (kind < 55) {
        act_on_link();
    } else if (kind < 70) {
        act_on_node();
    } else if (kind < 82) {
        act_on_role();
    } else if (kind < 91) {
        act_on_connection();
    } else {
        act_on_disk();
    }
    cluster_.run_for(any_pause());
}

void RandomRun::attach_missing() {
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < volumes_; ++i) {
            if (cluster_.host(node).running() &&
                cluster_.disk_state(node, i) == DiskState::Diskless) {
                cluster_.attach(node, i);
            }
        }
    }
}

void RandomRun::bring_up() {
    calm_down();
    cluster_.heal_link();
    cluster_.net().spoil_no_more();
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < volumes_; ++i) {
            cluster_.disk(node, i).heal();
        }
        cluster_.host(node).crash_after_effects(~0ull, std::nullopt);
        cluster_.start(node);
    }
    cluster_.run_for(2s);
    attach_missing();
    for (const Node node : kNodes) {
        if (cluster_.conn(node) == ConnState::StandAlone) {
            cluster_.connect(node);
        }
    }
}

bool RandomRun::try_to_sync() {
    return cluster_.run_until(
               [this] {
                   return cluster_.in_sync() ||
                          (cluster_.conn(Node::Alice) == ConnState::StandAlone &&
                           cluster_.conn(Node::Bob) == ConnState::StandAlone);
               },
               sync_limit(options_)) &&
           cluster_.in_sync();
}

// As an administrator does it: everybody steps back, the node with less is the victim.
void RandomRun::resolve_split_brain() {
    cluster_.oracles().allow_data_loss();
    for (const Node node : kNodes) {
        cluster_.disconnect(node, true);
    }
    cluster_.run_for(1s);
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < volumes_; ++i) {
            if (cluster_.host(node).running() && cluster_.status(node, i).state.frozen()) {
                cluster_.suspend_io(node, false, i);
            }
        }
        cluster_.demote(node);
    }
    attach_missing();  // an attach is refused while the peer's history does not fit
    Node victim = any_node();
    for (const Node node : kNodes) {
        for (std::size_t i = 0; i < volumes_; ++i) {
            const bool less = cluster_.oracles().history(i).holds(node) <
                              cluster_.oracles().history(i).holds(other(node));
            victim = less ? node : victim;
        }
    }
    cluster_.connect(other(victim));
    cluster_.connect(victim, true);
}

// What the service has written was too much for the link: the other node may have been left behind.
bool RandomRun::catch_up() {
    const auto caught_up = [&] {
        return std::all_of(std::begin(kNodes), std::end(kNodes), [&](Node node) {
            for (std::size_t i = 0; i < volumes_; ++i) {
                if (cluster_.conn(node, i) != engine::ConnState::Connected) {
                    return false;
                }
            }
            return true;
        });
    };
    return cluster_.run_until(caught_up, 60s);
}

// All is well again: then the service can run, on either node.
void RandomRun::serve() {
    cluster_.stop_load();
    for (const Node node : kNodes) {
        if (!cluster_.violation().empty()) {
            return;
        }
        // Over a slow link, on a slow disk, one answer's time is not enough.
        const auto persist = [&](Node at, engine::AdminCommand command) {
            AdminResult result = cluster_.admin(at, command);
            for (int i = 0; i < 10 && result.code == kTryAgain && !result.still_running; ++i) {
                result = cluster_.admin(at, command);
            }
            return result;
        };
        if (persist(other(node), engine::Demote{}).still_running) {
            cluster_.run_for(10s);  // a disk that was slow until now has still to answer
        }
        if (cluster_.settings.net.on_congestion != engine::OnCongestion::Block && !catch_up()) {
            return cluster_.world().fail("a node stays behind although the link is quiet");
        }
        const AdminResult promoted = persist(node, engine::Promote{});
        const auto is_primary = [&] {
            return cluster_.host(node).status().role == engine::Role::Primary;
        };
        if (!promoted.ok() && !(promoted.still_running && cluster_.run_until(is_primary, 10s))) {
            return cluster_.world().fail(std::string(name(node)) +
                                         " is not promoted although all is well: " + promoted.text);
        }
        for (std::size_t i = 0; i < volumes_; ++i) {
            const RequestNumber requests[] = {cluster_.write(node, 8, 8, {.volume = i}),
                                              cluster_.flush(node, {.volume = i}),
                                              cluster_.read(node, 0, 8, {.volume = i})};
            cluster_.drain();
            for (const RequestNumber request : requests) {
                if (cluster_.result(request) != 0 && cluster_.violation().empty()) {
                    cluster_.world().fail(std::string(name(node)) +
                                          " does not serve although all is well");
                }
            }
        }
    }
}

void RandomRun::finish() {
    bring_up();
    if (!try_to_sync() && (has_split_ || had_disk_faults_)) {
        resolve_split_brain();
    }
    if (cluster_.violation().empty()) {
        cluster_.check_convergence(sync_limit(options_));
        serve();
    }
    for (const Node node : kNodes) {
        cluster_.power_cut(node);
        if (cluster_.violation().empty() && cluster_.host(node).pool().live() != 0) {
            cluster_.world().fail(std::string(name(node)) + " leaves buffers behind");
        }
    }
}

RunResult RandomRun::run() {
    begin();
    const std::uint64_t actions = 5 + chance_.below(40);
    for (std::uint64_t i = 0; i < actions && cluster_.violation().empty(); ++i) {
        act();
    }
    finish();
    RunResult result;
    result.violation = cluster_.violation();
    result.trace = result.violation.empty() ? std::string() : trace_end();
    result.hash = cluster_.world().trace.hash();
    result.events = cluster_.world().trace.size();
    result.resyncs = cluster_.oracles().resyncs_begun();
    result.failed_requests = cluster_.failed_requests();
    result.reached = cluster_.world().coverage.counts();
    return result;
}

}  // namespace sim
