// Connecting: in any order, crossing, refused, reset and cut at any moment. Wire specification,
// sections 1.1 to 1.4 and 3.

#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

void prepare_unconnected(Cluster& cluster) {
    cluster.start_in_sync();
    cluster.disconnect(Node::Alice);
    cluster.disconnect(Node::Bob);
    cluster.run_for(2s);
}

TEST(SimHandshake, EitherNodeMayComeFirst) {
    over_seeds(10, [](std::uint64_t seed) {
        for (const Node first : kNodes) {
            TestCluster cluster(with_seed(seed));
            prepare_unconnected(cluster);
            EXPECT_EQ(cluster.conn(first), ConnState::StandAlone);
            EXPECT_TRUE(cluster.connect(first).ok());
            cluster.run_for(3s);
            EXPECT_EQ(cluster.conn(first), ConnState::WFConnection);
            EXPECT_TRUE(cluster.connect(other(first)).ok());
            EXPECT_TRUE(cluster.run_until_in_sync(30s));
            EXPECT_EQ(cluster.net().open_connections(), 2u);
        }
    });
}

TEST(SimHandshake, CrossingConnectsEndInOneConnection) {
    over_seeds(40, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.link.accept_delay = 700ms;  // both see their own connect succeed first
        TestCluster cluster(options);
        prepare_unconnected(cluster);
        cluster.connect_both();
        EXPECT_TRUE(cluster.run_until_in_sync(120s));
        cluster.run_for(30s);
        EXPECT_TRUE(cluster.in_sync());
    });
}

TEST(SimHandshake, RefusedConnectsAreTriedAgain) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        prepare_unconnected(cluster);
        for (const Node node : kNodes) {
            cluster.net().refuse_connects(node, 3);
        }
        cluster.connect_both();
        EXPECT_TRUE(cluster.run_until_in_sync(120s));
    });
}

TEST(SimHandshake, ResetAtAnyMomentIsTriedAgain) {
    for (std::uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        TestCluster cluster(with_seed(seed));
        prepare_unconnected(cluster);
        cluster.connect_both();
        cluster.run_for(seed * 25ms);
        cluster.net().reset_connections();
        EXPECT_TRUE(cluster.run_until_in_sync(120s));
    }
}

TEST(SimHandshake, CableCutAtAnyMomentIsSurvived) {
    for (std::uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        TestCluster cluster(with_seed(seed));
        prepare_unconnected(cluster);
        cluster.connect_both();
        cluster.run_for(seed * 25ms);
        if (seed % 3 == 0) {
            cluster.cut_link();
        } else {
            cluster.cut_link(seed % 3 == 1 ? Node::Alice : Node::Bob);
        }
        cluster.run_for(seed % 2 == 0 ? 1s : 60s);
        cluster.heal_link();
        EXPECT_TRUE(cluster.run_until_in_sync(180s));
    }
}

// As after a boot, when the network comes after us.
TEST(SimHandshake, AnAddressThatComesLaterIsWaitedFor) {
    over_seeds(20, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        prepare_unconnected(cluster);
        cluster.host(Node::Alice).no_address = true;
        cluster.host(Node::Bob).no_address = seed % 2 == 0;
        cluster.connect_both();
        cluster.run_for(30s);
        EXPECT_EQ(cluster.conn(Node::Alice), ConnState::WFConnection);
        cluster.host(Node::Alice).no_address = cluster.host(Node::Bob).no_address = false;
        EXPECT_TRUE(cluster.run_until_in_sync());
    });
}

TEST(SimHandshake, ATakenPortGoesStandAlone) {
    TestCluster cluster(with_seed(1));
    prepare_unconnected(cluster);
    cluster.host(Node::Alice).fail_listen = true;
    cluster.connect(Node::Alice);
    cluster.run_for(5s);
    EXPECT_EQ(cluster.conn(Node::Alice), ConnState::StandAlone);
    cluster.host(Node::Alice).fail_listen = false;
    cluster.connect_both();
    EXPECT_TRUE(cluster.run_until_in_sync());
}

TEST(SimHandshake, DifferentProtocolsAreRefused) {
    TestCluster cluster(with_seed(1));
    prepare_unconnected(cluster);
    cluster.kill(Node::Bob);
    cluster.settings.net.protocol = Protocol::A;
    cluster.start(Node::Bob);
    cluster.connect(Node::Alice);
    cluster.run_for(20s);
    for (const Node node : kNodes) {
        EXPECT_LT(cluster.conn(node), ConnState::Connected);
    }
    EXPECT_TRUE(cluster.host(Node::Alice).logged("incompatible protocol settings") ||
                cluster.host(Node::Bob).logged("incompatible protocol settings"));
}

