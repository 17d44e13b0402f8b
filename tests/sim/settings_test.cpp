// Settings that both nodes must have alike are changed on one node, and some time later on the
// other. Wire specification, section 3.3.

#include "tests/sim/sim_test.h"

#include <algorithm>

namespace sim {
namespace {

using engine::AfterSplitBrain;

constexpr io::Duration kDelays[] = {0s, 300ms, 1500ms, 5s, 30s};

void change(Cluster& cluster, Node node, const engine::ResourceSettings& settings) {
    const AdminResult result = cluster.admin(node, engine::ChangeSettings{settings});
    EXPECT_TRUE(result.ok()) << result.text;
}

bool was_disconnected(Cluster& cluster) {
    return cluster.host(Node::Alice).logged("Connection closed") ||
           cluster.host(Node::Bob).logged("Connection closed");
}

struct ProtocolChange {
    Protocol from;
    Protocol to;
};

class SimProtocolChange : public testing::TestWithParam<ProtocolChange> {};

std::string change_name(const testing::TestParamInfo<ProtocolChange>& tested) {
    const auto letter = [](Protocol p) { return "_ABC"[static_cast<std::size_t>(p)]; };
    return std::string(1, letter(tested.param.from)) + "to" + letter(tested.param.to);
}

INSTANTIATE_TEST_SUITE_P(All,
                         SimProtocolChange,
                         testing::Values(ProtocolChange{Protocol::C, Protocol::A},
                                         ProtocolChange{Protocol::C, Protocol::B},
                                         ProtocolChange{Protocol::B, Protocol::A},
                                         ProtocolChange{Protocol::B, Protocol::C},
                                         ProtocolChange{Protocol::A, Protocol::C}),
                         change_name);

// Under load, from either node first: the connection stays, no write fails or waits for ever, and
// under C all is on both nodes.
TEST_P(SimProtocolChange, IsMadeWhileConnected) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.protocol = GetParam().from;
        options.volumes = 1 + seed % 2;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        const io::Duration delay = kDelays[seed % std::size(kDelays)];
        cluster.random_io(Node::Alice, 300, delay + 2s);
        cluster.run_for(500ms);
        engine::ResourceSettings settings = cluster.settings;
        settings.net.protocol = GetParam().to;
        settings.net.after_sb_0p = AfterSplitBrain::DiscardZeroChanges;
        const Node first = seed % 2 == 0 ? Node::Alice : Node::Bob;
        change(cluster, first, settings);
        cluster.run_for(delay);
        change(cluster, other(first), settings);
        cluster.run_for(100ms);
        for (const Node node : kNodes) {
            EXPECT_EQ(cluster.host(node).status().agreed_protocol,
                      static_cast<std::uint32_t>(settings.net.protocol));
        }
        EXPECT_TRUE(cluster.drain());
        EXPECT_FALSE(was_disconnected(cluster));
        EXPECT_EQ(cluster.failed_requests(), 0u);
        cluster.random_writes(Node::Alice, 50);
        EXPECT_TRUE(cluster.drain());
        if (settings.net.protocol == Protocol::C) {
            EXPECT_TRUE(cluster.lost_acked_writes(Node::Bob).empty());
        }
        cluster.settings = settings;
        cluster.check_convergence();
    });
}

// Also for the connections to come.
TEST(SimSettings, ThePeersChangeIsAdopted) {
    over_seeds(6, [](std::uint64_t seed) {
        TestCluster cluster(with_seed(seed));
        cluster.start_in_sync();
        engine::ResourceSettings settings = cluster.settings;
        settings.net.protocol = Protocol::B;
        settings.net.after_sb_0p = AfterSplitBrain::DiscardLocal;
        change(cluster, Node::Alice, settings);
        cluster.run_for(1s);
        cluster.net().reset_connections();
        EXPECT_TRUE(cluster.run_until_in_sync());
        for (const Node node : kNodes) {
            EXPECT_FALSE(cluster.host(node).logged("incompatible"));
            EXPECT_EQ(cluster.host(node).status().agreed_protocol, 2u);
        }
    });
}

// Nobody is outdated, nothing is resynchronised: a live Secondary stays a good one.
TEST(SimSettings, AChangeWithFencingLeavesTheSecondaryAlone) {
    for (const io::Duration delay : kDelays) {
        ClusterOptions options = with_seed(1);
        options.fencing = engine::Fencing::ResourceOnly;
        TestCluster cluster(options);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        engine::ResourceSettings settings = cluster.settings;
        settings.net.after_sb_1p = AfterSplitBrain::DiscardSecondary;
        settings.net.timeout = 3s;
        settings.net.ping_int = 2s;
        for (const Node node : {Node::Bob, Node::Alice}) {
            change(cluster, node, settings);
            cluster.run_for(delay);
            EXPECT_EQ(cluster.disk_state(Node::Bob), DiskState::UpToDate);
        }
        EXPECT_FALSE(was_disconnected(cluster));
        EXPECT_FALSE(cluster.host(Node::Bob).logged("Outdated"));
    }
}

void change_secret(engine::NetSettings& net) {
    net.shared_secret = "another";
}

void change_algorithm(engine::NetSettings& net) {
    net.cram_hmac_alg = net.cram_hmac_alg.empty() ? "sha1" : "";
    net.shared_secret = "a secret";
}

void change_protocol(engine::NetSettings& net) {
    net.protocol = Protocol::B;
}

void change_policy(engine::NetSettings& net) {
    net.after_sb_2p = AfterSplitBrain::ViolentlyAs0p;
}

