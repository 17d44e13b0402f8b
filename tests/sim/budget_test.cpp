// A peer that asks for anything and reads none of the answers: what is kept for it has a limit, and
// beyond it nothing more is read from it. What it does not read any more is not asked either.

#include "drbdd/engine/peer/peer_budget.h"
#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

using proto::Command;

RogueCluster::Options large_disk() {
    RogueCluster::Options options;
    options.geometry.size_bytes = std::uint64_t{1} << 30;
    options.geometry.can_discard = true;
    return options;
}

// More than the budget holds of the smallest answers.
constexpr std::uint64_t kPings = 200'000;

std::uint64_t times_reached(RogueCluster& cluster, const char* place) {
    return cluster.world.coverage.counts().at(place);
}

TEST(SimBudget, ReadsBeginNoFasterThanTheirAnswersLeave) {
    RogueCluster cluster(large_disk());
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    cluster.peer.stop_reading();
    for (std::uint64_t i = 0; i < 200; ++i) {
        cluster.peer.send(Command::DataRequest, proto::BlockReq{{i * 2048}, i, 1u << 20});
    }
    cluster.run_for(2s);
    EXPECT_EQ(cluster.world.violation(), "");
    EXPECT_GT(cluster.alice.pool().live(), 1u);
    EXPECT_LE(cluster.alice.pool().live(), engine::budget::kReplyWindow / (1u << 20) + 4);
}

TEST(SimBudget, ResyncReadsBeginNoFasterThanTheirAnswersLeave) {
    RogueCluster cluster(large_disk());
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    cluster.peer.stop_reading();
    for (std::uint64_t i = 0; i < 200; ++i) {
        cluster.peer.send(Command::RsDataRequest, proto::BlockReq{{i * 2048}, i, 1u << 20});
    }
    cluster.run_for(2s);
    EXPECT_EQ(cluster.world.violation(), "");
    EXPECT_LE(cluster.alice.pool().live(), engine::budget::kReplyWindow / (1u << 20) + 4);
}

TEST(SimBudget, PingsWhoseAnswersAreNotReadAreNotReadEither) {
    RogueCluster cluster(large_disk());
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    cluster.peer.stop_reading();
    const std::uint64_t before = times_reached(cluster, "paused reading");
    for (std::uint64_t i = 0; i < kPings; ++i) {
        cluster.peer.send_meta(Command::Ping, {});
    }
    cluster.run_for(2s);
    EXPECT_EQ(cluster.world.violation(), "");
    EXPECT_EQ(times_reached(cluster, "paused reading"), before + 2);  // both sockets, once
}

TEST(SimBudget, TrimsWithoutABarrierEndTheConnection) {
    RogueCluster cluster(large_disk());
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    for (std::uint64_t i = 0; i < 40'001; ++i) {
        proto::Trim trim;
        trim.data.sector = {i % 1000 * 8};
        trim.size = 4096;
        cluster.peer.send(Command::Trim, trim);
    }
    EXPECT_TRUE(cluster.run_until(
        [&] { return cluster.alice.logged("too many writes without a barrier"); }, 60s));
    EXPECT_EQ(cluster.world.violation(), "");
    EXPECT_EQ(cluster.status().state.disk, DiskState::UpToDate);
}

// Each with an epoch and a flush of its own. Nobody waits for them any more: the node is there for
// its real peer at once.
TEST(SimBudget, FlushesOfAPeerThatIsGoneAreLeftOut) {
    RogueCluster::Options slow = large_disk();
    slow.protocol = engine::ReplicationProtocol::A;  // epochs in order
    RogueCluster cluster(slow);
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    proto::Data flush;
    flush.flags = proto::kDataFlush;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        cluster.peer.send(Command::Data, flush);
        cluster.peer.send(Command::Barrier, proto::Barrier{i});
    }
    cluster.run_for(100ms);
    ASSERT_GT(cluster.status().unacked, 1000u);
    cluster.net.reset_connections();
    cluster.run_for(100ms);
    EXPECT_EQ(cluster.status().unacked, 0u);
    EXPECT_EQ(cluster.world.violation(), "");
}

// Both at once, each with a resync or a load towards the other, over a thin link: nobody stops
// listening for good.
TEST(SimBudget, APairUnderFullLoadGoesOn) {
    over_seeds(3, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.device_bytes = 40u << 20;
        options.link.bytes_per_second = 5'000'000;
        options.link.send_buffer = 16u << 10;
        TestCluster cluster(options);
        cluster.start_fresh();
        ASSERT_TRUE(cluster.promote(Node::Alice, true).ok());
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 30s));
        for (std::uint64_t i = 0; i < 2000; ++i) {
            cluster.write(Node::Alice, i * 8 % 60000, 1);
        }
        EXPECT_TRUE(cluster.run_until_in_sync(300s));
    });
}

// Everything that goes to the peer and waits for its answer, in both directions at once, with
// budgets so small that each node reaches them: writes, reads of a disk that is being rebuilt, and
// a resync of one volume each way, over a thin link with small buffers. A node that stops listening
// must have something to wait for but the other's listening, or both stop for good.
TEST(SimBudget, TwoNodesWithSmallBudgetsDoNotWaitForEachOther) {
    over_seeds(3, [](std::uint64_t seed) {
        ClusterOptions options = with_seed(seed);
        options.volumes = 2;
        options.device_bytes = 12u << 20;
        options.net.peer_budget = 96u << 10;
        options.net.reply_window = 32u << 10;
        options.link.bytes_per_second = 8'000'000;
        options.link.send_buffer = 8u << 10;
        TestCluster cluster(options);
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
        ASSERT_TRUE(cluster.invalidate_remote(Node::Alice, 0).ok());
        ASSERT_TRUE(cluster.invalidate(Node::Alice, 1).ok());
        for (std::uint64_t i = 0; i < 500; ++i) {
            const std::uint64_t sector = i * 40 % 20000;
            cluster.write(Node::Alice, sector, 8, {.volume = i % 2});
            cluster.read(Node::Alice, (sector + 8000) % 20000, 256, {.volume = 1});
        }
        EXPECT_TRUE(cluster.drain(200s));
        EXPECT_TRUE(cluster.run_until_in_sync(200s));
        for (const Node node : {Node::Alice, Node::Bob}) {
            EXPECT_FALSE(cluster.host(node).logged("PingAck did not arrive in time")) << name(node);
            EXPECT_FALSE(cluster.host(node).logged("NetworkFailure")) << name(node);
        }
        EXPECT_GT(cluster.world().coverage.counts().at("paused reading"), 0u);
    });
}

}  // namespace
}  // namespace sim
