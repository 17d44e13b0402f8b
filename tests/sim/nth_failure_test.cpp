// Every single step may be the one that fails: disk operation n of an attach, a handshake, a resync
// and a detach; and a crash, with and without power, after each effect of them.

#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

constexpr std::uint64_t kEnough = 400;       // none of them has so many steps
constexpr std::uint64_t kDevice = 8u << 20;  // bytes
constexpr std::uint64_t kSmall = 1u << 19;   // of those of which all is copied

void repair(Cluster& cluster) {
    cluster.heal_link();
    for (const Node node : kNodes) {
        cluster.disk(node).heal();
        cluster.start(node);
    }
    cluster.run_for(2s);
    for (const Node node : kNodes) {
        if (cluster.disk_state(node) == DiskState::Diskless) {
            cluster.attach(node);
        }
        if (cluster.conn(node) == ConnState::StandAlone) {
            cluster.connect(node);
        }
    }
    cluster.check_convergence();
}

// Runs `act` on a prepared cluster with the n-th disk operation of `node` failing, for n = 1, 2,
// ... until an n is reached that the act does not come to.
void fail_each_operation(Node node,
                         const std::function<void(Cluster&)>& prepare,
                         const std::function<void(Cluster&)>& act) {
    for (std::uint64_t n = 1; n < kEnough && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE("operation " + std::to_string(n) + " of " + name(node));
        TestCluster cluster(with_seed(n));
        prepare(cluster);
        const std::uint64_t before = cluster.disk(node).operations();
        cluster.disk(node).fail_operation(n, EIO);
        act(cluster);
        const bool reached = cluster.disk(node).operations() >= before + n;
        repair(cluster);
        if (!reached) {
            return;
        }
    }
    EXPECT_TRUE(testing::Test::HasFailure()) << "there are more steps";
}

void crash_at_each_effect(Node node,
                          std::optional<PowerCut> cut,
                          const std::function<void(Cluster&)>& prepare,
                          const std::function<void(Cluster&)>& act,
                          std::uint64_t device_bytes = kDevice) {
    for (std::uint64_t n = 0; n < kEnough && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE("effect " + std::to_string(n) + " of " + name(node));
        ClusterOptions options = with_seed(n + 1);
        options.device_bytes = device_bytes;
        TestCluster cluster(options);
        prepare(cluster);
        cluster.host(node).crash_after_effects(n, cut);
        act(cluster);
        const bool reached = !cluster.host(node).crash_armed();
        cluster.host(node).crash_after_effects(~0ull, std::nullopt);
        repair(cluster);
        if (!reached) {
            return;
        }
    }
    EXPECT_TRUE(testing::Test::HasFailure()) << "there are more steps";
}

void primary_with_open_writes(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.write(Node::Alice, 0, 16);
    cluster.write(Node::Alice, 900, 8);
    cluster.run_for(1ms);
}

void crashed_primary(Cluster& cluster) {
    primary_with_open_writes(cluster);
    cluster.power_cut(Node::Alice);
    cluster.run_for(20s);
}

void differing_pair(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.cut_link();
    cluster.run_for(30s);
    for (std::uint64_t i = 0; i < 6; ++i) {
        cluster.write(Node::Alice, i * 1000, 8 + i);
    }
    cluster.drain();
}

void start_alice(Cluster& cluster) {
    cluster.start(Node::Alice);
    cluster.run_for(5s);
}

void resync(Cluster& cluster) {
    cluster.heal_link();
    cluster.run_for(30s);
}

void detach_alice(Cluster& cluster) {
    cluster.detach(Node::Alice);
    cluster.run_for(2s);
}

void invalidate_bob(Cluster& cluster) {
    cluster.admin_begin(Node::Bob, engine::Invalidate{{0}});
    cluster.run_for(10s);
}

// Those of the Primary, from its peer.
void invalidate_alice(Cluster& cluster) {
    cluster.admin_begin(Node::Bob, engine::InvalidateRemote{{0}});
    cluster.run_for(10s);
}

TEST(SimNthFailure, AttachOfACrashedPrimary) {
    fail_each_operation(Node::Alice, crashed_primary, start_alice);
}

TEST(SimNthFailure, ResyncOnTheSource) {
    fail_each_operation(Node::Alice, differing_pair, resync);
}

TEST(SimNthFailure, ResyncOnTheTarget) {
    fail_each_operation(Node::Bob, differing_pair, resync);
}

TEST(SimNthFailure, Detach) {
    fail_each_operation(Node::Alice, primary_with_open_writes, detach_alice);
}

TEST(SimCrashAtEachEffect, AttachOfACrashedPrimary) {
    crash_at_each_effect(Node::Alice, std::nullopt, crashed_primary, start_alice);
    crash_at_each_effect(Node::Alice, PowerCut{}, crashed_primary, start_alice);
}

TEST(SimCrashAtEachEffect, ResyncOnTheSource) {
    crash_at_each_effect(Node::Alice, PowerCut{}, differing_pair, resync);
}

TEST(SimCrashAtEachEffect, ResyncOnTheTarget) {
    crash_at_each_effect(Node::Bob, PowerCut{.drop_unflushed = 1.0}, differing_pair, resync);
}

TEST(SimCrashAtEachEffect, Invalidation) {
    for (const Node node : kNodes) {
        for (const std::optional<PowerCut>& cut :
             {std::optional<PowerCut>(), std::optional(PowerCut{.drop_unflushed = 1.0})}) {
            crash_at_each_effect(node, cut, primary_with_open_writes, invalidate_bob, kSmall);
            crash_at_each_effect(node, cut, primary_with_open_writes, invalidate_alice, kSmall);
        }
    }
}

TEST(SimCrashAtEachEffect, Detach) {
    crash_at_each_effect(Node::Alice, PowerCut{}, primary_with_open_writes, detach_alice);
}

}  // namespace
}  // namespace sim
