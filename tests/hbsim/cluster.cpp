#include "tests/hbsim/cluster.h"

#include "base/require.h"

#include <algorithm>

namespace hbsim {
namespace {

constexpr Time kBootTime = 8s;

std::string ha_cf_text(const Options& options, Node node) {
    const bool other = node == Node::B && !options.deadtime_b.empty();
    std::string text = "keepalive " + options.keepalive + "\ndeadtime " +
                       (other ? options.deadtime_b : options.deadtime) + "\ninitdead " +
                       options.initdead + "\nauto_failback " + options.failback +
                       "\nlogfacility none\nuse_logd off\nlogfile /var/log/ha-log\n";
    for (std::size_t i = 0; i < options.links; ++i) {
        text += "bcast eth" + std::to_string(i + 1) + "\n";
    }
    if (options.serial) {
        text += std::string("serial ") + kSerialLine + "\n";
    }
    for (unsigned i = 0; i < options.pings; ++i) {
        text += "ping 10.0.0." + std::to_string(250 + i) + "\n";
    }
    if (options.ping_group) {
        text += "ping_group routers 10.0.0.240 10.0.0.241\n";
    }
    if (options.fencing) {
        text += "stonith_host * test /dev/null\n";
    }
    if (options.watchdog) {
        text += "watchdog /dev/watchdog\n";
    }
    return text + "node node-a node-b\n";
}

template <typename T>
T good(config::HaParsed<T> parsed) {
    REQUIRE(parsed.ok());
    return std::move(parsed.value);
}

hb::Settings settings_of(const Options& options, Node node) {
    return {.ha_cf = good(config::parse_ha_cf("ha.cf", ha_cf_text(options, node))),
            .resources = good(config::parse_haresources("haresources", options.haresources)),
            .policy = good(config::parse_ha_policy("ha_policy.cf", options.policy)),
            .node = name(node)};
}

}  // namespace

config::Authkeys cluster_keys() {
    return {1, {{1, config::AuthMethod::Crc, ""}, {2, config::AuthMethod::Sha1, "secret"}}};
}

Cluster::Cluster(const Options& options)
    : options_(options),
      world_(options.seed),
      network_(world_,
               options.links,
               [this](Node to, const std::string& medium, const std::string& bytes) {
                   daemon(to).receive(medium, bytes);
               }),
      settings_(settings_of(options, Node::A)) {
    world_.set_verbose(options.verbose);
    if (options.serial) {
        network_.add(Medium::serial, settings_.ha_cf.keepalive);
    }
    if (options.disk) {
        network_.add(Medium::disk, settings_.ha_cf.keepalive);
    }
    fence_.cut_power = [this](Node target) { power_cut(target, stays_off ? Time{0} : kBootTime); };
    for (const config::ResourceGroup& group : settings_.resources.groups) {
        for (const config::ResourceWord& word : group.words) {
            if (word.script == "drbddisk") {
                add_storage(word.args.at(0));
            }
        }
    }
    for (const Node node : kNodes) {
        machines_[index(node)] = std::make_unique<Machine>(world_, node, storages_);
        machine(node).set_groups(settings_.resources);
        machine(node).on_change = [this] { check_exclusive(); };
        daemons_[index(node)] = std::make_unique<Daemon>(
            Daemon::Environment{world_,
                                network_,
                                machine(node),
                                storages_,
                                fence_,
                                [this](Node target) { power_cut(target, kBootTime); }},
            settings_of(options, node),
            cluster_keys());
        daemon(node).watchdog = options.watchdog;
        daemon(node).watchful = options.watchful;
        daemon(node).without_additions = options.original_partner;
        daemon(node).on_outdate_answer = [this, node](std::uint64_t id, int exit_code) {
            storages_.at(id)->on_fence_peer_done(node, exit_code);
        };
    }
    if (options.watchful) {
        watch();
    }
}

// Two nodes that hear each other may both run a group for a moment after a partition, not longer.
void Cluster::watch() {
    constexpr Time kEvery = 1s;
    constexpr Time kLongest = 150s;
    twice_for_.resize(settings_.resources.groups.size());
    for (std::size_t i = 0; i < twice_for_.size(); ++i) {
        const bool twice = in_touch() && !runs_nothing(Node::A, i) && !runs_nothing(Node::B, i);
        twice_for_[i] = twice ? twice_for_[i] + kEvery : Time{0};
        if (twice_for_[i] > kLongest) {
            world_.fail("group " + settings_.resources.groups[i].key() +
                        " runs on two nodes that hear each other");
        }
    }
    world_.after(kEvery, [this] { watch(); });
}

bool Cluster::in_touch() {
    return std::ranges::all_of(kNodes, [this](Node node) {
        return daemon(node).running() && !daemon(node).stands_still() && network_.any_path(node) &&
               machine(node).generation >= 1000;
    });
}

void Cluster::check_commands() {
    for (const Node node : kNodes) {
        if (const std::size_t open = daemon(node).unanswered(); open > 0) {
            world_.fail(std::to_string(open) + " commands were never answered on " + name(node));
        }
    }
}

void Cluster::add_storage(const std::string& resource) {
    const std::size_t id = storages_.size();
    storages_.push_back(std::make_unique<Storage>(world_, resource, [this, id](Node primary) {
        world_.after(1ms, [this, id, primary] { ask_about_peer(id, primary); });
    }));
    storages_.back()->must_not_split = options_.storage_must_not_split;
}

// Without a daemon nobody can be asked about the peer: the handler says that it is unreachable.
void Cluster::ask_about_peer(std::size_t id, Node primary) {
    if (daemon(primary).running()) {
        daemon(primary).deliver(hb::OutdateRequest{id, storages_[id]->resource(), {}});
    } else {
        storages_[id]->on_fence_peer_done(primary, 5);
    }
}

void Cluster::start_both() {
    daemon(Node::A).start();
    world_.after(world_.between(0s, 1s), [this] { daemon(Node::B).start(); });
    if (!settle(90s)) {
        world_.fail("the cluster does not start: " + unsettled());
    }
}

void Cluster::reload(Node node, const std::string& haresources) {
    daemon(node).reload(good(config::parse_haresources("haresources", haresources)),
                        daemon(node).settings().policy);
}

void Cluster::reload_policy(Node node, const std::string& policy) {
    daemon(node).reload(daemon(node).settings().resources,
                        good(config::parse_ha_policy("ha_policy.cf", policy)));
}

void Cluster::mute(Node node) {
    for (std::size_t i = 0; i < network_.links().size(); ++i) {
        network_.cut(i, node == Node::A, node == Node::B);
    }
    network_.set_pings_reachable(node, false);
}

void Cluster::power_cut(Node node, Time back_after) {
    if (!machine(node).powered()) {
        return;
    }
    machine(node).power_off();
    daemon(node).effects_until_power_cut = -1;
    daemon(node).kill();
    if (back_after > Time{0}) {
        world_.after(back_after, [this, node] { boot(node); });
    }
}

void Cluster::boot(Node node) {
    if (machine(node).powered()) {
        return;
    }
    machine(node).power_on();
    daemon(node).start();
}

void Cluster::heal(bool with_clear) {
    network_.heal();
    fence_.works = true;
    fence_.delay_max =
        FenceDevice{}.delay_max;  // slower than a boot, each reset hits the next life
    for (const auto& storage : storages_) {
        storage->set_link(true);
    }
    for (const Node node : kNodes) {
        machine(node).ailments().clear();
        daemon(node).effects_until_power_cut = -1;
        boot(node);
        if (!daemon(node).running()) {
            daemon(node).start();
        }
        if (with_clear) {
            daemon(node).command(hb::Command::Verb::clear);
        }
    }
}

bool Cluster::runs(Node node, std::size_t group) const {
    const auto& words = settings_.resources.groups[group].words;
    return std::ranges::all_of(words, [&](const config::ResourceWord& word) {
        return machines_[index(node)]->runs(word.text);
    });
}

bool Cluster::runs_nothing(Node node, std::size_t group) const {
    const auto& words = settings_.resources.groups[group].words;
    return std::ranges::none_of(words, [&](const config::ResourceWord& word) {
        return machines_[index(node)]->runs(word.text);
    });
}

Node Cluster::home(std::size_t group) const {
    return settings_.resources.groups[group].node == name(Node::A) ? Node::A : Node::B;
}

std::optional<Node> Cluster::holder(std::size_t group) const {
    for (const Node node : kNodes) {
        if (runs(node, group) && runs_nothing(other(node), group)) {
            return node;
        }
    }
    return std::nullopt;
}

// Stricter than the address and the file system both on both nodes: not even one word of a group
// may run twice.
void Cluster::check_exclusive() {
    if (!options_.exclusive) {
        return;
    }
    for (const config::ResourceGroup& group : settings_.resources.groups) {
        for (const config::ResourceWord& word : group.words) {
            if (machine(Node::A).runs(word.text) && machine(Node::B).runs(word.text)) {
                world_.fail(word.text + " runs on both nodes although a defence is configured");
            }
        }
    }
}

std::string Cluster::unsettled_group(std::size_t group) const {
    const std::string& key = settings_.resources.groups[group].key();
    const auto where = holder(group);
    if (!where) {
        return "group " + key + " does not run on exactly one node";
    }
    if (options_.failback == "on" && expect_home_ && *where != home(group)) {
        return "group " + key + " is not at home";
    }
    return {};
}

std::string Cluster::unsettled_daemon(Node node) {
    if (!daemon(node).running()) {
        return std::string("no daemon on ") + name(node);
    }
    const hb::Snapshot status = daemon(node).status();
    if (status.phase != "stable" || status.standby != "not" || status.pending != status.promised ||
        status.shutting_down || status.resources == "transition") {
        return std::string(name(node)) + " waits: phase " + status.phase + ", standby " +
               status.standby + ", resources " + status.resources + ", pending " + status.pending;
    }
    return {};
}

std::string Cluster::unsettled() {
    for (std::size_t i = 0; i < settings_.resources.groups.size(); ++i) {
        if (std::string problem = unsettled_group(i); !problem.empty()) {
            return problem;
        }
    }
    for (const Node node : kNodes) {
        if (std::string problem = unsettled_daemon(node); !problem.empty()) {
            return problem;
        }
    }
    return {};
}

bool Cluster::settle(Time limit) {
    const Time end = world_.now() + limit;
    while (!unsettled().empty() && world_.now() < end && world_.violation().empty()) {
        world_.run_for(100ms);
    }
    return unsettled().empty();
}

}  // namespace hbsim
