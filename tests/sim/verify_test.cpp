// Online verify: it finds each difference and nothing else, from either node, whatever happens
// meanwhile. Wire specification, section 8.9.

#include "tests/sim/sim_test.h"

#include <algorithm>
#include <cerrno>

namespace sim {
namespace {

using engine::StateCode;

constexpr std::uint64_t kBlocks = 1800;  // of the smallest device that there is here

// Half of the peers are no drbdd: they are asked for one block at a time.
ClusterOptions verifiable(std::uint64_t seed) {
    constexpr const char* kAlgorithms[] = {"crc32c", "sha1", "xxhash64"};
    ClusterOptions options = with_seed(seed);
    options.net.verify_alg = kAlgorithms[seed % 3];
    options.net.explicit_flush = seed % 2 == 0;
    return options;
}

Node starter(std::uint64_t seed) {
    return seed / 2 % 2 == 0 ? Node::Alice : Node::Bob;
}

bool is_over(Cluster& cluster) {
    return cluster.conn(Node::Alice) == ConnState::Connected &&
           cluster.conn(Node::Bob) == ConnState::Connected;
}

// Alice is Primary; something has been written.
void serve_a_while(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.random_writes(Node::Alice, 100);
    cluster.drain();
    cluster.run_for(3s);
}

void slow_down(ClusterOptions& options, std::uint32_t kib) {
    options.disk.resync_rate_fixed = true;
    options.disk.resync_rate_kib = kib;
}

std::uint64_t spoil_some(Cluster& cluster, Node node, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        cluster.spoil(node, cluster.world().prng.below(kBlocks));
    }
    return cluster.oracles().differing(0).size();
}

TEST(SimVerify, FindsEachDifferenceAndNothingElse) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(verifiable(seed));
        serve_a_while(cluster);
        const std::uint64_t count = spoil_some(cluster, Node::Bob, 1 + seed * 7);
        ASSERT_TRUE(cluster.verify(starter(seed)).ok());
        EXPECT_EQ(cluster.conn(starter(seed)), ConnState::VerifyS);
        ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
        cluster.run_for(1s);
        for (const Node node : kNodes) {
            EXPECT_EQ(cluster.status(node).out_of_sync_bits, count);
            EXPECT_TRUE(cluster.host(node).logged("Online verify done (total "));
            EXPECT_TRUE(cluster.host(node).logged(
                base::format("Online verify found %llu 4k block out of sync!", base::ull(count))));
            EXPECT_TRUE(cluster.host(node).logged("Out of sync: start="));
            EXPECT_TRUE(std::count(cluster.host(node).handlers().begin(),
                                   cluster.host(node).handlers().end(),
                                   "out-of-sync") == 1);
        }
        cluster.disconnect(Node::Alice);
        cluster.connect(Node::Alice);
        cluster.check_convergence();
        EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 0u);
    });
}

// Under load, and without a moment at which the connection is lost or a write has one copy only.
TEST(SimVerify, ARepairBringsThePeerWhatDiffers) {
    over_seeds(24, [](std::uint64_t seed) {
        ClusterOptions options = verifiable(seed);
        options.protocol = seed % 3 == 0 ? Protocol::A : Protocol::C;
        TestCluster cluster(options);
        serve_a_while(cluster);
        spoil_some(cluster, Node::Bob, 1 + seed * 7);
        cluster.random_io(Node::Alice, 1000, 2s);
        EXPECT_EQ(cluster.verify(Node::Bob, 0, 0, true).code, 162);
        ASSERT_TRUE(cluster.verify(Node::Alice, 0, 0, true).ok());
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.host(Node::Bob).logged("Resync done"); }, 60s));
        EXPECT_TRUE(cluster.drain());
        EXPECT_TRUE(cluster.run_until_in_sync(10s));
        cluster.run_for(1s);  // under protocol A the last writes are still on their way
        EXPECT_EQ(cluster.failed_requests(), 0u);
        for (const Node node : kNodes) {
            EXPECT_EQ(cluster.status(node).out_of_sync_bits, 0u);
            EXPECT_FALSE(cluster.host(node).logged("Connection closed"));
        }
        EXPECT_TRUE(cluster.oracles().differing(0).empty());
        EXPECT_EQ(cluster.handlers_run("fence-peer"), 0u);
        cluster.check_convergence();
    });
}

