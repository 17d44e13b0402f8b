// One random life of a cluster: options, load, administrator, faults and crashes all from one seed,
// then healing and the final checks. The same seed gives the same trace.
#pragma once

#include "tests/sim/cluster.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct RunResult {
    std::string violation;  // empty: all promises were kept
    std::string trace;      // its end, when there is a violation
    std::uint64_t hash = 0;
    std::uint64_t events = 0;
    std::uint64_t resyncs = 0;
    std::uint64_t failed_requests = 0;
    std::map<std::string, std::uint64_t> reached;  // see Coverage
};

// What is drawn from: with fencing, promotions are tried at the worst of times, and none may
// succeed that loses what was acknowledged.
enum class Variant : std::uint8_t { Plain, Fenced };

// The options and faults that a run may have. `first` is the space of the first recorded seeds,
// which keep their schedule; `wide` is what is searched today; `all` has also what `wide` leaves
// out since the engine is known not to stand it yet.
enum class Space : std::uint8_t { First, Wide };

std::optional<Space> space_of(const std::string& name);  // of no name: wide

class RandomRun {
public:
    RandomRun(std::uint64_t seed,
              bool verbose,
              const std::string& space = {},
              Variant variant = Variant::Plain);

    static bool knows_space(const std::string& name) { return space_of(name).has_value(); }

    RunResult run();

    // For a handler of abort(): what the world was doing.
    std::string trace_end() { return cluster_.world().trace.last(80); }

private:
    static ClusterOptions draw_options(base::Prng& chance, Variant variant, Space space);

    void begin();
    void act();

    // --- Of the wide space only: random_wide.cpp ---
    static void widen(ClusterOptions& options, base::Prng& chance);
    void act_widely();
    void act_on_frozen(Node node);
    void act_on_full_sync();
    void act_on_pause(Node node);
    void act_on_size();
    void act_on_verify();
    void act_on_digests();
    void act_on_turn();
    void act_on_settings();
    void act_on_clients();
    void act_on_disk_widely();
    void slow_down(SimDisk& disk);
    void spread_bad_sectors(Node node, std::size_t volume);
    void change_settings_of(Node node, bool restarted);
    void calm_down();

    // It runs, and would answer a command.
    bool answers(Node node) {
        return cluster_.host(node).running() && !cluster_.host(node).frozen();
    }

    void act_on_io();
    void act_on_link();
    void act_on_node();
    void act_on_role();
    void act_on_connection();
    void act_on_disk();
    void fail_over(Node to);
    void fail_over_fenced(Node to);
    bool would_split(Node to);
    std::vector<bool> stale_volumes(Node to);
    void judge_promotion(Node to, const std::vector<bool>& stale, const char* how);
    void finish();
    bool catch_up();
    void serve();
    void bring_up();
    void attach_missing();
    bool try_to_sync();
    void resolve_split_brain();
    std::optional<Node> primary();

    Node any_node() { return chance_.chance(0.5) ? Node::Alice : Node::Bob; }

    io::Duration any_pause();

    std::size_t any_volume() { return chance_.below(volumes_); }

    static constexpr std::uint64_t kSmallDevice = 8u << 20;
    static constexpr std::uint64_t kMostGain = 24u << 20;  // of a disk that grows

    Variant variant_;
    Space space_;
    base::Prng chance_;
    ClusterOptions options_;
    std::size_t volumes_;
    Cluster cluster_;
    base::Prng verify_chance_;  // of its own, as all that came later
    base::Prng digest_chance_;
    io::Instant digests_known_at_{};  // by both nodes
    base::Prng turn_chance_;
    bool may_split_ = false;
    bool has_split_ = false;
    bool had_disk_faults_ = false;
    std::optional<Node> faulty_;  // whose disks may fail: never both
};

class FencedRun : public RandomRun {
public:
    FencedRun(std::uint64_t seed, bool verbose, const std::string& space = {})
        : RandomRun(seed, verbose, space, Variant::Fenced) {}
};

}  // namespace sim
