// One random life of a cluster: configuration, faults, operators and an adversary all from one
// seed, then healing and the final checks. The same seed gives the same trace.
#pragma once

#include "tests/hbsim/cluster.h"

#include <string>
#include <vector>

namespace hbsim {

struct RunResult {
    std::string violation;  // empty: all promises were kept
    std::string trace;      // its end, when there is a violation
    std::uint64_t hash = 0;
    std::uint64_t events = 0;
};

// What a run may meet. A recorded seed names its space, since a seed is another run in each.
enum class Space : std::uint8_t { first, wide };

class RandomRun {
public:
    RandomRun(std::uint64_t seed, bool verbose, Space space = Space::first);

    RunResult run();

    // For a handler of abort(): what the world was doing.
    std::string trace_end() { return cluster_.world().trace_end(100); }

private:
    // What stands between the cluster and two writers. It decides which faults the run may have:
    // those that this defence is there for.
    enum class Defence { calm, none, fencing, quorum, redundancy };

    struct Plan {
        Options options;
        Defence defence = Defence::none;
        bool limits = true;             // agents have time limits, so they may hang
        bool replication_cuts = false;  // instead of crashes
        Space space = Space::first;
        std::vector<std::string> files;     // haresources that reloads choose from
        std::vector<std::string> policies;  // ha_policy.cf likewise
    };

    static Plan draw_plan(std::uint64_t seed, bool verbose, Space space);
    static void widen(Plan& plan, std::uint64_t seed);
    static void draw_groups(Plan& plan, base::Prng& prng);
    void act_wide();
    void lose_voice();
    void reload();
    void reload_other_file();
    void kill_briefly();
    void slow_agent();
    void lose_state();
    void restore_state(Node node, std::uint64_t generation);
    void attend();

    void start_if_possible(Node node);
    void act();
    void act_on_link();
    void isolate();
    void crash();
    void stand_still();
    void break_agent();
    void break_resource();
    void break_fencing();
    void cut_replication();
    void lose_pings();
    void operate();
    void attack();
    void finish();
    void stop_one();

    bool may(Defence a, Defence b) const { return plan_.defence == a || plan_.defence == b; }

    bool chance(double probability) { return cluster_.world().prng.chance(probability); }

    std::uint64_t below(std::uint64_t bound) { return cluster_.world().prng.below(bound); }

    Time between(Time low, Time high) { return cluster_.world().between(low, high); }

    Node any_node() { return chance(0.5) ? Node::A : Node::B; }

    Plan plan_;
    Cluster cluster_;
    bool isolated_ = false;
    bool stopping_ = false;  // nobody starts a daemon any more
    bool moved_ = false;     // a group may rightly be away from home
    bool reloaded_ = false;  // the nodes may have different files
    bool finishing_ = false;
};

class WideRun : public RandomRun {
public:
    WideRun(std::uint64_t seed, bool verbose) : RandomRun(seed, verbose, Space::wide) {}
};

}  // namespace hbsim
