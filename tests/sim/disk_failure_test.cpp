// Disks that fail, on either node, in every operation. Wire specification, section 9.4.

#include "tests/sim/sim_test.h"

#include <cerrno>

namespace sim {
namespace {

using Kind = io::DiskOp::Kind;

void expect_repair(Cluster& cluster, Node node) {
    cluster.disk(node).heal();
    cluster.run_for(2s);
    EXPECT_TRUE(cluster.attach(node).ok());
    cluster.check_convergence();
}

TEST(SimDiskFailure, WriteErrorOnThePrimaryDetachesAndIoGoesOn) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(5ms);
        cluster.disk(Node::Alice).fail_data_writes(seed % 2 == 0 ? EIO : ENOSPC);
        cluster.run_for(20ms);
        ASSERT_TRUE(cluster.drain());
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(1s);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        expect_repair(cluster, Node::Alice);
    });
}

TEST(SimDiskFailure, ReadErrorOnThePrimaryIsReadFromThePeer) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.write(Node::Alice, 0, 64);
        ASSERT_TRUE(cluster.drain());
        cluster.disk(Node::Alice).add_bad_sector({20});
        const RequestNumber read = cluster.read(Node::Alice, 0, 64);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(read), 0);
        cluster.run_for(2s);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        expect_repair(cluster, Node::Alice);
    });
}

TEST(SimDiskFailure, WriteErrorOnTheSecondaryDetachesIt) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        const Protocol protocols[] = {Protocol::A, Protocol::B, Protocol::C};
        options.protocol = protocols[seed % 3];
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(5ms);
        cluster.disk(Node::Bob).fail_data_writes(EIO);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Bob) == DiskState::Diskless; }, 10s));
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(1s);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        expect_repair(cluster, Node::Bob);
    });
}

TEST(SimDiskFailure, PassOnMakesTheDiskInconsistentAndGoesOn) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.on_io_error = engine::OnIoError::PassOn;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Alice).fail_operation(1 + seed, EIO);
        cluster.random_io(Node::Alice, 60, 20ms);
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
    });
}

// One bad block of the newest data: older ones would take their place if all counted as
// Inconsistent.
TEST(SimDiskFailure, PassOnDoesNotGiveUpTheOnlyGoodCopy) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.on_io_error = engine::OnIoError::PassOn;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        cluster.random_writes(Node::Alice, 60, 100ms);
        cluster.run_for(200ms);
        SimDisk& disk = cluster.disk(Node::Alice);
        if (seed % 3 == 0) {
            disk.fail_operation(1, EIO);
            const RequestNumber write = cluster.write(Node::Alice, 0, 8);
            cluster.run_for(100ms);
            EXPECT_EQ(cluster.result(write), EIO);
        } else if (seed % 3 == 1) {
            disk.add_bad_sector({3});
            const RequestNumber read = cluster.read(Node::Alice, 0, 8);
            cluster.run_for(100ms);
            EXPECT_EQ(cluster.result(read), EIO);
        } else {
            disk.lose_next_flush();
            const RequestNumber flush = cluster.flush(Node::Alice);
            cluster.run_for(100ms);
            EXPECT_EQ(cluster.result(flush), EIO);
        }
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        const RequestNumber write = cluster.write(Node::Alice, 800, 8);
        cluster.run_for(100ms);
        EXPECT_EQ(cluster.result(write), 0);
        disk.heal();
        cluster.heal_link();
        cluster.check_convergence();
        cluster.run_for(25s);
        EXPECT_TRUE(cluster.disks_identical());
    });
}

TEST(SimDiskFailure, WithoutAnyGoodDiskRequestsFailInsteadOfHanging) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.kill(Node::Bob);
        cluster.run_for(20s);
        cluster.disk(Node::Alice).fail_data_writes(EIO);
        const RequestNumber request = cluster.write(Node::Alice, 0, 8);
        ASSERT_TRUE(cluster.drain());
        EXPECT_NE(cluster.result(request), 0);
    });
}

TEST(SimDiskFailure, DetachedPrimaryWorksThroughThePeer) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 50, 10ms);
        cluster.run_for(10ms);
        EXPECT_TRUE(cluster.detach(Node::Alice, 0, seed % 2 == 0).ok());
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        if (seed % 3 == 0) {
            cluster.kill(Node::Bob);  // now there is no data at all
            cluster.run_for(20s);
            cluster.start(Node::Bob);
            cluster.run_until([&] { return cluster.conn(Node::Bob) >= ConnState::Connected; }, 60s);
        }
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
    });
}