// Writes are held for it: that must not last as long as another volume keeps the link busy.
TEST(SimVerify, ARepairDoesNotWaitForOtherVolumes) {
    over_seeds(8, [](std::uint64_t seed) {
        ClusterOptions options = verifiable(seed);
        options.protocol = Protocol::A;
        options.volumes = 2;
        options.link.bytes_per_second = 2'000'000;
        TestCluster cluster(options);
        serve_a_while(cluster);
        spoil_some(cluster, Node::Bob, 5);
        ASSERT_TRUE(cluster.verify(Node::Alice, 0, 0, true).ok());
        const auto keep_busy = [&] {
            for (std::uint64_t i = 0; i < 64; ++i) {
                cluster.write(Node::Alice, i * 64, 64, {.volume = 1});
            }
        };
        for (int i = 0; i < 600 && !cluster.host(Node::Bob).logged("Resync done"); ++i) {
            keep_busy();
            cluster.run_for(100ms);
        }
        EXPECT_TRUE(cluster.host(Node::Bob).logged("Resync done"));
        EXPECT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

TEST(SimVerify, ARepairThatFindsNothingDoesNothing) {
    TestCluster cluster(verifiable(1));
    serve_a_while(cluster);
    ASSERT_TRUE(cluster.verify(Node::Alice, 0, 0, true).ok());
    ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
    cluster.run_for(3s);
    EXPECT_FALSE(cluster.host(Node::Alice).logged("Ahead"));
    cluster.check_convergence();
}

// Whatever a power cut interrupts, the data of the Primary count.
TEST(SimVerify, APowerCutAtManyAnEffectOfARepair) {
    for (const Node victim : kNodes) {
        for (std::uint64_t n = 1;; n += 3) {
            TestCluster cluster(verifiable(n));
            serve_a_while(cluster);
            spoil_some(cluster, Node::Bob, 20);
            ASSERT_TRUE(cluster.verify(Node::Alice, 0, 0, true).ok());
            ASSERT_TRUE(cluster.run_until(
                [&] { return cluster.host(Node::Alice).logged("Repairing"); }, 60s));
            cluster.host(victim).crash_after_effects(n, PowerCut{});
            cluster.run_until([&] { return !cluster.host(victim).crash_armed(); }, 5s);
            const bool reached = !cluster.host(victim).crash_armed();
            cluster.host(victim).crash_after_effects(~0ull, std::nullopt);
            cluster.start(victim);
            cluster.check_convergence();
            if (!reached || testing::Test::HasFailure()) {
                break;
            }
        }
    }
}

TEST(SimVerify, WritesUnderWayAreNoDifference) {
    over_seeds(16, [](std::uint64_t seed) {
        ClusterOptions options = verifiable(seed);
        options.protocol = seed % 3 == 0 ? Protocol::A : Protocol::C;
        options.disk.c_min_rate_kib = 4000;
        TestCluster cluster(options);
        serve_a_while(cluster);
        cluster.random_io(Node::Alice, 3000, 2s);
        for (std::uint64_t round = 0; round < 3; ++round) {
            ASSERT_TRUE(cluster.verify(starter(seed + round), 0).ok());
            ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
            EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 0u);
            EXPECT_EQ(cluster.status(Node::Bob).out_of_sync_bits, 0u);
        }
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

// What was planted and overwritten before its turn is the same again.
TEST(SimVerify, FindsWhatDiffersAmongWrites) {
    over_seeds(12, [](std::uint64_t seed) {
        TestCluster cluster(verifiable(seed));
        serve_a_while(cluster);
        spoil_some(cluster, Node::Bob, 60);
        cluster.random_writes(Node::Alice, 500, 1s);
        ASSERT_TRUE(cluster.verify(starter(seed), 0).ok());
        ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
        cluster.drain();
        EXPECT_GT(cluster.status(Node::Alice).out_of_sync_bits, 0u);
        EXPECT_LE(cluster.status(Node::Alice).out_of_sync_bits, 60u);
        cluster.net().reset_connections();
        cluster.run_for(3s);
        cluster.check_convergence();
    });
}

TEST(SimVerify, ABrokenConnectionEndsItAndTheNextOneGoesOnThere) {
    over_seeds(8, [](std::uint64_t seed) {
        ClusterOptions options = verifiable(seed);
        slow_down(options, 1024);
        TestCluster cluster(options);
        serve_a_while(cluster);
        cluster.spoil(Node::Bob, kBlocks - 1);
        ASSERT_TRUE(cluster.verify(starter(seed)).ok());
        cluster.run_for(3s);
        if (seed % 3 == 0) {
            cluster.disconnect(Node::Alice);
            cluster.connect(Node::Alice);
        } else {
            cluster.net().reset_connections();
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        const Host& host = cluster.host(starter(seed));
        EXPECT_TRUE(host.logged("Online Verify reached sector "));
        EXPECT_FALSE(host.logged("Online verify done"));
        ASSERT_TRUE(cluster.verify(starter(seed)).ok());
        EXPECT_TRUE(std::any_of(host.log().begin(), host.log().end(), [](const std::string& line) {
            return line.find("Starting Online Verify from sector ") != std::string::npos &&
                   line.find("from sector 0") == std::string::npos;
        }));
        ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
        EXPECT_EQ(cluster.status(Node::Bob).out_of_sync_bits, 1u);
        cluster.net().reset_connections();
        cluster.run_for(3s);
        cluster.check_convergence();
    });
}

// The peer's end of it is known by what the other one says.
TEST(SimVerify, StopsWhereItIsToldTo) {
    TestCluster cluster(verifiable(2));
    serve_a_while(cluster);
    cluster.spoil(Node::Bob, 200);
    ASSERT_TRUE(cluster.admin(Node::Bob, engine::StartVerify{{0}, 1000, 4000}).ok());
    ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
    EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 1u);
    EXPECT_TRUE(cluster.host(Node::Bob).logged("Starting Online Verify from sector 1000"));
    EXPECT_TRUE(cluster.host(Node::Alice).logged("Online Verify start sector: 1000"));
    EXPECT_TRUE(cluster.host(Node::Alice).logged("Online verify done"));
    cluster.net().reset_connections();
    cluster.run_for(3s);
    cluster.check_convergence();
}

TEST(SimVerify, ADiskThatFailsEndsIt) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = verifiable(seed);
        options.disk.on_io_error =
            seed % 4 == 0 ? engine::OnIoError::PassOn : engine::OnIoError::Detach;
        TestCluster cluster(options);
        serve_a_while(cluster);
        const Node victim = seed / 4 % 2 == 0 ? Node::Bob : Node::Alice;
        cluster.disk(victim).add_bad_sector({9000 + seed * 8});
        ASSERT_TRUE(cluster.verify(starter(seed)).ok());
        ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
        cluster.run_for(1s);
        EXPECT_LT(cluster.disk_state(victim), DiskState::UpToDate);
        EXPECT_EQ(cluster.disk_state(other(victim)), DiskState::UpToDate);
        cluster.random_io(Node::Alice, 100, 1s);
        cluster.drain();
        cluster.disk(victim).heal();
        if (cluster.disk_state(victim) == DiskState::Diskless) {
            EXPECT_TRUE(cluster.attach(victim).ok());
        } else {
            cluster.net().reset_connections();
            cluster.run_for(3s);
        }
        cluster.check_convergence();
    });
}

TEST(SimVerify, IsRefusedInWords) {
    ClusterOptions options = verifiable(2);
    slow_down(options, 256);
    TestCluster cluster(options);
    cluster.start_fresh();
    const auto code = [](StateCode c) { return static_cast<int>(c); };
    EXPECT_EQ(cluster.verify(Node::Alice).code, code(StateCode::NeedConnection));
    cluster.connect_both();
    cluster.run_for(5s);
    EXPECT_EQ(cluster.verify(Node::Alice).code, code(StateCode::NoUpToDateDisk));
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Inconsistent);
    cluster.admin(Node::Alice, engine::NewCurrentUuid{{0}, true});
    ASSERT_TRUE(cluster.run_until_in_sync());
    EXPECT_EQ(cluster.admin(Node::Alice, engine::StartVerify{{7}}).code, 127);
    EXPECT_EQ(cluster.verify(Node::Alice, 1u << 30).code, 162);
    EXPECT_EQ(cluster.admin(Node::Alice, engine::StartVerify{{0}, 800, 800}).code, 162);
    EXPECT_TRUE(cluster.verify(Node::Alice).ok());
    EXPECT_EQ(cluster.verify(Node::Alice).code, code(StateCode::ResyncRunning));
    EXPECT_EQ(cluster.verify(Node::Bob).code, code(StateCode::ResyncRunning));
    EXPECT_EQ(cluster.invalidate(Node::Bob).code, code(StateCode::ResyncRunning));
    engine::ResourceSettings other = cluster.settings;
    other.net.verify_alg = "md5";
    EXPECT_EQ(cluster.admin(Node::Alice, engine::ChangeSettings{other}).code, 149);
    EXPECT_TRUE(cluster.promote(Node::Bob).ok());
    EXPECT_EQ(cluster.conn(Node::Bob), ConnState::VerifyT);
    EXPECT_TRUE(cluster.status(Node::Bob).resync.has_value());
}

TEST(SimVerify, WithoutAnAlgorithmThereIsNone) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    EXPECT_EQ(cluster.verify(Node::Alice).code, static_cast<int>(StateCode::NoVerifyAlg));
    EXPECT_EQ(cluster.verify(Node::Alice).text, "Need a verify algorithm to start online verify");
}

