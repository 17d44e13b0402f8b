// Cuts the byte stream of one socket into packets. Pure: says where the next bytes should go, so
// that bulk payload is read straight into a buffer of the pool and never copied. Used by the
// runtime and by the simulator alike. Wire specification 2.1 and 2.2; the header kind is told by
// its magic.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "drbdd/engine/events.h"
#include "drbdd/io/buffer.h"

#include <array>
#include <cstdint>
#include <vector>

namespace engine {

class PacketStream {
public:
    explicit PacketStream(io::BufferPool& pool) : pool_(pool) {}

    // Where to read to next, for one readv(): first the rest of a payload (may be empty), then room
    // for what follows. Together never empty. Valid until commit().
    struct Room {
        base::Bytes payload;
        base::Bytes head;
    };

    Room room();

    // `count` bytes were read into the room, in order. Appends the packets that are now complete.
    // An error means that the stream cannot be followed any more: say StreamBroken and stop
    // reading.
    base::Result<void> commit(std::size_t count, std::vector<Packet>& packets);

private:
    // Small enough that application data never lands here: header and fixed part of a data packet.
    static constexpr std::size_t kHeadRoom = proto::kHeader100Size + proto::Data::kSize;

    base::Result<void> parse(std::vector<Packet>& packets);
    base::Result<bool> start_packet();
    bool fill_body();
    bool payload_is_next() const;

    io::BufferPool& pool_;
    std::array<std::uint8_t, kHeadRoom> head_{};
    std::size_t head_used_ = 0;
    bool in_packet_ = false;
    Packet packet_;
    std::size_t body_filled_ = 0;
    std::size_t payload_filled_ = 0;
};

}  // namespace engine
