// Digests: they go with the data, so that what was spoilt on its way is noticed, and a resync
// copies only what differs. Half of the peers are no drbdd. Wire specification,
// sections 3.3, 6.13, 8.2.

#include "base/digest.h"

#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sim {
namespace {

using proto::Command;

constexpr const char* kFailed = "Digest integrity check FAILED: ";
constexpr const char* kAlgorithmsOfAll[] = {
    "crc32c", "md5", "sha1", "sha256", "sha384", "sha512", "xxhash64"};

ClusterOptions with_digests(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.net.integrity_alg = kAlgorithmsOfAll[seed % std::size(kAlgorithmsOfAll)];
    options.net.explicit_flush = seed % 2 == 0;
    options.protocol = seed % 5 == 0 ? Protocol::A : seed % 5 == 1 ? Protocol::B : Protocol::C;
    return options;
}

bool was_closed(Cluster& cluster) {
    return cluster.host(Node::Alice).logged("Connection closed") ||
           cluster.host(Node::Bob).logged("Connection closed");
}

void flush_and_wait(Cluster& cluster) {
    const RequestNumber flush = cluster.flush(Node::Alice);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.finished(flush); }, 10s));
    EXPECT_EQ(cluster.result(flush), 0);
}

TEST(SimDigest, GoWithAllPayload) {
    over_seeds(14, [](std::uint64_t seed) {
        TestCluster cluster(with_digests(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 400, 2s);
        cluster.drain();
        cluster.write_zeroes(Node::Alice, 64, 256);
        flush_and_wait(cluster);
        EXPECT_FALSE(was_closed(cluster));
        cluster.cut_link();  // then a resync
        cluster.random_writes(Node::Alice, 200);
        cluster.run_for(30s);
        cluster.heal_link();
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.detach(Node::Alice);  // then from the peer alone
        cluster.random_io(Node::Alice, 200, 1s);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        cluster.check_convergence();
        EXPECT_FALSE(cluster.host(Node::Alice).logged(kFailed));
        EXPECT_FALSE(cluster.host(Node::Bob).logged(kFailed));
    });
}

// To a kernel the flush goes with a block that is there already, and has the same effect.
TEST(SimDigest, AFlushReachesThePeersDisk) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_digests(seed);
        options.protocol = Protocol::C;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        flush_and_wait(cluster);  // before anything was written
        for (int round = 0; round < 10; ++round) {
            cluster.random_writes(Node::Alice, 1 + cluster.world().prng.below(5));
            if (round % 2 == 0) {
                cluster.drain();
            }
            if (round % 3 == 0) {
                cluster.discard(Node::Alice, cluster.world().prng.below(100) * 8, 8);
            }
            flush_and_wait(cluster);
        }
        cluster.drain();
        flush_and_wait(cluster);
        // Nothing of it is only in a cache: the other node goes on alone with all of it.
        cluster.power_cut(Node::Alice, {});
        cluster.power_cut(Node::Bob, {});
        EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
        for (const Node node : kNodes) {
            cluster.start(node);
        }
        cluster.check_convergence();
    });
}

TEST(SimDigest, AFlushDoesNotStarveBehindWritesToOneBlock) {
    over_seeds(6, [](std::uint64_t seed) {
        ClusterOptions options = with_digests(seed);
        options.net.explicit_flush = false;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        for (int i = 0; i < 200; ++i) {
            cluster.write(Node::Alice, 8, 8);
        }
        const RequestNumber flush = cluster.flush(Node::Alice);
        std::uint64_t more = 0;
        EXPECT_TRUE(cluster.run_until(
            [&] {
                if (cluster.open_requests() < 100 && ++more < 5000) {
                    cluster.write(Node::Alice, 8, 8);
                }
                return cluster.finished(flush);
            },
            5s));
        EXPECT_TRUE(cluster.drain());
        cluster.check_convergence();
    });
}

// The disk of a diskless node's peer hears of what it must not lose, also if it is a kernel's.
TEST(SimDigest, ADiskThatFailsIsToldToThePeer) {
    over_seeds(12, [](std::uint64_t seed) {
        ClusterOptions options = with_digests(seed);
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        if (seed % 3 != 0) {
            cluster.random_writes(Node::Alice, 20);
            cluster.drain();
        }
        cluster.disk(Node::Alice).fail_operation(1 + seed % 4, EIO);
        cluster.random_writes(Node::Alice, 20);
        const RequestNumber flush = cluster.flush(Node::Alice);
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.result(flush), 0);
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.disk(Node::Alice).heal();
        cluster.attach(Node::Alice);
        cluster.check_convergence();
    });
}