TEST(SimHandshake, SharedSecretAuthenticates) {
    over_seeds(5, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.cram_hmac_alg = "sha1";
        options.net.shared_secret = "a secret";
        TestCluster cluster(options);
        cluster.start_in_sync();
        EXPECT_TRUE(cluster.host(Node::Alice).logged("Peer authenticated using 20 bytes HMAC"));
    });
}

TEST(SimHandshake, WrongSecretIsRefused) {
    ClusterOptions options = with_seed(1);
    options.net.cram_hmac_alg = "sha1";
    options.net.shared_secret = "a secret";
    TestCluster cluster(options);
    prepare_unconnected(cluster);
    cluster.kill(Node::Bob);
    cluster.settings.net.shared_secret = "another";
    cluster.start(Node::Bob);
    cluster.connect(Node::Alice);
    cluster.run_for(20s);
    for (const Node node : kNodes) {
        EXPECT_LT(cluster.conn(node), ConnState::WFReportParams);
    }
    EXPECT_TRUE(cluster.host(Node::Alice).logged("Authentication of peer failed"));
}

TEST(SimHandshake, SmallerPeerDecidesTheSizeOfAFreshPair) {
    over_seeds(5, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.bobs_device_bytes = 6u << 20;
        TestCluster cluster(options);
        cluster.start_fresh();
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Alice) == ConnState::Connected; }, 30s));
        EXPECT_EQ(cluster.status(Node::Alice).size_sectors,
                  cluster.host(Node::Bob).volume(0).layout.usable_sectors);
        EXPECT_TRUE(cluster.promote(Node::Alice, true).ok());
        cluster.check_convergence();
    });
}

// The resync comes to its end, and the word of that meets the word of our disk's loss and return:
// an attach is decided by what the peer says after it has heard of the attach. A peer of the
// kernel's kind, which takes part in no extension of ours.
TEST(SimHandshake, AnAttachIsNotDecidedByWhatThePeerSaidBefore) {
    over_seeds(20, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.net.explicit_flush = seed % 4 == 0;
        options.link.low_latency = options.link.high_latency = 40ms;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Bob);
        cluster.power_cut(Node::Alice);
        cluster.replace_disk(Node::Alice);
        cluster.start(Node::Alice);
        cluster.random_writes(Node::Bob, 40, 5s);
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.disk_state(Node::Alice) == DiskState::UpToDate; }, 60s));
        cluster.run_for(seed % 7 * 5ms);
        cluster.detach(Node::Bob, 0, true);
        cluster.random_writes(Node::Bob, 20, 10ms);
        cluster.run_for(seed % 3 * 10ms);
        cluster.attach(Node::Bob);
        cluster.random_writes(Node::Bob, 20, 1s);
        cluster.check_convergence();
    });
}

// A kernel answers with its identifiers to a disk that comes after none; one that was said to be
// "Attaching" before comes unawares, and both nodes then decide by different ones.
TEST(SimHandshake, ADiskThatIsBeingReadIsNotSpokenOf) {
    RogueCluster::Options options;
    options.geometry.size_bytes = 16u << 20;
    RogueCluster cluster(options);
    cluster.start();
    const auto disk_told = [&] {
        return engine::from_wire(
                   proto::decode_state(cluster.peer.last_body(proto::Command::State))->value)
            .disk;
    };
    EXPECT_EQ(disk_told(), DiskState::UpToDate);
    cluster.admin(engine::Detach{{0}, false});
    cluster.run_for(1s);
    EXPECT_EQ(disk_told(), DiskState::Diskless);
    SimDisk& disk = *cluster.alice.volume(0).disk;
    disk.set_stuck(true);
    cluster.admin(engine::Attach{{0}, disk.geometry()});
    cluster.run_for(100ms);
    ASSERT_EQ(cluster.status().state.disk, DiskState::Attaching);
    const std::uint64_t states = cluster.peer.received(proto::Command::State);
    cluster.alice.step(engine::ResyncTurn{{0}, true});  // which changes the state, and is told
    cluster.run_for(1s);
    EXPECT_GT(cluster.peer.received(proto::Command::State), states);
    EXPECT_EQ(disk_told(), DiskState::Diskless);
}

}  // namespace
}  // namespace sim
