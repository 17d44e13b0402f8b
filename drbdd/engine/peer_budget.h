// What a connection keeps for its peer, in bytes of memory, and how much of that is too much. A
// peer may ask for anything at any speed and read none of the answers: beyond these limits nothing
// more is read from it, on both sockets, until what waits has left.
//
// Two nodes of ours never stop listening to each other for it. What one of them may have open at
// the other (requests of its applications, a window of resync) stays far below kMostKept, and the
// payload of answers, which alone could be more, is limited where a read begins: kReplyWindow. So
// acks are always read and sent, and what is kept only waits for the disk and for the network.
#pragma once

#include "drbdd/engine/work.h"
#include "proto/packets.h"

#include <cstdint>
#include <deque>

namespace engine::budget {

inline constexpr std::uint64_t kMostKept = std::uint64_t{32} << 20;
// Payload that is being read for the peer, or waits to leave. One read more may begin while it is
// less.
inline constexpr std::uint64_t kReplyWindow = std::uint64_t{8} << 20;

inline constexpr std::uint64_t kRequestBytes = 256;  // a request that waits, whatever it asks for
inline constexpr std::uint64_t kPacketBytes =
    192;                                           // a packet that waits to leave, beside its bytes
inline constexpr std::uint64_t kEpochBytes = 128;  // one that waits for its flush
inline constexpr std::uint64_t kRangeBytes = 48;   // of a write in it

// Sent because the peer has asked, on the data socket. The rest is the work of this node, which has
// limits of its own: the requests of its applications, its bitmap, its window of resync.
constexpr bool is_answer(proto::Command command) {
    switch (command) {
        case proto::Command::Data:
        case proto::Command::Trim:
        case proto::Command::Zeroes:
        case proto::Command::Barrier:
        case proto::Command::OutOfSync:
        case proto::Command::Bitmap:
        case proto::Command::CompressedBitmap:
        case proto::Command::DataRequest:
        case proto::Command::RsDataRequest:
        case proto::Command::RsThinReq:
            return false;
        default:
            return true;
    }
}

// The answers that wait to leave by one socket.
class Waiting {
public:
    // `end`: where the packet ends in the stream.
    void add(std::uint64_t end, std::uint64_t bytes) {
        packets_.push_back({end, bytes + kPacketBytes});
        bytes_ += bytes + kPacketBytes;
    }

    void on_written(std::uint64_t total, Work& work) {
        while (!packets_.empty() && packets_.front().end <= total) {
            bytes_ -= packets_.front().bytes;
            packets_.pop_front();
            work.add();
        }
    }

    std::uint64_t bytes() const { return bytes_; }

private:
    struct Packet {
        std::uint64_t end;
        std::uint64_t bytes;
    };

    std::deque<Packet> packets_;
    std::uint64_t bytes_ = 0;
};

}  // namespace engine::budget
