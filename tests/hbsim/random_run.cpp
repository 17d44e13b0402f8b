#include "tests/hbsim/random_run.h"

#include <array>

namespace hbsim {
namespace {

constexpr Time kSettleLimit = 300s;
constexpr Time kWideSettleLimit = 1800s;  // nobody says what is repaired: the longest back-off
constexpr Time kStopLimit = 120s;

struct Times {
    const char* keepalive;
    const char* deadtime;
    const char* initdead;
};

constexpr std::array<Times, 3> kTimes{
    {{"1", "3", "6"}, {"100ms", "400ms", "2"}, {"2", "10", "20"}}};

constexpr std::array<const char*, 4> kScripts{"drbddisk", "Filesystem", "IPaddr", "mysqld"};

constexpr const char* kSecondGroup =
    "node-b drbddisk::r1 Filesystem::/dev/drbd1::/web::xfs IPaddr::10.0.0.18/24/eth0 httpd\n";

}  // namespace

RandomRun::Plan RandomRun::draw_plan(std::uint64_t seed, bool verbose, Space space) {
    base::Prng prng(seed ^ 0x68627369u);  // apart from the world's, which has the same seed
    Plan plan;
    Options& options = plan.options;
    options.seed = seed;
    options.verbose = verbose;
    const Times& times = kTimes[prng.below(kTimes.size())];
    options.keepalive = times.keepalive;
    options.deadtime = times.deadtime;
    options.initdead = times.initdead;
    options.failback = prng.chance(0.6) ? "on" : "off";
    options.links = 1 + prng.below(3);
    if (prng.chance(0.5)) {
        options.haresources += kSecondGroup;
    }
    plan.limits = prng.chance(0.8);
    if (plan.limits) {
        options.policy +=
            "agent_timeout start 20\nagent_timeout stop 20\nagent_timeout status 10\n";
    }
    if (prng.chance(0.4)) {
        options.policy += "monitor mysqld agent interval 2 timeout 1 restart 1 window 60\n";
    }
    if (prng.chance(0.4)) {
        options.policy += "partition_policy gentle\n";
    }
    if (prng.chance(0.2)) {
        options.policy += "takeover_delay 2\n";
    }
    const std::uint64_t kind = prng.below(20);
    if (kind < 2) {
        plan.defence = Defence::calm;
    } else if (kind < 6) {
        plan.defence = Defence::none;
        options.exclusive = false;
        plan.replication_cuts = prng.chance(0.5);
    } else if (kind < 12) {
        plan.defence = Defence::fencing;
        options.fencing = true;
        options.watchdog = prng.chance(0.4);
    } else if (kind < 16) {
        plan.defence = Defence::quorum;
        options.pings = 1 + static_cast<unsigned>(prng.below(2));
        options.policy += "quorum_ping 1\n";
    } else {
        plan.defence = Defence::redundancy;
        options.links = 2 + prng.below(2);
        plan.replication_cuts = prng.chance(0.4);
        options.storage_must_not_split = plan.replication_cuts;
    }
    if (options.pings == 0 && prng.chance(0.3)) {
        options.pings = 1;
    }
    plan.space = space;
    if (space == Space::wide) {
        widen(plan, seed);
    }
    return plan;
}

RandomRun::RandomRun(std::uint64_t seed, bool verbose, Space space)
    : plan_(draw_plan(seed, verbose, space)), cluster_(plan_.options) {
}

RunResult RandomRun::run() {
    const bool together = plan_.defence == Defence::calm || plan_.options.storage_must_not_split;
    cluster_.daemon(Node::A).start();
    // Where nothing is wrong the second comes before the first gives it up: initdead may be two
    // seconds.
    const Time soon = plan_.defence == Defence::calm ? Time{1500} : Time{2000};
    cluster_.world().after(between(0s, together || chance(0.8) ? soon : 40s), [this] {
        if (cluster_.machine(Node::B).powered() && !cluster_.daemon(Node::B).running()) {
            cluster_.daemon(Node::B).start();
        }
    });
    cluster_.run_for(between(1s, 60s));
    const std::uint64_t acts = 3 + below(30);
    for (std::uint64_t i = 0; i < acts && cluster_.world().violation().empty(); ++i) {
        act();
        cluster_.run_for(chance(0.3) ? between(0s, 100ms) : between(100ms, 12s));
    }
    finish();
    World& world = cluster_.world();
    RunResult result;
    result.violation = world.violation();
    result.hash = world.trace_hash();
    result.events = world.events();
    if (!result.violation.empty()) {
        result.trace = world.trace_end(200);
    }
    return result;
}

void RandomRun::start_if_possible(Node node) {
    if (!stopping_ && cluster_.machine(node).powered() && !cluster_.daemon(node).running()) {
        cluster_.daemon(node).start();
    }
}

void RandomRun::act() {
    if (plan_.defence == Defence::calm) {
        Link& link = cluster_.network().links()[below(cluster_.network().links().size())];
        link.repair();
        link.duplicate = 0.2;
        link.delay_max = Time(20);
        attack();
        return;
    }
    if (plan_.space == Space::wide && chance(0.4)) {
        return act_wide();
    }
    switch (below(13)) {
        case 0:
        case 1:
        case 2:
            return act_on_link();
        case 3:
        case 4:
            return plan_.replication_cuts ? cut_replication() : crash();
        case 5:
            return stand_still();
        case 6:
            return break_agent();
        case 7:
            return break_resource();
        case 8:
            return break_fencing();
        case 9:
            return lose_pings();
        case 10:
            return attack();
        default:
            return operate();
    }
}

// The first link stays good where something must still connect the nodes.
void RandomRun::act_on_link() {
    Network& network = cluster_.network();
    if (plan_.defence == Defence::quorum && chance(0.5)) {
        return isolate();
    }
    const std::size_t spared = may(Defence::quorum, Defence::redundancy) ? 1 : 0;
    if (network.links().size() == spared || isolated_) {
        return;
    }
    const std::size_t which = spared + below(network.links().size() - spared);
    Link& link = network.links()[which];
    switch (below(5)) {
        case 0:
            return network.cut(which);
        case 1: {
            const bool from_a = chance(0.5);
            return network.cut(which, from_a, !from_a);
        }
        case 2:
            link.loss = 0.3 + 0.1 * static_cast<double>(below(7));
            link.delay_max = between(1ms, 3s);
            return cluster_.world().trace("network", link.name + " is bad");
        case 3:
            link.duplicate = 0.3;
            return;
        default:
            link.repair();
            return cluster_.world().trace("network", link.name + " is good");
    }
}

// One node loses the links and the ping nodes together, as if its cables were pulled.
void RandomRun::isolate() {
    if (isolated_) {
        return;
    }
    isolated_ = true;
    cluster_.network().cut_all();
    cluster_.network().set_pings_reachable(any_node(), false);
    for (std::size_t i = 0; chance(0.7) && i < 1; ++i) {
        for (const auto* group : {"r0", "r1"}) {
            for (std::size_t s = 0; s < cluster_.storages(); ++s) {
                if (cluster_.storage(s).resource() == group) {
                    cluster_.storage(s).set_link(false);
                }
            }
        }
    }
    cluster_.world().after(between(200ms, 40s), [this] {
        isolated_ = false;
        cluster_.network().heal();
        for (std::size_t s = 0; s < cluster_.storages(); ++s) {
            cluster_.storage(s).set_link(true);
        }
    });
}

void RandomRun::crash() {
    const Node node = any_node();
    Daemon& daemon = cluster_.daemon(node);
    if (!daemon.running()) {
        return;
    }
    if (may(Defence::none, Defence::fencing) && chance(0.4)) {
        cluster_.kill_daemon(node);
        cluster_.world().after(between(10ms, 15s), [this, node] { start_if_possible(node); });
    } else if (chance(0.5)) {
        daemon.effects_until_power_cut = static_cast<int>(below(40));
    } else {
        cluster_.power_cut(node, between(3s, 40s));
    }
}

void RandomRun::stand_still() {
    const Node node = any_node();
    if (!cluster_.daemon(node).running()) {
        return;
    }
    if (chance(0.4)) {
        cluster_.daemon(node).jump_clock(static_cast<std::int64_t>(below(200'000)) - 100'000);
        return;
    }
    const Time deadtime = cluster_.settings().ha_cf.deadtime;
    if (may(Defence::none, Defence::fencing)) {
        return cluster_.daemon(node).stall(between(1ms, deadtime * 3));
    }
    // Longer ones under quorum_ping may outlast the partner's grace (Stall.* reckons with it), and
    // so may any that begins when the node stops everything already: only a watchdog helps then.
    const bool long_ones = plan_.space == Space::wide && plan_.defence == Defence::quorum &&
                           !cluster_.daemon(node).has_stops_to_end();
    cluster_.daemon(node).stall(long_ones ? between(1ms, deadtime) : deadtime / 4);
}

void RandomRun::break_agent() {
    moved_ = true;
    const Node node = any_node();
    const std::string script = kScripts[below(kScripts.size())];
    Ailment ailment;
    switch (below(6)) {
        case 0:
            ailment.start_fails = chance(0.5) ? 1.0 : 0.5;
            break;
        case 1:
            ailment.stop_fails = chance(0.3) ? 1.0 : 0.5;
            break;
        case 2:
            ailment.hangs = plan_.limits;
            break;
        case 3:
            ailment.garbage = true;
            break;
        case 4:
            ailment.missing = true;
            break;
        default:
            ailment.duration_max = 5s;
            break;
    }
    cluster_.machine(node).ail(script, ailment);
    cluster_.world().trace(name(node), "agent " + script + " is ill");
    cluster_.world().after(between(1s, 60s), [this, node, script] {
        cluster_.machine(node).ailments().erase(script);
    });
}

void RandomRun::break_resource() {
    if (cluster_.settings().policy.monitors.empty()) {
        return;  // nobody would notice, as in the original
    }
    const Node node = any_node();
    moved_ = true;
    cluster_.machine(node).kill_resource("mysqld");
    cluster_.world().trace(name(node), "mysqld dies");
}

void RandomRun::break_fencing() {
    FenceDevice& fence = cluster_.fence();
    fence.works = chance(0.5);
    fence.delay_max = chance(0.3) ? 15s : 1500ms;
}

void RandomRun::cut_replication() {
    const bool up = chance(0.5);
    for (std::size_t s = 0; s < cluster_.storages(); ++s) {
        cluster_.storage(s).set_link(up);
    }
}

// With quorum_ping this alone must not lead to two holders, but to none for a while.
void RandomRun::lose_pings() {
    if (plan_.options.pings > 0 && !isolated_) {
        cluster_.network().set_pings_reachable(any_node(), chance(0.5));
    }
}

void RandomRun::operate() {
    using Verb = hb::Command::Verb;
    const Node node = any_node();
    if (!cluster_.daemon(node).running()) {
        return;
    }
    static constexpr std::array<const char*, 5> words{"", "all", "local", "foreign", "failback"};
    const std::string word = words[below(words.size())];
    switch (below(7)) {
        case 0:
        case 1:
            moved_ = true;
            cluster_.daemon(node).command(Verb::standby, word);
            return;
        case 2:
        case 3:
            moved_ = true;
            cluster_.daemon(node).command(Verb::takeover, word);
            return;
        case 4:
            cluster_.daemon(node).command(Verb::clear);
            return;
        case 5:
            cluster_.daemon(node).command(Verb::restart);
            return;
        default:
            if (plan_.options.storage_must_not_split) {
                return;  // a daemon that is stopped cannot tell DRBD to outdate its disk
            }
            cluster_.daemon(node).command(Verb::shutdown);
            cluster_.world().after(between(5s, 60s), [this, node] { start_if_possible(node); });
    }
}

// Bytes of somebody without the key: noise, what was heard before, what is cut short or changed.
void RandomRun::attack() {
    Network& network = cluster_.network();
    if (network.recorded().empty()) {
        return;
    }
    for (std::uint64_t i = 0; i < 5; ++i) {
        std::string bytes = network.recorded()[below(network.recorded().size())];
        switch (below(4)) {
            case 0:
                bytes[below(bytes.size())] ^= static_cast<char>(1 + below(255));
                break;
            case 1:
                bytes.resize(below(bytes.size()));
                break;
            case 2: {
                hb::wire::Message message("shutdone");
                message.set("st", "dead")
                    .set("src", "node-a")
                    .set("seq", "1")
                    .set("hg", "ffffffff");
                message.set("ts", "6b000000");
                bytes =
                    encode_netstring(message, {2, {{2, config::AuthMethod::Sha1, "guess"}}}, true);
                break;
            }
            default:
                break;  // a replay
        }
        network.inject(below(network.links().size()), any_node(), bytes);
    }
}

void RandomRun::finish() {
    World& world = cluster_.world();
    if (!world.violation().empty()) {
        return;
    }
    finishing_ = true;
    cluster_.heal(plan_.space == Space::first);
    if (reloaded_) {
        world.after(30s, [this] {
            for (const Node node : kNodes) {
                cluster_.reload(node, plan_.files.front());
            }
        });
        cluster_.run_for(31s);
    }
    attend();
    // What an operator or a failed start has moved stays where it is until somebody moves it again.
    const bool gave_up =
        std::ranges::any_of(kNodes, [this](Node node) { return cluster_.daemon(node).gave_up(); });
    cluster_.expect_home(!moved_ && !gave_up);
    for (Time wait = 10s; wait < kSettleLimit / 2; wait += 10s) {
        for (const Node node : kNodes) {  // a stop that had begun ends only now
            world.after(wait, [this, node] { start_if_possible(node); });
        }
    }
    const Time limit = plan_.space == Space::wide ? kWideSettleLimit : kSettleLimit;
    if (!cluster_.settle(limit) && world.violation().empty()) {
        world.fail("after healing: " + cluster_.unsettled());
    }
    if (plan_.defence == Defence::calm) {
        for (const Node node : kNodes) {
            if (cluster_.daemon(node).restarts() != 0 ||
                cluster_.daemon(node).decided("Taking over from") > 0) {
                world.fail("a takeover or a restart without a cause");
            }
        }
    }
    // One that stands still has not read its last command yet.
    cluster_.run_until(
        [this] {
            return std::ranges::all_of(
                kNodes, [this](Node node) { return cluster_.daemon(node).unanswered() == 0; });
        },
        60s);
    cluster_.check_commands();
    if (world.violation().empty() && chance(0.5)) {
        stop_one();
    }
}

// A stop always ends, and the other node goes on with everything.
void RandomRun::stop_one() {
    // A reset that was asked for before cannot be recalled; it shall not hit the stop.
    cluster_.run_for(60s);
    if (!cluster_.settle(kSettleLimit)) {
        return cluster_.world().fail("after a late reset: " + cluster_.unsettled());
    }
    const Node node = any_node();
    stopping_ = true;
    cluster_.daemon(node).command(hb::Command::Verb::shutdown);
    if (!cluster_.run_until([&] { return cluster_.daemon(node).exited(); }, kStopLimit)) {
        cluster_.world().fail(std::string("the stop of ") + name(node) + " never ends");
        return;
    }
    cluster_.run_for(60s);
    if (cluster_.daemon(node).running()) {
        return;  // a reset that was asked for before has booted it again
    }
    for (std::size_t i = 0; i < cluster_.settings().resources.groups.size(); ++i) {
        if (cluster_.holder(i) != other(node)) {
            cluster_.world().fail("after the stop of " + std::string(name(node)) +
                                  " the other node does not run every group");
        }
    }
}

}  // namespace hbsim