// On its way to the peer's disk, or from there to the application.
TEST(SimDigest, ABitThatIsSpoiltOnTheWireIsNoticed) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_digests(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 30);
        cluster.drain();
        const bool read = seed % 3 == 0;
        if (read) {
            cluster.detach(Node::Alice);
        }
        const Node from = read ? Node::Bob : Node::Alice;
        cluster.net().spoil_next_payload(from);
        if (read) {
            cluster.read(Node::Alice, 8, 64);
        } else {
            cluster.write(Node::Alice, 8, 64);
        }
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.host(other(from)).logged(kFailed + std::string("8s +32768, ")); },
            5s));
        EXPECT_TRUE(cluster.drain());
        // Without a disk and without the peer a read fails; it is not answered with other data.
        EXPECT_EQ(cluster.failed_requests(), read ? 1u : 0u);
        if (read) {
            cluster.run_until([&] { return cluster.conn(Node::Alice) == ConnState::Connected; },
                              30s);
            EXPECT_TRUE(cluster.attach(Node::Alice).ok());
        }
        cluster.check_convergence();
        EXPECT_EQ(cluster.net().spoilt_payloads(), 1u);
    });
}

TEST(SimDigest, ASpoiltBlockOfAResyncIsNoticed) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_digests(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.cut_link();
        cluster.random_writes(Node::Alice, 100);
        cluster.run_for(30s);
        cluster.net().spoil_next_payload(Node::Alice);
        cluster.heal_link();
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.host(Node::Bob).logged(kFailed); }, 30s));
        ASSERT_TRUE(cluster.run_until_in_sync());
        cluster.check_convergence();
    });
}

// From either node first, or from both at once; the peer follows.
TEST(SimDigest, AreChangedWhileConnectedUnderLoad) {
    over_seeds(20, [](std::uint64_t seed) {
        constexpr io::Duration kPauses[] = {0s, 1ms, 300ms, 3s};
        ClusterOptions options = with_digests(seed);
        options.net.integrity_alg = seed % 4 == 0 ? "" : options.net.integrity_alg;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_io(Node::Alice, 600, 4s);
        cluster.run_for(500ms);
        engine::ResourceSettings settings = cluster.settings;
        const Node first = seed % 2 == 0 ? Node::Alice : Node::Bob;
        for (const char* algorithm : {"crc32c", "", "sha512", "xxhash64"}) {
            settings.net.integrity_alg = algorithm;
            cluster.settings = settings;
            EXPECT_TRUE(cluster.admin(first, engine::ChangeSettings{settings}).ok());
            cluster.run_for(kPauses[seed % std::size(kPauses)]);
            if (seed % 3 != 0) {  // else the peer only follows
                EXPECT_TRUE(cluster.admin(other(first), engine::ChangeSettings{settings}).ok());
            }
            cluster.run_for(200ms);
        }
        EXPECT_TRUE(cluster.drain());
        EXPECT_FALSE(was_closed(cluster));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        const Node sender = Node::Alice;  // it has what is now in force
        cluster.net().spoil_next_payload(sender);
        cluster.write(Node::Alice, 8, 8);
        EXPECT_TRUE(cluster.run_until(
            [&] { return cluster.host(Node::Bob).logged("8s +4096, xxhash64 of what"); }, 5s));
        cluster.check_convergence();
    });
}

TEST(SimDigest, ThatCrossEachOtherAreNotFollowedForEver) {
    over_seeds(6, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        engine::ResourceSettings settings = cluster.settings;
        settings.net.integrity_alg = "sha1";
        cluster.admin_begin(Node::Alice, engine::ChangeSettings{settings});
        settings.net.integrity_alg = "md5";
        cluster.admin_begin(Node::Bob, engine::ChangeSettings{settings});
        cluster.run_for(1s);
        cluster.random_writes(Node::Alice, 50);
        EXPECT_TRUE(cluster.drain());
        EXPECT_FALSE(was_closed(cluster));
        for (const Node node : kNodes) {
            const std::vector<std::string>& log = cluster.host(node).log();
            EXPECT_LT(std::count_if(log.begin(),
                                    log.end(),
                                    [](const std::string& line) {
                                        return line.find("using data-integrity-alg") !=
                                               std::string::npos;
                                    }),
                      3);
            EXPECT_TRUE(cluster.admin(node, engine::ChangeSettings{settings}).ok());
        }
        cluster.settings = settings;
        cluster.check_convergence();
    });
}

TEST(SimDigest, AnUnknownOneIsRefusedByTheCommand) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    engine::ResourceSettings settings = cluster.settings;
    settings.net.integrity_alg = "rot13";
    EXPECT_EQ(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).code, 141);
    EXPECT_FALSE(was_closed(cluster));
}

// --- What a kernel says, which changes its own digests alone ---

proto::Protocol update_to(const std::string& algorithm) {
    proto::Protocol update;
    update.integrity_alg = algorithm;
    return update;
}