// What it knows to be missing on the peer is only on the disk until it has been read.
TEST(SimDiskFailure, AConnectionThatEndsDuringAnAttachLosesNoMarks) {
    over_seeds(60, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        ASSERT_TRUE(cluster.disconnect(Node::Bob).ok());
        cluster.random_writes(Node::Alice, 50, 1s);
        cluster.run_for(2s);
        ASSERT_TRUE(cluster.demote(Node::Alice).ok());
        ASSERT_TRUE(cluster.detach(Node::Alice, 0, true).ok());
        cluster.connect(Node::Bob);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) >= ConnState::Connected; }, 60s));
        cluster.admin_begin(Node::Alice, engine::Attach{{0}, cluster.disk(Node::Alice).geometry()});
        cluster.run_for(std::chrono::microseconds(seed * 100));
        cluster.kill(Node::Bob);
        cluster.run_for(std::chrono::milliseconds(seed % 3));
        cluster.power_cut(Node::Alice);
        cluster.start(Node::Bob);
        cluster.start(Node::Alice);
        cluster.check_convergence();
    });
}

TEST(SimDiskFailure, DetachOfTheLastGoodDiskIsRefused) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.promote(Node::Alice);
    EXPECT_TRUE(cluster.detach(Node::Bob).ok());
    cluster.run_for(1s);
    EXPECT_FALSE(cluster.detach(Node::Alice).ok());
    EXPECT_TRUE(cluster.attach(Node::Bob).ok());
    cluster.check_convergence();
}

TEST(SimDiskFailure, FailingFlushesLoseNothing) {
    over_seeds(5, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.disk(Node::Bob).fail_all(Kind::Flush, EIO);
        cluster.random_io(Node::Alice, 100, 20ms);
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.drain());
        cluster.disk(Node::Bob).heal();
        if (cluster.disk_state(Node::Bob) == DiskState::Diskless) {
            cluster.attach(Node::Bob);
        }
        cluster.check_convergence();
    });
}

TEST(SimDiskFailure, AttachRefusesForeignMetadata) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    cluster.kill(Node::Bob);
    const auto& layout = cluster.host(Node::Bob).volume(0).layout;
    const std::vector<std::uint8_t> garbage(4096, 0x5a);
    std::vector<std::uint8_t> saved(4096);
    cluster.disk(Node::Bob).peek(layout.superblock_sector, saved);
    cluster.host(Node::Bob).start(cluster.settings);
    cluster.disk(Node::Bob).poke(layout.superblock_sector, garbage);
    const AdminResult refused = cluster.attach(Node::Bob);
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(refused.text, "");
    EXPECT_FALSE(cluster.host(Node::Bob).volume(0).attached);
    cluster.disk(Node::Bob).poke(layout.superblock_sector, saved);
    EXPECT_TRUE(cluster.attach(Node::Bob).ok());
    cluster.connect(Node::Bob);
    cluster.check_convergence();
}

// Linux: what a failed flush was to cover may be shown by the cache and be forgotten later. It was
// what a process had written that was killed; its successor reads it, and is the source.
TEST(SimDiskFailure, ASourceKeepsWhatAFailedFlushHasOnlyLeftInTheCache) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.random_writes(Node::Bob, 60, 100ms);
        cluster.run_for(50ms + seed * 1ms);
        cluster.kill(Node::Bob);
        cluster.run_for(1s);
        cluster.disk(Node::Bob).lose_next_flush();
        cluster.start(Node::Bob, false);
        EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::Diskless);
        ASSERT_TRUE(cluster.attach(Node::Bob).ok());
        cluster.connect(Node::Bob);
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(25s);
        EXPECT_TRUE(cluster.disks_identical());
        cluster.check_convergence();
    });
}

// Seed sim_fenced 2200001583: the flush fails in the middle of a resync. What it was to cover
// counts as different, on the source alone: the target has its copies, and they come back.
TEST(SimDiskFailure, ASourceWhoseFlushFailsTakesBackWhatItsTargetHas) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.on_io_error = engine::OnIoError::PassOn;
        // The cache still shows what it has lost: equal digests say nothing then.
        options.net.csums_alg = seed % 4 < 2 ? "crc32c" : "";
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        cluster.random_writes(Node::Alice, 150, 100ms);
        cluster.drain();
        cluster.heal_link();
        cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::SyncSource; }, 10s);
        cluster.random_writes(Node::Alice, 20, 20ms);
        cluster.disk(Node::Alice).lose_next_flush();
        cluster.run_for(seed * 1ms);
        cluster.flush(Node::Alice);
        cluster.run_for(100ms);
        if (seed % 2 == 0) {
            cluster.demote(Node::Alice);
        }
        // A Primary goes on with the peer's data all the time.
        for (int i = 0; seed % 2 == 1 && i < 40; ++i) {
            const RequestNumber write = cluster.write(Node::Alice, 8 * (100 + seed), 8);
            ASSERT_TRUE(cluster.drain());
            EXPECT_EQ(cluster.result(write), 0);
            cluster.run_for(250ms);
        }
        cluster.run_for(10s);
        if (cluster.disk_state(Node::Alice) == DiskState::Diskless) {
            ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(25s);
        EXPECT_TRUE(cluster.disks_identical());
        cluster.check_convergence();
    });
}

