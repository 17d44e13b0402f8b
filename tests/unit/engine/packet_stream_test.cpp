// Packets come out of the stream the same however it is cut.
#include "drbdd/engine/peer/packet_stream.h"

#include "base/prng.h"
#include "tests/unit/engine/heap_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace engine {
namespace {

void append(std::vector<std::uint8_t>& stream,
            proto::Command command,
            std::size_t body,
            std::uint8_t fill) {
    std::vector<std::uint8_t> bytes(proto::kHeader100Size + body, fill);
    proto::encode(proto::Header{proto::HeaderKind::H100,
                                static_cast<std::uint16_t>(command),
                                3,
                                static_cast<std::uint32_t>(body)},
                  base::Bytes(bytes).first(proto::kHeader100Size));
    stream.insert(stream.end(), bytes.begin(), bytes.end());
}

std::vector<std::uint8_t> sample() {
    std::vector<std::uint8_t> stream;
    append(stream, proto::Command::Ping, 0, 0);
    append(stream, proto::Command::Data, 24 + 4096, 1);
    append(stream, proto::Command::Barrier, 8, 2);
    append(stream, proto::Command::Data, 24, 3);  // a flush: no payload
    append(stream, proto::Command::RsDataReply, 24 + 512, 4);
    append(stream, proto::Command::Bitmap, 4080, 5);
    append(stream, proto::Command::UnplugRemote, 0, 0);
    append(stream, proto::Command::Data, 24 + 1024, 6);
    return stream;
}

// Reads `stream` in pieces of at most `most` bytes, as a socket would give them.
std::vector<Packet> cut(const std::vector<std::uint8_t>& stream,
                        io::BufferPool& pool,
                        base::Prng& prng,
                        std::size_t most) {
    PacketStream packets(pool);
    std::vector<Packet> out;
    std::size_t at = 0;
    while (at < stream.size()) {
        const PacketStream::Room room = packets.room();
        const std::size_t fits = room.payload.size() + room.head.size();
        const std::size_t n =
            std::min({fits, stream.size() - at, std::size_t{1} + prng.below(most)});
        const std::size_t first = std::min(n, room.payload.size());
        std::copy_n(stream.data() + at, first, room.payload.data());  // which may be empty
        std::memcpy(room.head.data(), stream.data() + at + first, n - first);
        at += n;
        EXPECT_TRUE(packets.commit(n, out));
    }
    return out;
}

TEST(PacketStream, GivesTheSamePacketsHoweverTheStreamIsCut) {
    HeapPool pool;
    const std::vector<std::uint8_t> stream = sample();
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        base::Prng prng(seed);
        const std::vector<Packet> packets = cut(stream, pool, prng, seed % 50 + 1);
        ASSERT_EQ(packets.size(), 8u);
        EXPECT_EQ(packets[1].payload.length, 4096u);
        for (const std::uint8_t byte : packets[1].payload.bytes()) {
            ASSERT_EQ(byte, 1);
        }
        EXPECT_EQ(packets[2].body, std::vector<std::uint8_t>(8, 2));
        EXPECT_TRUE(packets[3].payload.empty());
        EXPECT_EQ(packets[5].body, std::vector<std::uint8_t>(4080, 5));
        EXPECT_EQ(packets[7].payload.bytes()[1023], 6);
        EXPECT_EQ(packets[7].body, std::vector<std::uint8_t>(24, 6));
        EXPECT_EQ(packets[7].header.volume, 3);
    }
}

TEST(PacketStream, BulkPayloadIsReadInPlace) {
    HeapPool pool;
    PacketStream packets(pool);
    const std::vector<std::uint8_t> stream = sample();
    std::vector<Packet> out;
    // Ping (16) and the header and fixed part of the first Data (40).
    for (const std::size_t n : {std::size_t{16}, std::size_t{40}}) {
        std::memcpy(packets.room().head.data(), stream.data() + (n == 16 ? 0 : 16), n);
        ASSERT_TRUE(packets.commit(n, out));
    }
    EXPECT_EQ(packets.room().payload.size(), 4096u);
}

