// Cuts the byte stream of one socket into packets. Pure: says where the next bytes should go. Large
// payload is read straight into a buffer of the pool and never copied; small payload is copied
// there from a read of many packets at once, because a system call costs more than the copy. Used
// by the runtime and by the simulator alike. Wire specification 2.1 and 2.2; the header kind is
// told by its magic. Where data-integrity-alg is set, the digest of a payload is the end of the
// packet's body; which algorithm it is the stream itself says, in P_PROTOCOL and P_PROTOCOL_UPDATE.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "drbdd/engine/events.h"
#include "drbdd/io/buffer.h"

#include <cstdint>
#include <vector>

namespace engine {

class PacketStream {
public:
    explicit PacketStream(io::BufferPool& pool) : pool_(pool), head_(kHeadRoom) {}

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
    // Many packets of the size of a page, or acks.
    static constexpr std::size_t kHeadRoom = std::size_t{64} << 10;
    // After a packet of a payload beyond this many bytes only header and fixed part of the next one
    // are read ahead, so that its payload does not have to be copied.
    static constexpr std::size_t kMostCopied = std::size_t{16} << 10;

    std::size_t bulk_head_room() const {
        return proto::kHeader100Size + proto::Data::kSize + digest_bytes_;
    }

    base::Result<void> parse(std::vector<Packet>& packets);
    base::Result<bool> start_packet();
    bool fill_body();
    bool payload_is_next() const;
    void note_digests();

    std::size_t unread() const { return head_end_ - head_begin_; }

    io::BufferPool& pool_;
    std::vector<std::uint8_t> head_;
    std::size_t head_begin_ = 0;  // what was read ahead and not parsed yet
    std::size_t head_end_ = 0;
    bool bulk_ = false;             // the payload seen last was large
    std::size_t digest_bytes_ = 0;  // before each payload
    bool in_packet_ = false;
    Packet packet_;
    std::size_t body_filled_ = 0;
    std::size_t payload_filled_ = 0;
};

}  // namespace engine