// As DRBD: told at the connect both must have the same; later the peer takes it over.
TEST(SimVerify, BothHaveOneAlgorithm) {
    TestCluster cluster(verifiable(2));
    engine::ResourceSettings other = cluster.settings;
    other.net.verify_alg = "md5";
    cluster.own_settings[1] = other;
    cluster.start_fresh();
    cluster.connect_both();
    cluster.run_for(15s);
    EXPECT_LT(cluster.conn(Node::Alice), ConnState::Connected);
    EXPECT_TRUE(cluster.host(Node::Alice)
                    .logged("Different verify-alg settings. me=\"xxhash64\" peer=\"md5\"") ||
                cluster.host(Node::Bob).logged(
                    "Different verify-alg settings. me=\"md5\" peer=\"xxhash64\""));
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::ChangeSettings{cluster.settings}).ok());
    ASSERT_TRUE(
        cluster.run_until([&] { return is_over(cluster); }, 60s));  // found together by themselves
    cluster.admin(Node::Alice, engine::NewCurrentUuid{{0}, true});
    ASSERT_TRUE(cluster.run_until_in_sync());
    other.net.verify_alg = "sha512";
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::ChangeSettings{other}).ok());
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.host(Node::Alice).logged("using verify-alg: \"sha512\""));
    EXPECT_TRUE(cluster.verify(Node::Alice).ok());
    ASSERT_TRUE(cluster.run_until([&] { return is_over(cluster); }, 60s));
    EXPECT_EQ(cluster.status(Node::Alice).out_of_sync_bits, 0u);
    EXPECT_TRUE(cluster.host(Node::Bob).logged("Online verify done"));
}

}  // namespace
}  // namespace sim
