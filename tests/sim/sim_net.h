// TCP between the two nodes, as the engine meets it: connects that cross, are refused or reset in
// the backlog; byte streams that keep their order and arrive in arbitrary pieces; bounded send
// buffers; each direction cut on its own, silently; resets. Nothing is lost, reordered or doubled
// inside a stream, because TCP does not do that either. What a power cut leaves behind is a
// half-open connection, until the other end sends something to the node that is up again.
#pragma once

#include "drbdd/engine/effects.h"
#include "drbdd/engine/events.h"
#include "drbdd/engine/peer/packet_stream.h"
#include "tests/sim/world.h"

#include <array>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace sim {

struct LinkOptions {
    io::Duration low_latency = std::chrono::microseconds(50);
    io::Duration high_latency = std::chrono::microseconds(500);
    io::Duration accept_delay = std::chrono::milliseconds(2);  // at most
    std::uint64_t bytes_per_second = 200'000'000;
    std::size_t send_buffer = 256 * 1024;  // of each direction, receiver's included
};

// The process on a node. Events come when its sockets are concerned.
class SocketUser {
public:
    virtual ~SocketUser() = default;
    virtual void on_socket_event(engine::Event event) = 0;
    virtual io::BufferPool& socket_pool() = 0;
};

class SimNet {
public:
    SimNet(World& world, LinkOptions options) : world_(world), options_(options) {}

    // --- The process's calls ---
    void process_started(Node node, SocketUser& user);
    void listen(Node node);
    void stop_listening(Node node);
    void connect(Node node, engine::SocketId id);
    void send(Node node, engine::Send&& bytes);
    void close(Node node, engine::SocketId id, bool after_sending);
    void pause_reading(Node node, engine::SocketId id, bool paused);

    // --- What happens ---
    void process_died(Node node);  // kill -9: the kernel closes its sockets
    void power_lost(Node node);    // nobody says goodbye
    void power_restored(Node node);
    void set_delivers(Node from, bool delivers);

    // Its process does not read, write or accept for now.
    void set_frozen(Node node, bool frozen);

    bool delivers(Node from) const { return machines_[index(from)].delivers; }

    void reset_connections();

    // One bit of the next payload that the node sends arrives as another one.
    void spoil_next_payload(Node from) { machine(from).spoils = true; }

    void spoil_no_more() { machines_[0].spoils = machines_[1].spoils = false; }

    std::uint64_t spoilt_payloads() const { return spoilt_payloads_; }

    // The n-th connection attempt of the node from now on finds nobody listening.
    void refuse_connects(Node node, std::uint32_t count) {
        machines_[index(node)].refuse_connects = count;
    }

    void set_options(LinkOptions options) { options_ = options; }

    std::size_t open_connections() const;

private:
    struct End {
        engine::SocketId id;
        bool open = false;               // the process has it
        bool closing = false;            // close(after_sending) was called
        bool paused = false;             // the process does not read for now
        std::deque<engine::Send> queue;  // given to Send, not yet taken by the system
        std::size_t taken_of_front = 0;
        std::uint64_t bytes_taken = 0;
        std::unique_ptr<engine::PacketStream> stream;
        // Towards the peer: what the system has taken, and what follows it.
        std::deque<std::uint8_t> wire;
        bool fin = false;
        bool delivery_scheduled = false;
        bool written_scheduled = false;
    };

    struct Connection {
        Node initiator = Node::Alice;
        std::array<End, 2> ends;
        bool in_backlog = false;   // of the acceptor's listener
        bool established = false;  // the acceptor's process has it
        bool dead = false;
        std::uint32_t syn_attempts = 0;
        io::Instant silent_since{};
    };

    using ConnectionRef = std::shared_ptr<Connection>;

    struct Machine {
        SocketUser* user = nullptr;  // the running process
        bool powered = false;
        bool listening = false;
        bool delivers = true;  // what it sends arrives
        bool frozen = false;
        bool spoils = false;
        std::uint32_t next_accepted = 0;
        std::uint32_t refuse_connects = 0;
        io::Instant link_free{};  // its bandwidth is used up until then
    };

    Machine& machine(Node node) { return machines_[index(node)]; }

    bool reaches(Node from) const {
        return machines_[index(from)].delivers && machines_[index(other(from))].powered;
    }

    io::Duration latency() { return world_.between(options_.low_latency, options_.high_latency); }

    ConnectionRef find(Node node, engine::SocketId id) const;
    void try_syn(const ConnectionRef& connection);
    void arrive_syn(const ConnectionRef& connection);
    void accept(const ConnectionRef& connection);
    void fail_connect(const ConnectionRef& connection, int error);
    void drop_backlog(Node node, bool say_so);
    void pump(const ConnectionRef& connection, Node from);
    void take(const ConnectionRef& connection, Node from);
    void say_written(const ConnectionRef& connection, Node node);
    void schedule_delivery(const ConnectionRef& connection, Node from);
    void deliver(const ConnectionRef& connection, Node from);
    void deliver_bytes(const ConnectionRef& connection, Node from);
    bool feed(const ConnectionRef& connection, Node to, base::ConstBytes bytes);
    void send_reset(const ConnectionRef& connection, Node to, int error);
    void end_closed(const ConnectionRef& connection, Node node, int error);
    void shut(const ConnectionRef& connection, Node node, bool abruptly);
    void forget_dead();
    void spoil(Node from, io::Slice& payload);

    World& world_;
    LinkOptions options_;
    std::array<Machine, 2> machines_;
    std::list<ConnectionRef> connections_;
    std::uint64_t spoilt_payloads_ = 0;
};

}  // namespace sim
