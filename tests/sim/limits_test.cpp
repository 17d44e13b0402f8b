// What comes from outside has bounds, and so has what a step does: lengths that a peer names, time
// that a deadline lies ahead, work per step. Wire specification, sections 6.6 and 8.

#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

using Op = engine::AppRequest::Op;
using proto::Command;

// With a full window it is a reply that a resync waits for, whatever rate is set.
TEST(SimLimits, AResyncWithARateSleepsWhileItsSourceIsStuck) {
    ClusterOptions options = with_seed(1);
    options.device_bytes = 12u << 20;
    options.disk.c_max_rate_kib = 100u << 10;
    TestCluster cluster(options);
    cluster.start_fresh();
    ASSERT_TRUE(cluster.promote(Node::Alice, true).ok());
    cluster.connect_both();
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.status(Node::Bob).rs_in_flight_sectors > 0; }, 30s));
    cluster.disk(Node::Alice).set_stuck(true);
    cluster.run_for(1s);
    const std::uint64_t before = cluster.world().trace.size();
    cluster.run_for(3s);
    EXPECT_LT(cluster.world().trace.size() - before, 100u);
    cluster.disk(Node::Alice).set_stuck(false);
    cluster.check_convergence();
}

// Eight thousand writes that the peer has not confirmed: the step in which it is lost costs some
// passes for each, not one over all of them for each. Also when they are part of a resync, whose
// bits they clear, and when all go to one place.
class SimManyWrites : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Resync, SimManyWrites, testing::Bool());

