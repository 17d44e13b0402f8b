#include "drbdd/engine/peer/packet_stream.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/require.h"

#include <algorithm>
#include <cstring>

namespace engine {

PacketStream::Room PacketStream::room() {
    std::memmove(head_.data(), head_.data() + head_begin_, unread());
    head_end_ -= head_begin_;
    head_begin_ = 0;
    Room room;
    if (payload_is_next()) {
        room.payload = packet_.payload.bytes().subspan(payload_filled_);
    }
    const std::size_t most = bulk_ ? std::max(bulk_head_room(), head_end_ + 1) : kHeadRoom;
    room.head = base::Bytes(head_).subspan(head_end_, most - head_end_);
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
    REQUIRE(count <= head_.size() - head_end_);
    head_end_ += count;
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
        note_digests();
        packets.push_back(std::move(packet_));
        packet_ = Packet{};
        in_packet_ = false;
    }
}

// False while the header is not complete yet.
base::Result<bool> PacketStream::start_packet() {
    if (unread() < 4) {
        return false;
    }
    const base::ConstBytes head = base::ConstBytes(head_).subspan(head_begin_, unread());
    const base::Result<proto::HeaderKind> kind = proto::header_kind(head.first(4));
    if (!kind) {
        return kind.error();
    }
    const std::size_t size = proto::header_size(*kind);
    if (head.size() < size) {
        return false;
    }
    base::Result<proto::Header> header = proto::decode_header(head.first(size));
    if (!header) {
        return header.error();
    }
    base::Result<proto::BodyShape> shape = proto::body_shape(header->command);
    if (!shape) {
        return shape.error();
    }
    const std::size_t fixed = shape->fixed + (shape->bulk ? digest_bytes_ : 0);
    if (header->length < fixed || header->length - fixed > shape->max_payload) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("packet %s has a length of %u bytes, which it cannot have",
                                        proto::command_name(header->command),
                                        header->length)};
    }
    packet_.header = *header;
    const std::size_t payload = shape->bulk ? header->length - fixed : 0;
    packet_.body.resize(header->length - payload);
    packet_.payload = payload > 0 ? pool_.allocate_slice(payload) : io::Slice{};
    body_filled_ = 0;
    payload_filled_ = 0;
    in_packet_ = true;
    bulk_ = payload > kMostCopied;
    head_begin_ += size;
    return true;
}

// A name that nobody knows ends the connection, elsewhere.
void PacketStream::note_digests() {
    const auto command = static_cast<proto::Command>(packet_.header.command);
    if (command == proto::Command::Protocol || command == proto::Command::ProtocolUpdate) {
        const base::Result<proto::Protocol> protocol = proto::decode_protocol(packet_.body);
        digest_bytes_ = protocol ? base::Digest::size_of(protocol->integrity_alg) : 0;
    }
}

// Moves what was read ahead to where it belongs; true when the packet is whole.
bool PacketStream::fill_body() {
    const auto take = [this](base::Bytes to) {
        const std::size_t count = std::min(unread(), to.size());
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(head_begin_), count, to.begin());
        head_begin_ += count;
        return count;
    };
    body_filled_ += take(base::Bytes(packet_.body).subspan(body_filled_));
    if (payload_is_next() && payload_filled_ < packet_.payload.length) {
        payload_filled_ += take(packet_.payload.bytes().subspan(payload_filled_));
    }
    return body_filled_ == packet_.body.size() && payload_filled_ == packet_.payload.length;
}

}  // namespace engine
