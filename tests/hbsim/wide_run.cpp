// The wide space of the random runs: configurations and faults beyond those of the first seeds.
#include "tests/hbsim/random_run.h"

#include <array>

namespace hbsim {
namespace {

constexpr const char* kWeb = "node-a IPaddr::10.0.0.21/24/eth0 httpd\n";
constexpr const char* kMail = "node-b IPaddr::10.0.0.22/24/eth0 dovecot\n";
constexpr const char* kData =
    "node-a drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 IPaddr::10.0.0.17/24/eth0 mysqld\n";
constexpr const char* kAddressFirst =
    "node-a IPaddr::10.0.0.17/24/eth0 drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 mysqld\n";
constexpr const char* kNoDisk = "node-a IPaddr::10.0.0.17/24/eth0 mysqld\n";

constexpr std::array<const char*, 5> kAllScripts{
    "drbddisk", "Filesystem", "IPaddr", "mysqld", "httpd"};

}  // namespace

void RandomRun::draw_groups(Plan& plan, base::Prng& prng) {
    std::string& file = plan.options.haresources;
    const std::uint64_t first = prng.below(5);
    file = first == 0 ? kData : first < 3 ? kAddressFirst : kNoDisk;
    if (prng.chance(0.4)) {
        file += kMail;
    }
    plan.files = {file, file + kWeb};
    if (prng.chance(0.3)) {
        file += kWeb;
        plan.files = {file, plan.files.front()};
    }
}

void RandomRun::widen(Plan& plan, std::uint64_t seed) {
    base::Prng prng(seed ^ 0x77696465u);
    Options& options = plan.options;
    options.watchful = true;
    if (!options.storage_must_not_split) {
        draw_groups(plan, prng);
    } else {
        plan.files = {options.haresources};
    }
    if (prng.chance(0.25)) {
        options.failback = "legacy";
    }
    if (plan.defence == Defence::quorum) {
        options.pings = 1 + static_cast<unsigned>(prng.below(3));
        options.ping_group = prng.chance(0.3);
        if (options.pings > 1 && prng.chance(0.5)) {
            const std::string one = "quorum_ping 1\n";
            options.policy.replace(options.policy.find(one), one.size(), "quorum_ping 2\n");
        }
    }
    if (plan.defence != Defence::calm && prng.chance(0.1)) {
        options.policy += "takeover manual\n";
    } else if (options.policy.find("takeover_delay") == std::string::npos && prng.chance(0.1)) {
        options.policy += "takeover_delay 20\n";
    }
    if (prng.chance(0.2)) {
        options.deadtime_b = options.deadtime == "3" ? "5" : options.deadtime == "10" ? "12" : "";
    }
    options.original_partner = plan.defence != Defence::quorum && prng.chance(0.2);
    options.serial = prng.chance(0.2);
    options.disk = prng.chance(0.2);
    // With quorum_ping both nodes must give themselves the same time for their stops.
    const char* const more = plan.defence == Defence::quorum || plan.limits
                                 ? "monitor httpd agent interval 3 timeout 1 restart 2 window 60\n"
                                 : "agent_timeout start 30\nagent_timeout stop 30\n";
    plan.policies = {options.policy, options.policy + more};
}

void RandomRun::act_wide() {
    switch (below(8)) {
        case 0:
        case 1:
            return plan_.defence == Defence::quorum ? lose_voice() : slow_agent();
        case 2:
            return reload();
        case 3:
        case 4:
            return kill_briefly();
        case 5:
        case 6:
            return slow_agent();
        default:
            return plan_.defence == Defence::none ? lose_state() : operate();
    }
}

// Nothing leaves a node any more, though it hears everything.
void RandomRun::lose_voice() {
    if (isolated_) {
        return;
    }
    isolated_ = true;
    cluster_.mute(any_node());
    cluster_.world().after(between(1s, 60s), [this] {
        isolated_ = false;
        cluster_.network().heal();
    });
}

// Files other than haresources: they hold whether or not both nodes have the same.
void RandomRun::reload_other_file() {
    const Node node = any_node();
    Daemon& daemon = cluster_.daemon(node);
    if (!daemon.running()) {
        return;
    }
    const Time deadtime = cluster_.settings().ha_cf.deadtime;
    switch (below(3)) {
        case 0:
            return cluster_.reload_policy(node, plan_.policies[below(plan_.policies.size())]);
        case 1:
            return daemon.reload_keys(1 + static_cast<int>(below(2)));
        default:
            // The graces of a quorum and of a watchdog are reckoned with the same deadtime.
            if (plan_.defence != Defence::quorum && !plan_.options.watchdog) {
                daemon.reload_deadtime(chance(0.5) ? deadtime : deadtime * 2);
            }
    }
}

// On one node, or on both a little apart.
void RandomRun::reload() {
    if (chance(0.4)) {
        return reload_other_file();
    }
    if (plan_.options.storage_must_not_split) {
        return;
    }
    reloaded_ = moved_ = true;
    const std::string& file = plan_.files[below(plan_.files.size())];
    const Node node = any_node();
    if (!cluster_.daemon(node).running()) {
        return;  // its next life would not know what still runs
    }
    cluster_.reload(node, file);
    if (chance(0.8)) {
        cluster_.world().after(between(0s, 30s), [this, node, file] {
            if (!finishing_ && cluster_.daemon(other(node)).running()) {
                cluster_.reload(other(node), file);
            }
        });
    }
}

// SIGKILL: whoever watches the daemon starts it again at once, before anybody misses it.
void RandomRun::kill_briefly() {
    const Node node = any_node();
    if (!cluster_.daemon(node).running() || cluster_.settings().ha_cf.deadtime < 1s ||
        cluster_.machine(node).misled()) {
        return;
    }
    cluster_.kill_daemon(node);
    cluster_.world().after(between(10ms, 300ms), [this, node] { start_if_possible(node); });
}

void RandomRun::slow_agent() {
    const Node node = any_node();
    const std::string script = kAllScripts[below(kAllScripts.size())];
    Ailment ailment;
    ailment.start_takes = chance(0.3) ? between(1s, 15s) : Time{0};
    ailment.stop_takes = chance(0.6) ? between(1s, 15s) : Time{0};
    ailment.status_takes = chance(0.2) ? between(1s, 8s) : Time{0};
    ailment.stop_complains = chance(0.1);
    if (plan_.limits && chance(0.25)) {
        ailment.unkillable = true;
        (chance(0.5) ? ailment.start_takes : ailment.stop_takes) = between(10s, 40s);
    }
    moved_ = true;
    cluster_.machine(node).ail(script, ailment);
    cluster_.world().trace(name(node), "agent " + script + " is slow");
    cluster_.world().after(between(5s, 90s), [this, node, script] {
        cluster_.machine(node).ailments().erase(script);
    });
}

// The state directory is lost with the machine's disk, and restored by a person after a while. Not
// while the machine runs: the run directory knows the generation, and what may run here.
void RandomRun::lose_state() {
    const Node node = any_node();
    if (!cluster_.daemon(node).running()) {
        return;
    }
    const std::uint64_t last = cluster_.machine(node).generation;
    if (last < 1000) {
        return;  // it is lost already
    }
    cluster_.power_cut(node);
    cluster_.machine(node).generation = 1;
    cluster_.machine(node).heard = {};
    cluster_.boot(node);
    cluster_.world().after(between(5s, 40s),
                           [this, node, last] { restore_state(node, last + 100); });
}

void RandomRun::restore_state(Node node, std::uint64_t generation) {
    cluster_.kill_daemon(node);
    if (cluster_.daemon(node).running()) {  // it waits for a file: a clean stop, then
        cluster_.daemon(node).command(hb::Command::Verb::shutdown);
        cluster_.world().after(10s, [this, node, generation] { restore_state(node, generation); });
        return;
    }
    cluster_.machine(node).generation = generation;
    start_if_possible(node);
}

// A person who looks at the cluster now and then, and confirms what waits for him.
void RandomRun::attend() {
    if (plan_.options.policy.find("takeover manual") == std::string::npos) {
        return;
    }
    for (const Node node : kNodes) {
        Daemon& daemon = cluster_.daemon(node);
        if (daemon.running() && daemon.status().pending.find("hb_takeover") != std::string::npos) {
            daemon.command(hb::Command::Verb::confirm_takeover);
        }
    }
    cluster_.world().after(20s, [this] { attend(); });
}

}  // namespace hbsim
