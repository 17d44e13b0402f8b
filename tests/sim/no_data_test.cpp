// on-no-data-accessible suspend-io: a Primary without good data waits for them. disk-timeout: a
// disk that has not answered for too long is given up.
#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

ClusterOptions suspending(std::uint64_t seed) {
    constexpr Protocol kProtocols[] = {Protocol::C, Protocol::B, Protocol::A};
    ClusterOptions options = with_seed(seed);
    options.protocol = kProtocols[seed % 3];
    options.net.explicit_flush = seed % 2 == 0;
    return options;
}

void suspend_without_data(Cluster& cluster) {
    cluster.settings.on_no_data = engine::OnNoData::SuspendIo;
}

// Works through its peer, which goes away with what is on its way.
TEST(SimNoData, ADisklessPrimaryWaitsForItsPeer) {
    over_seeds(24, [](std::uint64_t seed) {
        TestCluster cluster(suspending(seed));
        suspend_without_data(cluster);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        ASSERT_TRUE(cluster.detach(Node::Alice).ok());
        cluster.random_io(Node::Alice, 60, 60ms);
        cluster.run_for(25ms);
        cluster.net().reset_connections();
        cluster.cut_link();
        EXPECT_TRUE(
            cluster.run_until([&] { return cluster.status(Node::Alice).state.susp_nod; }, 30s));
        cluster.run_for(20s);
        EXPECT_GT(cluster.open_requests(), 0u);
        EXPECT_STREQ(cluster.status(Node::Alice).held_back_by, "no-data");
        cluster.heal_link();
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_FALSE(cluster.status(Node::Alice).state.frozen());
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// Its disk is the only good one, and fails.
TEST(SimNoData, ALonelyPrimaryWaitsForItsDisk) {
    over_seeds(24, [](std::uint64_t seed) {
        TestCluster cluster(suspending(seed));
        suspend_without_data(cluster);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.kill(Node::Bob);
        cluster.run_for(20s);
        cluster.random_io(Node::Alice, 60, 60ms);
        cluster.run_for(25ms);
        if (seed % 2 == 0) {
            cluster.disk(Node::Alice).fail_all(io::DiskOp::Kind::Write, EIO);
        } else {
            cluster.detach(Node::Alice, 0, true);
        }
        EXPECT_TRUE(
            cluster.run_until([&] { return cluster.status(Node::Alice).state.susp_nod; }, 30s));
        cluster.run_for(20s);
        EXPECT_GT(cluster.open_requests(), 0u);
        EXPECT_TRUE(cluster.status(Node::Alice).usable);
        cluster.start(Node::Bob);  // does not have what was told since it left
        cluster.run_for(5s);
        EXPECT_GT(cluster.open_requests(), 0u);
        cluster.disk(Node::Alice).heal();
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        if (cluster.conn(Node::Alice) == ConnState::StandAlone) {
            cluster.connect(Node::Alice);
        }
        cluster.check_convergence();
    });
}

// What was moved, or had its log applied, by `drbdmeta` is clean and still names a Primary: a crash
// does not read its log. No write begins before that is told again (wide seed 9720002049).
TEST(SimNoData, ALogThatWasAppliedElsewhereIsNoLogYet) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(suspending(seed));
        suspend_without_data(cluster);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.kill(Node::Bob);
        cluster.run_for(2s);
        ASSERT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
        cluster.grow_disk(Node::Alice, 4u << 20);
        cluster.random_writes(Node::Alice, 40, 1ms);
        cluster.run_for(10ms);
        cluster.disk(Node::Alice).set_latency({50us, 2ms});
        cluster.move_metadata_to_end(Node::Alice, 0);
        cluster.admin_begin(Node::Alice, engine::Attach{{0}, cluster.disk(Node::Alice).geometry()});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::UpToDate; }, 10s));
        cluster.run_for(seed * 100us);
        cluster.power_cut(Node::Alice);
        cluster.start(Node::Alice);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// One that is fenced as well has told nothing since the peer left: the peer's data will do.
