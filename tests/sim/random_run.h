// One random life of a cluster: options, load, administrator, faults and crashes all from one seed,
// then healing and the final checks. The same seed gives the same trace.
#pragma once

#include "tests/sim/cluster.h"

#include <cstdint>
#include <string>

namespace sim {

struct RunResult {
    std::string violation;  // empty: all promises were kept
    std::string trace;      // its end, when there is a violation
    std::uint64_t hash = 0;
    std::uint64_t events = 0;
    std::uint64_t resyncs = 0;
    std::uint64_t failed_requests = 0;
};

// What is drawn from: with fencing, promotions are tried at the worst of times, and none may
// succeed that loses what was acknowledged.
enum class Variant : std::uint8_t { Plain, Fenced };

class RandomRun {
public:
    RandomRun(std::uint64_t seed, bool verbose, Variant variant = Variant::Plain);

    RunResult run();

    // For a handler of abort(): what the world was doing.
    std::string trace_end() { return cluster_.world().trace.last(80); }

private:
    static ClusterOptions draw_options(base::Prng& chance, Variant variant);

    void begin();
    void act();
    void act_on_io();
    void act_on_link();
    void act_on_node();
    void act_on_role();
    void act_on_connection();
    void act_on_disk();
    void fail_over(Node to);
    void fail_over_fenced(Node to);
    bool would_split(Node to);
    void finish();
    void bring_up();
    void attach_missing();
    bool try_to_sync();
    void resolve_split_brain();
    std::optional<Node> primary();

    Node any_node() { return chance_.chance(0.5) ? Node::Alice : Node::Bob; }

    std::size_t any_volume() { return chance_.below(volumes_); }

    Variant variant_;
    base::Prng chance_;
    ClusterOptions options_;
    std::size_t volumes_;
    Cluster cluster_;
    bool may_split_ = false;
    bool has_split_ = false;
    bool had_disk_faults_ = false;
    std::optional<Node> faulty_;  // whose disks may fail: never both
};

class FencedRun : public RandomRun {
public:
    FencedRun(std::uint64_t seed, bool verbose) : RandomRun(seed, verbose, Variant::Fenced) {}
};

}  // namespace sim
