// One of the two sockets of a connection: what leaves by it and how far that is, which part of it
// are answers that the peer has asked for, and whether the socket is read. Wire specification,
// sections 1 and 2.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/peer_budget.h"
#include "proto/packets.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace engine {

class Channel {
public:
    // On the meta socket everything answers the peer.
    enum class Kind : std::uint8_t { Data, Meta };

    Channel(Core& core, Kind kind) : core_(core), kind_(kind) {}

    // `already_sent`: bytes of the stream that went before the socket was ours to count.
    void open(SocketId socket, std::uint64_t already_sent);
    void close(bool after_sending);
    // The other side, or the operating system, has closed it.
    void on_closed();

    bool is(SocketId socket) const { return socket_ == socket; }

    bool is_open() const { return socket_.has_value(); }

    // Without a socket nothing happens.
    void send(proto::Command command,
              VolumeNumber volume,
              base::ConstBytes body,
              io::Slice payload = {});
    // A packet with its header.
    void send_raw(std::vector<std::uint8_t> packet);

    // The operating system has taken so many bytes since the connect. False: that is nothing new.
    bool on_written(std::uint64_t total);

    std::uint64_t queued() const { return queued_; }

    std::uint64_t written() const { return written_; }

    std::uint64_t backlog() const { return queued_ - written_; }

    // Bytes of memory, of what waits to leave.
    std::uint64_t answers() const { return answers_.bytes(); }

    std::uint64_t pongs() const { return pongs_.bytes(); }

    // When something left last; kNever where nothing waits to leave.
    io::Instant waiting_since() const { return backlog() == 0 ? io::kNever : progress_at_; }

    void pause_reading(bool pause);

    bool paused() const { return paused_; }

private:
    Core& core_;
    const Kind kind_;
    std::optional<SocketId> socket_;
    std::uint64_t queued_ = 0;
    std::uint64_t written_ = 0;
    io::Instant progress_at_{};  // the last time that something left, or that nothing waited
    budget::Waiting answers_{};  // of what is queued
    budget::Waiting pongs_{};    // of those
    bool paused_ = false;        // nothing more is read, for now
};

}  // namespace engine