// The flush of an attach fails: what it had marked by the log is shown by the cache alone, so the
// next attach must not take it for stored and wipe the log.
TEST(SimDiskFailure, AnAttachWritesAgainWhatAFailedOneHadMarked) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        cluster.random_writes(Node::Alice, 40, 100ms);
        cluster.run_for(50ms + seed * 1ms);
        cluster.kill(Node::Alice);
        cluster.disk(Node::Alice).lose_next_flush();
        cluster.start(Node::Alice, false);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.run_for(5s);
        cluster.power_cut(Node::Alice);  // all that differs is still marked, or in the log
        cluster.start(Node::Alice);
        cluster.heal_link();
        cluster.check_convergence();
    });
}

// That its writes were refused before is settled by the resync: what the peer says of its disk
// later on is believed. One node took it for bad, the other one did not know (wide fenced
// 9800004862).
TEST(SimDiskFailure, APeerIsBelievedAgainAfterTheResync) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.random_writes(Node::Bob, 60, 100ms);
        cluster.disk(Node::Alice).fail_data_writes(EIO);
        cluster.run_for(1s);
        cluster.disk(Node::Alice).heal();
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(1s);
        cluster.pause_sync(Node::Alice, true);  // as any other word of its state
        cluster.run_for(1s);
        EXPECT_EQ(cluster.status(Node::Bob).state.pdsk, DiskState::UpToDate);
        cluster.random_writes(Node::Bob, 20);
        cluster.demote(Node::Bob);
        EXPECT_TRUE(cluster.promote(Node::Alice).ok());
        cluster.pause_sync(Node::Alice, false);
        cluster.check_convergence();
    });
}

// Its state was told without identifiers, which had not been stored: the other node took the data
// for good, and forgot that it had crashed as a Primary (wide seed 9700008766).
TEST(SimDiskFailure, OneDuringAHandshakeHidesNoCrash) {
    over_seeds(60, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = seed % 2 == 0 ? Protocol::A : Protocol::C;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.random_writes(Node::Bob, 300, 40ms);
        cluster.run_for(20ms);
        cluster.disk(Node::Alice).set_latency({300ms, 600ms});
        cluster.kill(Node::Bob);
        cluster.start(Node::Bob);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) >= ConnState::Connected; }, 30s));
        cluster.disk(Node::Alice).fail_metadata(EIO);
        cluster.run_for(2s);
        cluster.disk(Node::Alice).heal();
        cluster.disk(Node::Alice).set_latency({});
        cluster.attach(Node::Alice);
        cluster.check_convergence();
    });
}

// The same without a crash: the application sees that its flush fails, and the disk is attached
// again.
TEST(SimDiskFailure, ALonePrimaryMakesGoodWhatAFailedFlushMayHaveLost) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.disk.on_io_error =
            seed % 2 == 0 ? engine::OnIoError::Detach : engine::OnIoError::CallLocalIoError;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.run_for(20s);
        cluster.random_writes(Node::Alice, 60, 100ms);
        cluster.run_for(200ms);
        cluster.disk(Node::Alice).lose_next_flush();
        cluster.flush(Node::Alice);
        cluster.run_for(100ms);
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.heal_link();
        cluster.random_writes(Node::Alice, 20, 1s);  // also while blocks are written back
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.run_for(25s);
        EXPECT_TRUE(cluster.disks_identical());
        cluster.check_convergence();
    });
}

// Also where it was a flush of our own that failed: the application hears of it with its next one,
// once (wide seed 9700013855).
TEST(SimDiskFailure, AnApplicationIsToldOfAFlushThatOnlyWeHaveSeenFail) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.kill(Node::Bob);
        cluster.run_for(2s);
        cluster.random_writes(Node::Alice, 20);
        ASSERT_TRUE(cluster.drain());
        cluster.disk(Node::Alice).lose_next_flush();
        cluster.start(Node::Bob);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::Diskless; }, 60s));
        const AdminResult attached = cluster.attach(Node::Alice);
        ASSERT_TRUE(attached.ok()) << attached.text;
        const RequestNumber told = cluster.flush(Node::Alice);
        ASSERT_TRUE(cluster.drain());
        const RequestNumber later = cluster.flush(Node::Alice);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(told), EIO);
        EXPECT_EQ(cluster.result(later), 0);
        cluster.check_convergence();
    });
}

