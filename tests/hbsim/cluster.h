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
    std::string initdead = "6";
    std::string failback = "on";
    std::size_t links = 2;
    bool fencing = false;
    bool watchdog = false;
    unsigned pings = 0;
    std::string policy;  // lines of ha_policy.cf
    std::string haresources =
        "node-a drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 IPaddr::10.0.0.17/24/eth0 "
        "mysqld\n";
    bool verbose = false;
    // Holding a group on two nodes is a violation; not for configurations without a defence against
    // what the scenario does.
    bool exclusive = true;
    bool storage_must_not_split = false;
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

    FenceDevice& fence() { return fence_; }

    const hb::Settings& settings() const { return settings_; }

    void start_both();  // and let both become stable

    void run_for(Time duration) { world_.run_for(duration); }

    bool run_until(const std::function<bool()>& condition, Time limit) {
        return world_.run_until(condition, limit);
    }

    // What may happen to a machine. `back_after` zero: it stays off.
    void power_cut(Node node, Time back_after = Time{0});

    void kill_daemon(Node node) { daemon(node).kill(); }

    void boot(Node node);  // the daemon starts with the machine

    // Ends everything that was broken on purpose, also what a person must do: start dead nodes and
    // daemons, and tell the daemons to forget failures.
    void heal();

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

private:
    void add_storage(const std::string& resource);
    void ask_about_peer(std::size_t id, Node primary);
    void check_exclusive();
    std::string unsettled_group(std::size_t group) const;
    std::string unsettled_daemon(Node node);

    Options options_;
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
