#include "drbdd/engine/packet_stream.h"

#include "base/log.h"
#include "base/require.h"

#include <algorithm>
#include <cstring>

namespace engine {

PacketStream::Room PacketStream::room() {
    Room room;
    if (payload_is_next()) {
        room.payload = packet_.payload.bytes().subspan(payload_filled_);
    }
    room.head = base::Bytes(head_).subspan(head_used_);
    return room;
}

// The fixed part is complete: what comes next is payload.
bool PacketStream::payload_is_next() const {
    return in_packet_ && body_filled_ == packet_.body.size() && packet_.payload.length > 0;
}

base::Result<void> PacketStream::commit(std::size_t count, std::vector<Packet>& packets) {
    if (payload_is_next()) {
        const std::size_t wanted = packet_.payload.length - payload_filled_;
        const std::size_t took = std::min(count, wanted);
        payload_filled_ += took;
        count -= took;
    }
    REQUIRE(count <= head_.size() - head_used_);
    head_used_ += count;
    return parse(packets);
}

base::Result<void> PacketStream::parse(std::vector<Packet>& packets) {
    while (true) {
        if (!in_packet_) {
            base::Result<bool> started = start_packet();
            if (!started) {
                return started.error();
            }
            if (!*started) {
                return {};
            }
        }
        if (!fill_body()) {
            return {};
        }
        packets.push_back(std::move(packet_));
        packet_ = Packet{};
        in_packet_ = false;
    }
}

// False while the header is not complete yet.
base::Result<bool> PacketStream::start_packet() {
    if (head_used_ < 4) {
        return false;
    }
    const base::Result<proto::HeaderKind> kind =
        proto::header_kind(base::ConstBytes(head_).first(4));
    if (!kind) {
        return kind.error();
    }
    const std::size_t size = proto::header_size(*kind);
    if (head_used_ < size) {
        return false;
    }
    base::Result<proto::Header> header = proto::decode_header(base::ConstBytes(head_).first(size));
    if (!header) {
        return header.error();
    }
    base::Result<proto::BodyShape> shape = proto::body_shape(header->command);
    if (!shape) {
        return shape.error();
    }
    if (header->length < shape->fixed || header->length - shape->fixed > shape->max_payload) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("packet %s has a length of %u bytes, which it cannot have",
                                        proto::command_name(header->command),
                                        header->length)};
    }
    packet_.header = *header;
    const std::size_t payload = shape->bulk ? header->length - shape->fixed : 0;
    packet_.body.resize(header->length - payload);
    packet_.payload = payload > 0 ? pool_.allocate_slice(payload) : io::Slice{};
    body_filled_ = 0;
    payload_filled_ = 0;
    in_packet_ = true;
    std::memmove(head_.data(), head_.data() + size, head_used_ - size);
    head_used_ -= size;
    return true;
}

// Moves what is in the head room to where it belongs; true when the packet is whole.
bool PacketStream::fill_body() {
    const std::size_t body = std::min(head_used_, packet_.body.size() - body_filled_);
    std::copy_n(
        head_.data(), body, packet_.body.data() + body_filled_);  // a packet may have no body
    body_filled_ += body;
    std::size_t used = body;
    if (body_filled_ == packet_.body.size() && payload_filled_ < packet_.payload.length) {
        const std::size_t more =
            std::min(head_used_ - used, packet_.payload.length - payload_filled_);
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(used),
                    more,
                    packet_.payload.bytes().begin() + static_cast<std::ptrdiff_t>(payload_filled_));
        payload_filled_ += more;
        used += more;
    }
    std::memmove(head_.data(), head_.data() + used, head_used_ - used);
    head_used_ -= used;
    return body_filled_ == packet_.body.size() && payload_filled_ == packet_.payload.length;
}

}  // namespace engine