TEST_P(SimManyWrites, LosingThePeerCostsNoMoreThanTheyAreMany) {
    ClusterOptions options = with_seed(1);
    options.device_bytes = 40u << 20;
    options.link.bytes_per_second = 2'000'000'000;
    options.link.send_buffer = 16u << 20;
    options.net.max_buffers = 131072;
    options.disk.resync_rate_fixed = GetParam();
    options.disk.resync_rate_kib = 64;
    options.protocol = Protocol::A;
    TestCluster cluster(options);
    if (GetParam()) {
        cluster.start_fresh();
        ASSERT_TRUE(cluster.promote(Node::Alice, true).ok());
        cluster.connect_both();
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.conn(Node::Bob) == ConnState::SyncTarget; }, 30s));
    } else {
        cluster.start_in_sync();
        ASSERT_TRUE(cluster.promote(Node::Alice).ok());
    }
    for (std::uint64_t i = 0; i < 8000; ++i) {
        cluster.write(Node::Alice, i * 8 % 60000, 1);
    }
    cluster.run_for(20ms);
    cluster.net().reset_connections();
    cluster.run_for(5s);
    EXPECT_LT(cluster.host(Node::Alice).most_work(), 50'000u);
    EXPECT_LT(cluster.host(Node::Bob).most_work(), 50'000u);
}

// --- A peer's packets ---

RogueCluster::Options large_device() {
    RogueCluster::Options options;
    options.geometry.size_bytes = std::uint64_t{2} << 30;
    options.geometry.can_discard = true;
    options.disk.al_extents = 67;
    return options;
}

proto::Trim trim(std::uint64_t sector, std::uint64_t bytes, std::uint64_t id) {
    proto::Trim packet;
    packet.data.sector = {sector};
    packet.data.block_id = id;
    packet.data.flags = proto::kDataDiscard | proto::kDataSendWriteAck;
    packet.size = static_cast<std::uint32_t>(bytes);
    return packet;
}

class SimLongTrim : public testing::TestWithParam<std::uint64_t> {};

INSTANTIATE_TEST_SUITE_P(Extents, SimLongTrim, testing::Values(1, 33, 34, 64, 65, 66, 70, 300));

// As long as the device, if it likes: the activity log has it in pieces that fit.
TEST_P(SimLongTrim, OfADisklessPeerIsDoneAndHoldsUpNothing) {
    RogueCluster cluster(large_device());
    cluster.peer.be_diskless_primary();
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    constexpr std::uint64_t kExtent = base::kSectorsPerAlExtent;
    const std::uint64_t bytes = GetParam() * kExtent * base::kSectorBytes - 1024;
    cluster.peer.send(Command::Trim, trim(kExtent - 1, bytes, 1));
    proto::Data data;
    data.sector = {400 * kExtent};
    data.block_id = 2;
    data.flags = proto::kDataSendWriteAck;
    cluster.peer.send(Command::Data, data, cluster.peer.socket_pool().allocate_slice(4096));
    cluster.peer.send(Command::Barrier, proto::Barrier{0});
    cluster.run_until([&] { return cluster.peer.received(Command::BarrierAck) == 1; }, 20s);
    EXPECT_EQ(cluster.peer.received(Command::WriteAck), 2u);
    EXPECT_EQ(cluster.peer.received(Command::BarrierAck), 1u);
    EXPECT_EQ(cluster.world.violation(), "");
    // Nobody holds an extent for ever: all of them age away.
    cluster.run_for(20s);
    for (std::uint32_t extent = 0; extent < 512; ++extent) {
        EXPECT_FALSE(cluster.alice.engine().is_al_active({0}, extent)) << extent;
    }
}

// Where the connection ends, and why, is said; the node and its data stay as they were.
void expect_refused(RogueCluster& cluster, const char* why) {
    cluster.run_for(500ms);
    EXPECT_EQ(cluster.world.violation(), "");
    EXPECT_TRUE(cluster.alice.logged(why)) << cluster.world.trace.last(20);
    EXPECT_EQ(cluster.status().state.disk, DiskState::UpToDate);
}

std::vector<std::uint8_t> block_ack(std::uint64_t sector, std::uint32_t size) {
    std::vector<std::uint8_t> body(proto::BlockAck::kSize);
    proto::encode(proto::BlockAck{{sector}, proto::kIdSyncer, size, 1}, body);
    return body;
}

TEST(SimLimits, AnAckBeyondTheDeviceEndsTheConnection) {
    for (const std::uint64_t sector : {std::uint64_t{1} << 40, std::uint64_t{4194304}}) {
        RogueCluster cluster(large_device());
        cluster.start();
        ASSERT_TRUE(cluster.peer.connected());
        cluster.peer.send_meta(Command::NegAck, block_ack(sector, 4096));
        expect_refused(cluster, "which are not on the device");
    }
}

TEST(SimLimits, APeerThatWritesBesideAPrimaryEndsTheConnection) {
    RogueCluster cluster(large_device());
    cluster.start();
    cluster.admin(engine::Promote{});
    cluster.run_for(1s);
    ASSERT_EQ(cluster.last_answer().code, 0) << cluster.last_answer().text;
    cluster.write(0, 8);
    proto::Data data;
    data.sector = {0};
    data.block_id = 2;
    cluster.peer.send(Command::Data, data, cluster.peer.socket_pool().allocate_slice(4096));
    expect_refused(cluster, "while this node is Primary");
}

TEST(SimLimits, AReadThatIsNotAlignedEndsTheConnectionAndNotTheDisk) {
    RogueCluster cluster(large_device());
    cluster.peer.be_diskless_primary();
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    cluster.peer.send(Command::DataRequest, proto::BlockReq{{8}, 7, 100});
    expect_refused(cluster, "a block of 100 bytes is not allowed");
}

TEST(SimLimits, ASizeThatNoDeviceHasEndsTheConnection) {
    RogueCluster cluster(large_device());
    cluster.start();
    ASSERT_TRUE(cluster.peer.connected());
    cluster.peer.sizes.c_size = std::uint64_t{1} << 42;
    cluster.peer.send_sizes();
    expect_refused(cluster, "the limit is 1 PiB");
}

// A resync target that is told of more than it asked for: neither are other blocks in sync, nor
// does its window count wrong, which would end the resync for ever.
TEST(SimLimits, ABlockReportedInSyncIsTheOneThatWasAskedFor) {
    RogueCluster cluster(large_device());
    cluster.peer.uuids.bitmap = RogueCluster::kGeneration;
    cluster.peer.uuids.current = RogueCluster::kGeneration + 0x100;
    cluster.peer.uuids.dirty_bits = 4096;
    cluster.start();
    ASSERT_TRUE(cluster.run_until(
        [&] {
            return cluster.peer.received(Command::Bitmap) +
                           cluster.peer.received(Command::CompressedBitmap) >
                       0 ||
                   cluster.status().state.conn == ConnState::WFBitMapT;
        },
        10s));
    // The source's bitmap: the first 64 MiB differ.
    std::uint64_t left = cluster.alice.volume(0).layout.usable_sectors / 8;
    std::uint64_t set = 16384;
    for (left = (left + 63) / 64 * 64; left > 0;) {
        const std::uint64_t bits = std::min<std::uint64_t>(left, proto::kMaxBitmapPacketBytes * 8);
        std::vector<std::uint8_t> body(bits / 8, 0);
        for (std::uint64_t i = 0; i < bits && set > 0; ++i, --set) {
            body[i / 8] = static_cast<std::uint8_t>(body[i / 8] | 1u << i % 8);
        }
        cluster.peer.send_data(Command::Bitmap, std::move(body));
        left -= bits;
    }
    cluster.peer.send_data(Command::Bitmap, {});
    cluster.run_for(200ms);
    cluster.peer.send(Command::SyncUuid, proto::SyncUuid{RogueCluster::kGeneration + 0x200});
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.peer.received(Command::RsDataRequest) > 0; }, 10s))
        << cluster.world.trace.last(40);
    cluster.run_for(200ms);
    const std::uint64_t asked = cluster.peer.received(Command::RsDataRequest);
    const auto first = proto::decode_block_req(cluster.peer.last_body(Command::RsDataRequest));
    ASSERT_TRUE(first);
    const std::uint64_t before = cluster.status().out_of_sync_bits;
    cluster.peer.send_meta(Command::RsIsInSync, block_ack(first->sector.value, 64u << 20));
    cluster.run_for(200ms);
    EXPECT_EQ(before - cluster.status().out_of_sync_bits, first->size / 4096);
    EXPECT_GT(cluster.peer.received(Command::RsDataRequest), asked);  // the window moves on
    EXPECT_EQ(cluster.world.violation(), "");
}

}  // namespace
}  // namespace sim
