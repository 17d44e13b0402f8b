// Sizes that change under us: the peer's administrator resizes the device (wire
// specification, 3.5), or the backing disk has grown while nobody looked (metadata specification,
// section 13).

#include "tests/sim/disk_metadata.h"
#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

namespace sim {
namespace {

using proto::Command;

constexpr std::uint64_t kOldSectors = 32768;  // 16 MiB
constexpr std::uint64_t kNewSectors = 49152;

RogueCluster::Options roomy(std::uint64_t seed) {
    RogueCluster::Options options;
    options.seed = seed;
    options.geometry.size_bytes = 64u << 20;
    options.agreed_sectors = kOldSectors;
    return options;
}

// As a kernel node does it when `drbdadm resize` runs there: it has grown already, and asks.
void resize_at_peer(RogueCluster& cluster, std::uint16_t flags = 0) {
    RoguePeer& peer = cluster.peer;
    peer.send(Command::Uuids, peer.uuids);
    peer.sizes.d_size = kNewSectors;
    peer.sizes.c_size = 0;
    peer.sizes.dds_flags = flags;
    peer.send_sizes();
}

// Answers the target's requests with zeroes.
void be_source(RogueCluster& cluster, std::uint64_t& lowest) {
    cluster.peer.answer = [&](const engine::Packet& packet) {
        if (packet.header.command != static_cast<std::uint16_t>(Command::RsDataRequest)) {
            return;
        }
        const auto request = proto::decode_block_req(packet.body);
        ASSERT_TRUE(request);
        lowest = std::min(lowest, request->sector.value);
        const io::Slice data = cluster.peer.socket_pool().allocate_slice(request->size);
        cluster.peer.send(
            Command::RsDataReply, proto::Data{request->sector, request->block_id, 0, 0}, data);
    };
}

TEST(SimResize, AGrowthAtThePeerIsFollowedAndWhatWasAddedIsCopied) {
    over_seeds(5, [](std::uint64_t seed) {
        RogueCluster cluster(roomy(seed));
        cluster.peer.state.role = Role::Primary;
        cluster.start();
        ASSERT_EQ(cluster.status().state.conn, ConnState::Connected);
        std::uint64_t lowest = ~std::uint64_t{0};
        be_source(cluster, lowest);
        const std::uint64_t told = cluster.peer.received(Command::Sizes);
        resize_at_peer(cluster);
        ASSERT_TRUE(
            cluster.run_until([&] { return cluster.peer.received(Command::Sizes) > told; }, 5s));
        const auto reply = proto::decode_sizes(cluster.peer.last_body(Command::Sizes));
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->c_size, kNewSectors);
        EXPECT_EQ(cluster.status().state.conn, ConnState::WFSyncUUID);
        cluster.peer.send(Command::SyncUuid, proto::SyncUuid{0x77770000});
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status().state.conn == ConnState::SyncTarget; }, 5s));
        ASSERT_TRUE(cluster.run_until(
            [&] { return cluster.status().state.conn == ConnState::Connected; }, 20s));
        EXPECT_EQ(cluster.status().state.disk, DiskState::UpToDate);
        EXPECT_EQ(cluster.status().size_sectors, kNewSectors);
        EXPECT_EQ(lowest, kOldSectors);  // only what was added
        EXPECT_EQ(cluster.world.violation(), "");
    });
}

// Our Primary is the source of the new part, wherever the command was given.
TEST(SimResize, APrimaryHereIsTheSourceOfWhatWasAdded) {
    RogueCluster cluster(roomy(1));
    cluster.start();
    cluster.admin(engine::Promote{});
    cluster.run_for(1s);
    ASSERT_EQ(cluster.last_answer().code, 0) << cluster.last_answer().text;
    resize_at_peer(cluster);
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.peer.received(Command::SyncUuid) == 1; }, 5s));
    EXPECT_EQ(cluster.status().state.conn, ConnState::SyncSource);
    EXPECT_EQ(cluster.status().size_sectors, kNewSectors);
    EXPECT_EQ(cluster.status().out_of_sync_bits, (kNewSectors - kOldSectors) / 8);
    EXPECT_EQ(cluster.world.violation(), "");
}

TEST(SimResize, WhoVouchesForWhatWasAddedIsBelieved) {
    RogueCluster cluster(roomy(1));
    cluster.peer.state.role = Role::Primary;
    cluster.start();
    resize_at_peer(cluster, proto::kSizesNoResync);
    cluster.run_for(1s);
    EXPECT_EQ(cluster.status().state.conn, ConnState::Connected);
    EXPECT_EQ(cluster.status().size_sectors, kNewSectors);
    EXPECT_EQ(cluster.status().out_of_sync_bits, 0u);
}

TEST(SimResize, AShrinkingPeerIsRefusedInWords) {
    RogueCluster cluster(roomy(1));
    cluster.peer.state.role = Role::Primary;
    cluster.start();
    cluster.peer.sizes.d_size = cluster.peer.sizes.c_size = kOldSectors / 2;
    cluster.peer.send_sizes();
    cluster.run_for(1s);
    EXPECT_EQ(cluster.status().state.conn, ConnState::StandAlone);
    EXPECT_EQ(cluster.status().size_sectors, kOldSectors);
    EXPECT_TRUE(cluster.alice.logged("The peer's disk size is too small!"));
}

