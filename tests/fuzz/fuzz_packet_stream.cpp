// Any bytes from a socket, cut as the input says: packets or an error, the same however they are
// cut, and no more memory than the lengths that a peer may name.
#include "base/require.h"
#include "drbdd/engine/peer/packet_stream.h"
#include "tests/unit/engine/heap_pool.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

// What a stream has said: one line for each packet, and how it ended.
std::vector<std::string> follow(base::ConstBytes bytes, std::size_t most) {
    engine::HeapPool pool;
    engine::PacketStream stream(pool);
    std::vector<engine::Packet> packets;
    std::vector<std::string> said;
    bool broken = false;
    while (!bytes.empty() && !broken) {
        const engine::PacketStream::Room room = stream.room();
        REQUIRE(!room.payload.empty() || !room.head.empty());
        base::ConstBytes piece = bytes.first(std::min(most, bytes.size()));
        std::size_t count = 0;
        for (const base::Bytes part : {room.payload, room.head}) {
            const std::size_t fits = std::min(part.size(), piece.size());
            std::copy_n(piece.begin(), fits, part.begin());
            piece = piece.subspan(fits);
            count += fits;
        }
        bytes = bytes.subspan(count);
        broken = !stream.commit(count, packets);
        for (const engine::Packet& packet : packets) {
            const base::Bytes payload = packet.payload.bytes();
            said.push_back(std::to_string(packet.header.command) + " " +
                           std::string(packet.body.begin(), packet.body.end()) + " " +
                           std::string(payload.begin(), payload.end()));
        }
        packets.clear();
    }
    said.emplace_back(broken ? "broken" : "open");
    return said;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const base::ConstBytes bytes(data + 1, size - 1);
    const std::size_t piece = 1 + data[0];
    REQUIRE(follow(bytes, piece) == follow(bytes, bytes.size() + 1));
    return 0;
}
