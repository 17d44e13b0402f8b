// Getting two sockets up between two nodes that both listen and both connect at once. Wire
// specification, sections 1.1 and 1.2: who is who is told by the first packet of the TCP initiator;
// a crossed pair is found by waiting a moment and looking again.
#pragma once

#include "drbdd/engine/core.h"

#include <cstdint>
#include <map>
#include <optional>

namespace engine {

class Connector {
public:
    explicit Connector(Core& core) : core_(core) {}

    void start();
    void stop();  // closes what it holds and the listener

    bool running() const { return running_; }

    // Listening has failed and will be tried again with the next attempt. False: so it was the last
    // time.
    bool listen_again();

    struct Established {
        SocketId data;
        SocketId meta;
        bool resolve_conflicts = false;  // we accepted the meta socket
    };

    // The two sockets, once they have been up for a moment; the connector has stopped then.
    std::optional<Established> take_established();

    // Each returns true if the socket is the connector's.
    bool on_connected(SocketId socket);
    bool on_accepted(SocketId socket);
    bool on_closed(SocketId socket);
    bool on_packet(SocketId socket, const Packet& packet);

    void advance();
    io::Instant next_deadline() const;

private:
    void attempt();
    void retry_later(bool soon);
    void settle_if_complete();
    void take_accepted(SocketId socket, bool data);
    void drop(std::optional<SocketId>& slot);
    void send_first_packet(SocketId socket, proto::Command command);
    io::Duration settle_time() const;

    Core& core_;
    bool running_ = false;
    bool listening_ = false;
    bool listen_failed_ = false;  // since the start
    std::uint32_t next_id_ = 1;
    std::optional<SocketId> outgoing_;  // connect() under way
    io::Instant outgoing_deadline_ = io::kNever;
    io::Instant retry_at_ = io::kNever;
    std::map<SocketId, io::Instant> unidentified_;  // accepted, first packet awaited until then
    std::optional<SocketId> data_;
    std::optional<SocketId> meta_;
    bool resolve_conflicts_ = false;
    io::Instant settled_at_ = io::kNever;
    std::optional<Established> established_;
};

}  // namespace engine