// No write of a generation is completed before a disk bears it: a lone Primary whose disk has
// failed just then takes it back as it is.
TEST(SimDiskFailure, ADiskThatHasNotStoredTheLatestGenerationComesBackToItsPrimary) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.protocol =
            seed % 2 == 0 ? engine::ReplicationProtocol::C : engine::ReplicationProtocol::A;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 30, 50ms);
        cluster.run_for(60ms);
        if (seed % 4 < 2) {
            cluster.disk(Node::Alice).fail_metadata(EIO);
        }
        cluster.kill(Node::Bob);
        if (seed % 4 >= 2) {
            cluster.disk(Node::Alice).fail_operation(1 + seed / 4, EIO);
        }
        cluster.run_for(15s);
        cluster.disk(Node::Alice).heal();
        if (cluster.disk_state(Node::Alice) == DiskState::Diskless) {
            const AdminResult attached = cluster.attach(Node::Alice);
            EXPECT_TRUE(attached.ok()) << attached.text;
        }
        EXPECT_EQ(cluster.disk_state(Node::Alice), DiskState::UpToDate);
        const RequestNumber write = cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(write), 0);
        cluster.start(Node::Bob);
        cluster.check_convergence();
    });
}

// Under protocol A the peer may lack what was acknowledged before: it bears the same identifier,
// and is none for the Primary that has lost its disk.
TEST(SimDiskFailure, ThePeerOfThatGenerationIsNoneForAPrimaryWithoutItsDisk) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.protocol = engine::ReplicationProtocol::A;
        options.latency = {5ms, 10ms};
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const RequestNumber write = cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.result(write).has_value(); }, 5s));
        ASSERT_EQ(cluster.result(write), 0);
        cluster.disk(Node::Alice).fail_metadata(EIO);
        cluster.kill(Node::Bob);
        cluster.run_for(5s);
        ASSERT_EQ(cluster.disk_state(Node::Alice), DiskState::Diskless);
        cluster.start(Node::Bob);
        cluster.run_for(20s);
        const RequestNumber read = cluster.read(Node::Alice, 64, 8);
        cluster.run_for(5s);
        EXPECT_NE(cluster.result(read), 0);
        cluster.disk(Node::Alice).heal();
        ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.connect(Node::Alice);
        cluster.check_convergence();
    });
}

// The peer's refusal comes first: it is no copy, and when our own disk fails nobody has the write.
TEST(SimDiskFailure, AWriteThatNeitherDiskHasTakenFails) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.latency = {100us, 200us};
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 20, 20ms);
        ASSERT_TRUE(cluster.drain());
        cluster.disk(Node::Bob).fail_data_writes(EIO);
        cluster.disk(Node::Alice).set_latency({50ms, 60ms});
        cluster.disk(Node::Alice).fail_data_writes(EIO);
        const RequestNumber write = cluster.write(Node::Alice, 64, 8);
        ASSERT_TRUE(cluster.run_until([&] { return cluster.finished(write); }, 30s));
        EXPECT_EQ(cluster.result(write), EIO);
    });
}

// What a flush to a kernel goes with is a block that both have: not one of before a loss, which the
// peer may not have got and our own disk may have lost since (wide seed 9760002935).
TEST(SimDiskFailure, AFlushCarriesNoBlockOfBeforeALoss) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.integrity_alg = "crc32c";
        options.net.explicit_flush = false;
        options.net.protocol =
            seed % 2 == 0 ? engine::ReplicationProtocol::A : engine::ReplicationProtocol::C;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.write(Node::Alice, 512, 8);
        ASSERT_TRUE(cluster.drain());
        cluster.cut_link();
        cluster.write(Node::Alice, 64, 8);
        cluster.run_for(seed * 100us);
        cluster.disk(Node::Alice).lose_next_flush();
        cluster.run_for(20s);
        if (cluster.disk_state(Node::Alice) == DiskState::Diskless) {
            ASSERT_TRUE(cluster.attach(Node::Alice).ok());
        }
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until_in_sync(60s));
        cluster.write(Node::Alice, 1024, 8);
        cluster.flush(Node::Alice);
        ASSERT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

}  // namespace
}  // namespace sim