void change_integrity(engine::NetSettings& net) {
    net.integrity_alg = "crc32c";
}

class SimUnequalSettings : public testing::TestWithParam<void (*)(engine::NetSettings&)> {
protected:
    static ClusterOptions options(std::uint64_t seed) {
        ClusterOptions made = with_seed(seed);
        if (GetParam() == change_secret) {
            made.net.cram_hmac_alg = "sha256";
            made.net.shared_secret = "a secret";
        }
        return made;
    }
};

INSTANTIATE_TEST_SUITE_P(All,
                         SimUnequalSettings,
                         testing::Values(change_secret,
                                         change_algorithm,
                                         change_protocol,
                                         change_policy,
                                         change_integrity));

// Changed while the link was down: the nodes refuse each other, say why, and find together by
// themselves when the second one has followed.
TEST_P(SimUnequalSettings, AreARefusalUntilTheOtherNodeFollows) {
    over_seeds(10, [](std::uint64_t seed) {
        TestCluster cluster(options(seed));
        cluster.start_in_sync();
        cluster.cut_link();
        cluster.run_for(30s);
        engine::ResourceSettings settings = cluster.settings;
        GetParam()(settings.net);
        const Node first = seed % 2 == 0 ? Node::Alice : Node::Bob;
        change(cluster, first, settings);
        cluster.heal_link();
        const io::Duration delay = kDelays[seed % std::size(kDelays)];
        cluster.run_for(delay);
        if (delay >= 5s) {
            EXPECT_NE(cluster.host(first).status().last_error, "");
            EXPECT_LT(cluster.conn(first), ConnState::Connected);
        }
        change(cluster, other(first), settings);
        cluster.settings = settings;
        EXPECT_TRUE(cluster.run_until_in_sync(30s));
    });
}

// As for another address: disconnect and connect on one node, and later on the other.
TEST_P(SimUnequalSettings, DoNotKeepNodesApartThatConnectAnew) {
    over_seeds(10, [](std::uint64_t seed) {
        ClusterOptions with = options(seed);
        with.fencing = seed % 4 < 2 ? engine::Fencing::ResourceOnly : engine::Fencing::DontCare;
        TestCluster cluster(with);
        cluster.start_in_sync();
        cluster.promote(Node::Alice);
        engine::ResourceSettings settings = cluster.settings;
        GetParam()(settings.net);
        cluster.settings = settings;
        const Node first = seed % 2 == 0 ? Node::Alice : Node::Bob;
        for (const Node node : {first, other(first)}) {
            cluster.disconnect(node);
            change(cluster, node, settings);
            EXPECT_TRUE(cluster.connect(node).ok());
            cluster.run_for(kDelays[seed / 2 % std::size(kDelays)]);
        }
        EXPECT_TRUE(cluster.run_until_in_sync(30s));
    });
}

// --- What a kernel node tells us online ---

void receive_update(Cluster& cluster, Node node, const proto::Protocol& update) {
    engine::Packet packet;
    packet.header = {proto::HeaderKind::H100,
                     static_cast<std::uint16_t>(proto::Command::ProtocolUpdate),
                     0,
                     static_cast<std::uint32_t>(update.size())};
    packet.body.resize(update.size());
    proto::encode(update, packet.body);
    Host& host = cluster.host(node);
    host.step(engine::PacketArrived{host.data_socket(), std::move(packet)});
}

proto::Protocol as_now() {
    proto::Protocol protocol;
    protocol.protocol = 3;
    return protocol;
}

TEST(SimProtocolUpdate, ChangesWhatIsInForce) {
    TestCluster cluster(with_seed(1));
    cluster.start_in_sync();
    proto::Protocol update = as_now();
    update.protocol = 1;
    update.after_sb_0p = 5;
    update.after_sb_1p = 8;
    update.after_sb_2p = 9;
    receive_update(cluster, Node::Bob, update);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.host(Node::Bob).status().agreed_protocol, 1u);
    EXPECT_EQ(cluster.conn(Node::Bob), ConnState::Connected);
    EXPECT_FALSE(was_disconnected(cluster));
}

TEST(SimProtocolUpdate, OfWhatWeCannotHaveEndsTheConnectionWithAReasonAndIsTriedAgain) {
    struct Row {
        void (*set)(proto::Protocol&);
        const char* reason;
    };

    const Row rows[] = {
        {[](proto::Protocol& p) { p.two_primaries = 1; }, "allow-two-primaries"},
        {[](proto::Protocol& p) { p.integrity_alg = "rot13"; }, "data-integrity-alg"},
        {[](proto::Protocol& p) { p.after_sb_0p = 7; }, "after-sb-0pri"},
        {[](proto::Protocol& p) { p.after_sb_1p = 0xffffffff; }, "after-sb-1pri"},
        {[](proto::Protocol& p) { p.after_sb_2p = 8; }, "after-sb-2pri"},
        {[](proto::Protocol& p) { p.protocol = 9; }, "is not A, B or C"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.reason);
        TestCluster cluster(with_seed(1));
        cluster.start_in_sync();
        proto::Protocol update = as_now();
        row.set(update);
        receive_update(cluster, Node::Bob, update);
        EXPECT_NE(cluster.host(Node::Bob).status().last_error.find(row.reason), std::string::npos);
        EXPECT_LT(cluster.conn(Node::Bob), ConnState::Connected);
        EXPECT_TRUE(cluster.run_until_in_sync(30s));
    }
}

}  // namespace
}  // namespace sim