std::vector<std::uint8_t> body_of(std::uint64_t sector,
                                  const io::Slice& payload,
                                  const std::string& algorithm) {
    proto::Data data{{sector}, sector, 1, proto::kDataSendWriteAck};
    std::vector<std::uint8_t> body = encoded(data);
    if (!algorithm.empty()) {
        const auto digest = base::Digest::make(algorithm);
        std::vector<std::uint8_t> sum((*digest)->size());
        (*digest)->compute(payload.bytes(), sum);
        body.insert(body.end(), sum.begin(), sum.end());
    }
    return body;
}

TEST(SimDigest, OfAPeerCountFromThePacketBehindItsUpdate) {
    RogueCluster::Options options;
    options.geometry.size_bytes = 8u << 20;
    RogueCluster cluster(options);
    cluster.start();
    const auto write = [&](std::uint64_t sector, const std::string& algorithm) {
        const io::Slice payload = cluster.peer.socket_pool().allocate_slice(4096);
        std::memset(payload.bytes().data(), 1, 4096);
        cluster.peer.send_data(Command::Data, body_of(sector, payload, algorithm), payload);
    };
    const auto update = [&](const std::string& algorithm) {
        const proto::Protocol protocol = update_to(algorithm);
        std::vector<std::uint8_t> body(protocol.size());
        proto::encode(protocol, body);
        cluster.peer.send_data(Command::ProtocolUpdate, std::move(body));
    };
    write(8, "");
    update("sha1");
    write(16, "sha1");
    update("crc32c");
    write(24, "crc32c");
    update("");
    write(32, "");
    update("sha512");
    write(40, "sha512");
    cluster.run_for(500ms);
    EXPECT_EQ(cluster.peer.received(Command::WriteAck), 5u);
    // She has followed each time, for a kernel would ask for it at the next connect.
    EXPECT_EQ(cluster.peer.received(Command::ProtocolUpdate), 4u);
    write(48, "sha1");
    cluster.run_for(500ms);
    EXPECT_FALSE(cluster.peer.connected());
    EXPECT_EQ(cluster.world.violation(), "");
}

// --- Checksum resync ---

ClusterOptions with_checksums(std::uint64_t seed) {
    ClusterOptions options = with_seed(seed);
    options.net.csums_alg = kAlgorithmsOfAll[seed % std::size(kAlgorithmsOfAll)];
    options.net.explicit_flush = seed % 2 == 0;
    options.protocol = seed % 5 == 0 ? Protocol::A : seed % 5 == 1 ? Protocol::B : Protocol::C;
    return options;
}

std::uint64_t kib_sent(Cluster& cluster, Node node) {
    return cluster.status(node).sent_sectors / 2;
}

// All is marked, a little of it differs.
TEST(SimChecksumResync, CopiesWhatDiffersAndNothingElse) {
    over_seeds(14, [](std::uint64_t seed) {
        TestCluster cluster(with_checksums(seed));
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 200);
        cluster.drain();
        cluster.run_for(3s);
        const std::uint64_t differing = seed % 4;
        for (std::uint64_t i = 0; i < differing; ++i) {
            cluster.spoil(Node::Bob, cluster.world().prng.below(1800));
        }
        const std::uint64_t before = kib_sent(cluster, Node::Alice);
        EXPECT_TRUE(cluster.invalidate(Node::Bob).ok());
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_LE(kib_sent(cluster, Node::Alice) - before, differing * 64);
        EXPECT_GE(kib_sent(cluster, Node::Alice) - before, differing > 0 ? 4u : 0u);
        EXPECT_TRUE(cluster.host(Node::Bob).logged(" % had equal checksums, eliminated: "));
        cluster.check_convergence();
        EXPECT_TRUE(cluster.disks_identical());
    });
}

// Also where the target is the Primary, and what it writes is on its way to the source.
TEST(SimChecksumResync, LeavesNothingThatDiffersAmongWrites) {
    over_seeds(24, [](std::uint64_t seed) {
        ClusterOptions options = with_checksums(seed);
        options.disk.c_min_rate_kib = 4000;
        TestCluster cluster(options);
        cluster.start_in_sync();
        const Node primary = seed % 3 == 0 ? Node::Bob : Node::Alice;
        cluster.promote(primary);
        cluster.random_writes(primary, 200);
        cluster.drain();
        cluster.run_for(1s);
        for (std::uint64_t i = 0; i < 40; ++i) {
            cluster.spoil(Node::Bob, cluster.world().prng.below(1800));
        }
        cluster.invalidate(Node::Bob);
        cluster.random_io(primary, 1500, 2s);
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.drain());
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.check_convergence();
        EXPECT_TRUE(cluster.disks_identical());
    });
}