TEST(PacketStream, ManySmallPacketsTakeOneRead) {
    HeapPool pool;
    PacketStream packets(pool);
    std::vector<std::uint8_t> stream;
    for (std::uint8_t count = 0; count < 15; ++count) {
        append(stream, proto::Command::Data, 24 + 4096, count);
    }
    const PacketStream::Room room = packets.room();
    ASSERT_GE(room.head.size(), stream.size());
    std::memcpy(room.head.data(), stream.data(), stream.size());
    std::vector<Packet> out;
    ASSERT_TRUE(packets.commit(stream.size(), out));
    ASSERT_EQ(out.size(), 15u);
    EXPECT_EQ(out[14].payload.bytes()[4095], 14);
}

// Of the packet that follows a large payload no more than header and fixed part is read with it.
TEST(PacketStream, ReadsNoPayloadAheadInAStreamOfLargeOnes) {
    HeapPool pool;
    PacketStream packets(pool);
    std::vector<std::uint8_t> stream;
    append(stream, proto::Command::Data, 24 + (128u << 10), 1);
    std::memcpy(packets.room().head.data(), stream.data(), 40);
    std::vector<Packet> out;
    ASSERT_TRUE(packets.commit(40, out));
    EXPECT_EQ(packets.room().payload.size(), 128u << 10);
    EXPECT_EQ(packets.room().head.size(), 40u);
    std::memcpy(packets.room().payload.data(), stream.data() + 40, 128u << 10);
    ASSERT_TRUE(packets.commit(128u << 10, out));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(packets.room().head.size(), 40u);
}

void append_update(std::vector<std::uint8_t>& stream, const char* algorithm) {
    proto::Protocol protocol;
    protocol.integrity_alg = algorithm;
    append(stream, proto::Command::ProtocolUpdate, protocol.size(), 0);
    proto::encode(protocol, base::Bytes(stream).last(protocol.size()));
}

// From the packet behind the one that names the algorithm to the next such.
TEST(PacketStream, TheDigestOfAPayloadIsPartOfTheBody) {
    HeapPool pool;
    std::vector<std::uint8_t> stream;
    append(stream, proto::Command::Data, 24 + 4096, 1);
    append_update(stream, "sha1");
    append(stream, proto::Command::Data, 24 + 20 + 4096, 2);
    append(stream, proto::Command::Data, 24 + 20, 3);  // a flush
    append(stream, proto::Command::Trim, 28, 4);       // without one
    append_update(stream, "crc32c");
    append(stream, proto::Command::RsDataReply, 24 + 4 + (1u << 20), 5);
    append_update(stream, "");
    append(stream, proto::Command::Data, 24 + 512, 6);
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        base::Prng prng(seed);
        const std::vector<Packet> packets = cut(stream, pool, prng, seed % 5 * 3000 + 40);
        ASSERT_EQ(packets.size(), 9u);
        EXPECT_EQ(packets[0].body.size(), 24u);
        EXPECT_EQ(packets[2].body.size(), 44u);
        EXPECT_EQ(packets[2].payload.length, 4096u);
        EXPECT_EQ(packets[3].body.size(), 44u);
        EXPECT_TRUE(packets[3].payload.empty());
        EXPECT_EQ(packets[4].body.size(), 28u);
        EXPECT_EQ(packets[6].body.size(), 28u);
        EXPECT_EQ(packets[6].payload.length, 1u << 20);
        EXPECT_EQ(packets[6].payload.bytes()[(1u << 20) - 1], 5);
        EXPECT_EQ(packets[8].body.size(), 24u);
        EXPECT_EQ(packets[8].payload.length, 512u);
    }
}

TEST(PacketStream, RefusesForeignBytesAndImpossibleLengths) {
    HeapPool pool;
    std::vector<Packet> out;
    PacketStream foreign(pool);
    std::memset(foreign.room().head.data(), 'x', 16);
    EXPECT_FALSE(foreign.commit(16, out));
    PacketStream oversized(pool);
    proto::encode(proto::Header{proto::HeaderKind::H100, 0, 0, 0x7fffffff},
                  oversized.room().head.first(16));
    EXPECT_FALSE(oversized.commit(16, out));
    PacketStream undersized(pool);
    proto::encode(proto::Header{proto::HeaderKind::H100, 0, 0, 23},
                  undersized.room().head.first(16));
    EXPECT_FALSE(undersized.commit(16, out));
    EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace engine
