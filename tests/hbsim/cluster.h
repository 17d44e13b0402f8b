// Two machines with their daemons, the links between them, their storage and a fencing device; and
// the promises that must hold at every moment.
#pragma once

#include "tests/hbsim/daemon.h"

#include <optional>

namespace hbsim {

struct Options {
    std::uint64_t seed = 1;
    std::string keepalive = "1";
    std::string deadtime = "3";
    std::string deadtime_b;  // of node-b, if it has another
    std::string initdead = "6";
    std::string failback = "on";
    std::size_t links = 2;
    bool fencing = false;
    bool watchdog = false;
    unsigned pings = 0;
    bool ping_group = false;  // one more pseudo member, of two addresses
    bool serial = false;      // links beside those of the network
    bool disk = false;
    std::string policy;  // lines of ha_policy.cf
    std::string haresources =
        "node-a drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 IPaddr::10.0.0.17/24/eth0 "
        "mysqld\n";
    bool verbose = false;
    // Holding a group on two nodes is a violation; not for configurations without a defence against
    // what the scenario does.
    bool exclusive = true;
    bool storage_must_not_split = false;
    // Node-b is a node of the original's kind: it knows nothing of what we add to the messages.
    bool original_partner = false;
    bool watchful = false;  // the oracles of the wide space
};

class Cluster {
public:
    explicit Cluster(const Options& options);
    virtual ~Cluster() = default;

    World& world() { return world_; }

    Network& network() { return network_; }

    Machine& machine(Node node) { return *machines_[index(node)]; }

    Daemon& daemon(Node node) { return *daemons_[index(node)]; }

    Storage& storage(std::size_t which = 0) { return *storages_.at(which); }

    std::size_t storages() const { return storages_.size(); }

    FenceDevice& fence() { return fence_; }

    const hb::Settings& settings() const { return settings_; }

    void start_both();  // and let both become stable

    void run_for(Time duration) { world_.run_for(duration); }

    // A node reads these lines instead of the haresources, or of the ha_policy.cf, that it had.
    void reload(Node node, const std::string& haresources);
    void reload_policy(Node node, const std::string& policy);

    // Nothing leaves this node any more, to nobody; what others say it still hears.
    void mute(Node node);

    bool run_until(const std::function<bool()>& condition, Time limit) {
        return world_.run_until(condition, limit);
    }

    // What may happen to a machine. `back_after` zero: it stays off.
    void power_cut(Node node, Time back_after = Time{0});

    // Not while a file with fewer groups waits: the next life would not know what still runs.
    void kill_daemon(Node node) {
        if (!daemon(node).running() ||
            (daemon(node).status().promised.empty() && !daemon(node).has_unread_files())) {
            daemon(node).kill();
        }
    }

    void boot(Node node);  // the daemon starts with the machine

    // A machine that is reset does not boot again.
    bool stays_off = false;

    // Ends everything that was broken on purpose, also what a person must do: start dead nodes and
    // daemons and, `with_clear`, tell the daemons to forget failures.
    void heal(bool with_clear = true);

    // All resources of the group run here, or none does.
    bool runs(Node node, std::size_t group) const;
    bool runs_nothing(Node node, std::size_t group) const;
    Node home(std::size_t group) const;
    std::optional<Node> holder(std::size_t group) const;  // runs it, and the other nothing of it

    // Each group runs on one node, with auto_failback on at home, and nobody waits for anything.
    // Empty if so, else what is missing.
    void expect_home(bool expected) { expect_home_ = expected; }

    std::string unsettled();
    bool settle(Time limit);

    // Every command that a living daemon was given has been answered.
    void check_commands();

private:
    void add_storage(const std::string& resource);
    void ask_about_peer(std::size_t id, Node primary);
    void check_exclusive();
    void watch();
    bool in_touch();
    std::string unsettled_group(std::size_t group) const;
    std::string unsettled_daemon(Node node);

    Options options_;
    std::vector<Time> twice_for_;  // per group: how long two nodes in touch have run it
    bool expect_home_ = true;
    World world_;
    Network network_;
    FenceDevice fence_;
    hb::Settings settings_;
    Machine::Storages storages_;
    std::array<std::unique_ptr<Machine>, 2> machines_;
    std::array<std::unique_ptr<Daemon>, 2> daemons_;
};

config::Authkeys cluster_keys();

}  // namespace hbsim
