// What a connection keeps for its peer, in bytes of memory, and how much of that is too much. A
// peer may ask for anything at any speed and read none of the answers: beyond these limits nothing
// more is read from it until what waits has left.
//
// Two nodes never wait for each other's reading. Payload of answers has a limit where a read begins
// (kReplyWindow) and does not count beside; a node stops reading the data socket only for requests
// that wait, for acks, which the other one reads always, and for its own disk. Of requests only one
// of two nodes can have that many: the applications of a Primary; a resync has a window. The meta
// socket is read until pings come without an end: their answers are not read.
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

// Answers to pings that wait to leave. A node asks a few times in its life at once.
inline constexpr std::uint64_t kMostPongs = std::uint64_t{16} << 10;

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
        case proto::Command::CsumRsRequest:
        case proto::Command::OvRequest:
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