// A kernel shows all that its disk has, and takes into use what both have: ours is hidden from it,
// and we do not go beyond it either.
TEST(SimResize, RoomThatAKernelHasTooIsUsedByNobodyBeforeItIsResized) {
    RogueCluster cluster(roomy(1));
    cluster.peer.sizes.d_size = kNewSectors;
    cluster.peer.sizes.c_size = kOldSectors;
    cluster.start();
    ASSERT_EQ(cluster.status().state.conn, ConnState::Connected);
    EXPECT_EQ(cluster.status().size_sectors, kOldSectors);
    const auto told = proto::decode_sizes(cluster.peer.last_body(Command::Sizes));
    ASSERT_TRUE(told);
    EXPECT_EQ(told->d_size, kOldSectors);
}

// Asked to grow it has to be shown what we have; where it can't, it is to forget that again.
TEST(SimResize, AKernelThatCanNotGrowIsNotLeftWithTheRoomThatItWasShown) {
    RogueCluster cluster(roomy(1));
    cluster.start();
    cluster.admin(engine::Promote{});
    cluster.run_for(1s);
    const std::uint64_t told = cluster.peer.received(Command::Sizes);
    cluster.peer.answer = [&](const engine::Packet& packet) {
        const auto sizes = packet.header.command == static_cast<std::uint16_t>(Command::Sizes)
                               ? proto::decode_sizes(packet.body)
                               : proto::decode_sizes({});
        if (sizes && sizes->c_size == 0) {
            EXPECT_GT(sizes->d_size, kOldSectors);
            cluster.peer.send_sizes();
        }
    };
    cluster.admin(engine::Resize{{0}, std::nullopt, false, false});
    cluster.run_for(5s);
    EXPECT_EQ(cluster.peer.received(Command::Sizes), told + 2);
    const auto last = proto::decode_sizes(cluster.peer.last_body(Command::Sizes));
    ASSERT_TRUE(last);
    EXPECT_EQ(last->d_size, kOldSectors);
    EXPECT_EQ(last->c_size, kOldSectors);
}

// It would refuse a disk that seems to be smaller than the device, and stay StandAlone.
TEST(SimResize, AKernelThatHasGrownWhileWeWereAwayIsFollowed) {
    for (const std::uint64_t room : {kNewSectors, 2 * kNewSectors}) {
        RogueCluster cluster(roomy(1));
        cluster.peer.sizes.d_size = room;
        cluster.peer.sizes.c_size = kNewSectors;
        cluster.start();
        ASSERT_EQ(cluster.status().state.conn, ConnState::Connected);
        EXPECT_EQ(cluster.status().size_sectors, kNewSectors);
        EXPECT_EQ(cluster.peer.received(Command::Sizes), 1u);
        const auto told = proto::decode_sizes(cluster.peer.last_body(Command::Sizes));
        ASSERT_TRUE(told);
        EXPECT_EQ(told->d_size, kNewSectors);
        EXPECT_EQ(told->c_size, kNewSectors);
        EXPECT_EQ(cluster.world.violation(), "");
    }
}

// A resync that begins out of nothing is no longer waited for: the handshake decides.
TEST(SimResize, AResyncThatNobodyAgreedOnEndsTheConnection) {
    RogueCluster cluster(roomy(1));
    cluster.peer.state.role = Role::Primary;
    cluster.start();
    cluster.peer.send(Command::SyncUuid, proto::SyncUuid{0x77770000});
    cluster.run_for(200ms);
    EXPECT_TRUE(cluster.alice.logged("a resync that was not agreed on"));
    EXPECT_EQ(cluster.status().state.disk, DiskState::UpToDate);
}

// --- The backing disk ---

TEST(SimResize, MetadataAtTheOldEndOfAGrownDiskAreFoundAndNobodyIsToldToCreateNewOnes) {
    for (const std::uint64_t before : {32u << 20, 60u << 20, 63u << 20}) {
        RogueCluster cluster(roomy(1));
        Host::Volume& volume = cluster.alice.volume(0);
        create_metadata(*volume.disk, *meta::internal_layout(before), RogueCluster::kGeneration);
        cluster.boot();
        const engine::AdminDone answer = cluster.first_answer();
        EXPECT_EQ(answer.code, 116);
        EXPECT_NE(answer.text.find("has grown"), std::string::npos) << answer.text;
        EXPECT_NE(answer.text.find(std::to_string(before)), std::string::npos) << answer.text;
        EXPECT_NE(answer.text.find("Do not run create-md"), std::string::npos) << answer.text;
        EXPECT_EQ(cluster.world.violation(), "");
    }
}

TEST(SimResize, ADiskWithoutMetadataSaysSo) {
    RogueCluster cluster(roomy(1));
    cluster.boot();
    EXPECT_EQ(cluster.first_answer().code, 119);
    EXPECT_NE(cluster.first_answer().text.find("resized since"), std::string::npos);
}

}  // namespace
}  // namespace sim