TEST(SimNoData, AFrozenOneGoesOnWithItsPeersData) {
    over_seeds(18, [](std::uint64_t seed) {
        ClusterOptions options = suspending(seed);
        options.protocol = Protocol::C;
        options.fencing = engine::Fencing::ResourceAndStonith;
        TestCluster cluster(options);
        suspend_without_data(cluster);
        cluster.fence_exit_code = 1;
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.run_for(1s);
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 30, 60ms);
        cluster.run_for(20s);
        EXPECT_TRUE(cluster.status(Node::Alice).state.susp_fen);
        EXPECT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
        cluster.run_for(1s);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.heal_link();
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

TEST(SimNoData, WhoIsToldToGoOnHearsOfTheError) {
    TestCluster cluster(suspending(2));
    suspend_without_data(cluster);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.kill(Node::Bob);
    cluster.run_for(20s);
    EXPECT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
    const RequestNumber requests[] = {cluster.write(Node::Alice, 0, 8),
                                      cluster.read(Node::Alice, 0, 8),
                                      cluster.flush(Node::Alice)};
    cluster.run_for(5s);
    const AdminResult refused = cluster.demote(Node::Alice);
    EXPECT_NE(refused.text.find("resume-io"), std::string::npos) << refused.text;
    EXPECT_TRUE(cluster.suspend_io(Node::Alice, false).ok());
    cluster.run_for(1s);
    for (const RequestNumber request : requests) {
        EXPECT_EQ(cluster.result(request), EIO);
    }
    const RequestNumber later = cluster.write(Node::Alice, 0, 8);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.result(later), EIO);
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.start(Node::Bob);
    cluster.check_convergence();
}

void cut_power_at_each_effect(Node victim) {
    for (std::uint64_t n = 0; n < 120 && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE("effect " + std::to_string(n) + " of " + name(victim));
        TestCluster cluster(suspending(n));
        suspend_without_data(cluster);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.detach(Node::Alice);
        cluster.random_writes(Node::Alice, 30, 60ms);
        cluster.run_for(25ms);
        cluster.net().reset_connections();
        cluster.cut_link();
        cluster.run_for(5s);
        cluster.host(victim).crash_after_effects(n, PowerCut{});
        cluster.heal_link();
        cluster.run_for(3s);
        cluster.attach(Node::Alice);
        cluster.run_for(3s);
        const bool reached = !cluster.host(victim).crash_armed();
        cluster.host(victim).crash_after_effects(~0ull, std::nullopt);
        cluster.start(victim);
        // A disk may have to wait until its peer is known to be gone.
        for (int again = 0; again < 2; ++again) {
            cluster.run_for(20s);
            for (const Node node : kNodes) {
                if (cluster.conn(node) == ConnState::StandAlone) {
                    cluster.connect(node);
                    cluster.run_for(2s);
                }
                if (cluster.disk_state(node) == DiskState::Diskless) {
                    cluster.attach(node);
                }
            }
        }
        cluster.check_convergence();
        if (!reached) {
            return;
        }
    }
}

TEST(SimNoData, APowerCutAtEachEffectOfTheReturn) {
    cut_power_at_each_effect(Node::Alice);
    cut_power_at_each_effect(Node::Bob);
}

// --- disk-timeout ---

TEST(SimDiskTimeout, ADiskThatNeverAnswersIsGivenUp) {
    over_seeds(24, [](std::uint64_t seed) {
        ClusterOptions options = suspending(seed);
        options.disk.disk_timeout = 2s;
        options.block_bytes = seed % 4 == 0 ? 4096 : 512;
        TestCluster cluster(options);
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(std::chrono::microseconds(seed * 500));
        const Node hung = seed % 2 == 0 ? Node::Alice : Node::Bob;
        cluster.disk(hung).set_stuck(true);
        cluster.random_io(Node::Alice, 20, 20ms);
        cluster.run_for(1500ms);
        EXPECT_EQ(cluster.disk_state(hung), DiskState::UpToDate);
        EXPECT_TRUE(cluster.drain(2s)) << "requests wait for a disk that is none any more";
        cluster.run_for(2s);  // acknowledged by the peer's memory, where the protocol allows it
        EXPECT_EQ(cluster.disk_state(hung), DiskState::Diskless);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.host(hung).logged("failed to meet the disk-timeout"));
        cluster.disk(hung).heal();
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.attach(hung).ok());
        cluster.check_convergence();
    });
}