TEST(SimChecksumResync, ABrokenOneIsBegunAnew) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_checksums(seed);
        options.disk.resync_rate_fixed = true;
        options.disk.resync_rate_kib = 2000;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 100);
        cluster.drain();
        cluster.spoil(Node::Bob, cluster.world().prng.below(1800));
        cluster.invalidate(Node::Bob);
        cluster.run_for(1s);
        if (seed % 2 == 0) {
            cluster.net().reset_connections();
        } else {
            cluster.power_cut(Node::Bob, {});
            cluster.run_for(10s);
            cluster.start(Node::Bob);
        }
        cluster.run_for(1s);
        cluster.check_convergence();
        EXPECT_TRUE(cluster.disks_identical());
    });
}

// A target whose process was killed does not trust its cache, and writes what is equal. What the
// source has written to that place since it compared comes by the other socket, and may be first.
TEST(SimChecksumResync, WhatIsEqualIsNotWrittenOverANewerWrite) {
    over_seeds(15, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.csums_alg = "crc32c";
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        for (std::uint64_t i = 0; i < 64; ++i) {
            cluster.write(Node::Alice, i * 128, 128);
        }
        ASSERT_TRUE(cluster.drain());
        cluster.kill(Node::Bob);
        cluster.run_for(20s);
        cluster.start(Node::Bob, false);
        cluster.run_for(1s);
        ASSERT_TRUE(cluster.invalidate(Node::Bob).ok());
        cluster.connect(Node::Bob);
        cluster.run_until([&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 10s);
        for (int i = 0; i < 300; ++i) {
            cluster.write(Node::Alice, cluster.world().prng.below(2000) * 8, 8);
            cluster.run_for(100us);
        }
        ASSERT_TRUE(cluster.run_until_in_sync());
        ASSERT_TRUE(cluster.drain());
        cluster.run_for(2s);
        EXPECT_TRUE(cluster.disks_identical());
        cluster.check_convergence();
    });
}

// Of a crashed Primary's disk only; of the other node's disk all that is marked is copied.
TEST(SimChecksumResync, AfterACrashOnly) {
    over_seeds(6, [](std::uint64_t seed) {
        ClusterOptions options = with_checksums(seed);
        options.net.csums_after_crash_only = true;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        cluster.random_writes(Node::Alice, 50);
        cluster.drain();
        cluster.invalidate(Node::Bob);
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_FALSE(cluster.host(Node::Bob).logged("had equal checksums"));
        cluster.run_for(1s);
        cluster.power_cut(Node::Alice, {});
        cluster.run_for(10s);
        EXPECT_TRUE(cluster.promote(Node::Bob).ok());
        cluster.random_writes(Node::Bob, 20);
        cluster.drain();
        cluster.start(Node::Alice);
        ASSERT_TRUE(cluster.run_until_in_sync());
        EXPECT_TRUE(cluster.host(Node::Alice).logged("had equal checksums"));
        cluster.check_convergence();
    });
}

TEST(SimChecksumResync, ItsAlgorithmIsChangedOnlineButNotMeanwhile) {
    ClusterOptions options = with_checksums(2);
    options.disk.resync_rate_fixed = true;
    options.disk.resync_rate_kib = 1000;
    TestCluster cluster(options);
    cluster.start_in_sync();
    engine::ResourceSettings settings = cluster.settings;
    settings.net.csums_alg = "md5";
    EXPECT_TRUE(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).ok());
    cluster.run_for(1s);
    EXPECT_TRUE(cluster.host(Node::Bob).logged("using csums-alg: \"md5\""));
    cluster.invalidate(Node::Bob);
    cluster.run_for(1s);
    settings.net.csums_alg = "sha256";
    EXPECT_EQ(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).code, 148);
    EXPECT_FALSE(was_closed(cluster));
    cluster.settings.net.csums_alg = "md5";
    cluster.check_convergence();
}

TEST(SimChecksumResync, DifferentAlgorithmsRefuseEachOther) {
    TestCluster cluster(with_checksums(1));
    cluster.start_in_sync();
    cluster.cut_link();
    cluster.run_for(30s);
    engine::ResourceSettings settings = cluster.settings;
    settings.net.csums_alg = "sha256";
    EXPECT_TRUE(cluster.admin(Node::Alice, engine::ChangeSettings{settings}).ok());
    cluster.heal_link();
    cluster.run_for(5s);
    EXPECT_TRUE(cluster.host(Node::Alice).logged("Different csums-alg settings. me=\"sha256\"") ||
                cluster.host(Node::Bob).logged("Different csums-alg settings. me=\"md5\""));
    EXPECT_TRUE(cluster.admin(Node::Bob, engine::ChangeSettings{settings}).ok());
    cluster.settings = settings;
    EXPECT_TRUE(cluster.run_until_in_sync(30s));
}

}  // namespace
}  // namespace sim