// Who has not looked for a while has not heard the answers.
TEST(SimDiskTimeout, AProcessThatStoodStillGivesNoDiskUp) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.disk_timeout = 1s;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(10ms);
        cluster.freeze(Node::Alice);
        cluster.run_for(10s);
        cluster.thaw(Node::Alice);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
    });
}

// It stood still for so short a time that the disk counts as hung, and that has just answered: what
// it has said is of a disk that is none any more.
TEST(SimDiskTimeout, AnswersThatComeWithItAreNotHeard) {
    ClusterOptions options = with_seed(1);
    options.disk.disk_timeout = 2s;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.disk(Node::Alice).set_stuck(true);
    cluster.random_io(Node::Alice, 20, 20ms);
    cluster.run_for(1900ms);
    cluster.freeze(Node::Alice);
    cluster.run_for(300ms);
    cluster.disk(Node::Alice).set_stuck(false);
    cluster.run_for(100ms);
    EXPECT_EQ(cluster.disk(Node::Alice).outstanding(), 0u);
    cluster.thaw(Node::Alice);
    EXPECT_TRUE(cluster.drain());
    EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
    EXPECT_EQ(cluster.failed_requests(), 0u);
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.check_convergence();
}

// From the moment at which it is set, also for what hangs already.
TEST(SimDiskTimeout, ItMayBeSetLater) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    cluster.disk(Node::Alice).set_stuck(true);
    cluster.write(Node::Alice, 0, 8);
    cluster.run_for(5s);
    EXPECT_EQ(cluster.open_requests(), 1u);
    engine::ResourceSettings settings = cluster.settings;
    settings.volumes[0].disk.disk_timeout = 2s;
    EXPECT_TRUE(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).ok());
    EXPECT_TRUE(cluster.drain(3s));
    EXPECT_EQ(cluster.failed_requests(), 0u);
    cluster.disk(Node::Alice).heal();
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.check_convergence();
}

TEST(SimDiskTimeout, AnAttachIsGivenUpAsWell) {
    ClusterOptions options = with_seed(1);
    options.disk.disk_timeout = 2s;
    TestCluster cluster(options);
    cluster.start_in_sync();
    EXPECT_TRUE(cluster.detach(Node::Bob).ok());
    cluster.disk(Node::Bob).set_stuck(true);
    EXPECT_TRUE(cluster.attach(Node::Bob).still_running);
    cluster.run_for(3s);
    EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
    cluster.disk(Node::Bob).heal();
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.attach(Node::Bob).ok());
    cluster.check_convergence();
}

// A person who takes a disk away knows of it.
TEST(SimDiskTimeout, TheHandlerIsCalledForAnErrorOnly) {
    ClusterOptions options = with_seed(1);
    options.disk.on_io_error = engine::OnIoError::CallLocalIoError;
    options.disk.disk_timeout = 2s;
    TestCluster cluster(options);
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    EXPECT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
    EXPECT_EQ(cluster.handlers_run("local-io-error"), 0u);
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.run_until_in_sync();
    cluster.disk(Node::Alice).set_stuck(true);
    cluster.write(Node::Alice, 0, 8);
    EXPECT_TRUE(cluster.drain(5s));
    EXPECT_EQ(cluster.handlers_run("local-io-error"), 1u);
    cluster.disk(Node::Alice).heal();
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.attach(Node::Alice).ok());
    cluster.run_until_in_sync();
    cluster.disk(Node::Alice).fail_operation(1, EIO);
    cluster.write(Node::Alice, 0, 8);
    EXPECT_TRUE(cluster.drain(5s));
    EXPECT_EQ(cluster.handlers_run("local-io-error"), 2u);
}

}  // namespace
}  // namespace sim
