#include "tests/sim/sim_net.h"

#include <algorithm>
#include <cerrno>

namespace sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kBacklog = 5;
constexpr io::Duration kSynTimeout = 127s;
constexpr io::Duration kLinger = 1s;

}  // namespace

void SimNet::process_started(Node node, SocketUser& user) {
    machine(node).user = &user;
    machine(node).powered = true;
    machine(node).next_accepted = 0;
}

SimNet::ConnectionRef SimNet::find(Node node, engine::SocketId id) const {
    for (const ConnectionRef& connection : connections_) {
        const End& end = connection->ends[index(node)];
        if (end.open && end.id == id) {
            return connection;
        }
    }
    return nullptr;
}

std::size_t SimNet::open_connections() const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [](const ConnectionRef& c) {
            return c->established && c->ends[0].open && c->ends[1].open;
        }));
}

void SimNet::listen(Node node) {
    machine(node).listening = true;
}

void SimNet::stop_listening(Node node) {
    machine(node).listening = false;
    drop_backlog(node, true);
}

// A listener that is closed resets whom nobody accepted, also those who think they are connected.
void SimNet::drop_backlog(Node node, bool say_so) {
    for (const ConnectionRef& connection : connections_) {
        if (connection->in_backlog && connection->initiator == other(node)) {
            connection->in_backlog = false;
            if (say_so) {
                send_reset(connection, connection->initiator, ECONNRESET);
            }
        }
    }
}

void SimNet::connect(Node node, engine::SocketId id) {
    auto connection = std::make_shared<Connection>();
    connection->initiator = node;
    connection->ends[index(node)].id = id;
    connection->ends[index(node)].open = true;
    connection->silent_since = world_.now();
    connections_.push_back(connection);
    try_syn(connection);
    forget_dead();
}

void SimNet::try_syn(const ConnectionRef& connection) {
    if (!connection->ends[index(connection->initiator)].open || connection->dead) {
        return;
    }
    if (world_.now() - connection->silent_since >= kSynTimeout) {
        return fail_connect(connection, ETIMEDOUT);
    }
    const io::Duration retransmit = 1s * (1 << std::min(connection->syn_attempts, 6u));
    ++connection->syn_attempts;
    world_.after(latency(), [this, connection] { arrive_syn(connection); });
    world_.after(retransmit, [this, connection] {
        if (!connection->in_backlog && !connection->established) {
            try_syn(connection);
        }
    });
}

void SimNet::arrive_syn(const ConnectionRef& connection) {
    const Node from = connection->initiator;
    const Node to = other(from);
    if (connection->dead || connection->in_backlog || connection->established ||
        !connection->ends[index(from)].open || !reaches(from) || !reaches(to)) {
        return;
    }
    Machine& initiator = machine(from);
    const bool refused = initiator.refuse_connects > 0;
    if (refused) {
        --initiator.refuse_connects;
    }
    if (!machine(to).listening || refused) {
        return fail_connect(connection, ECONNREFUSED);
    }
    const auto waiting =
        std::count_if(connections_.begin(), connections_.end(), [&](const ConnectionRef& c) {
            return c->in_backlog && c->initiator == from;
        });
    if (waiting > kBacklog) {
        return;  // the system drops the SYN; it is sent again
    }
    connection->in_backlog = true;
    world_.after(latency(), [this, connection, from] {
        End& end = connection->ends[index(from)];
        if (end.open && !connection->dead && machine(from).user != nullptr) {
            end.stream = std::make_unique<engine::PacketStream>(machine(from).user->socket_pool());
            machine(from).user->on_socket_event(engine::SocketConnected{end.id});
            pump(connection, from);
            pump(connection, other(from));
        }
    });
    world_.after(latency() + world_.between(0ns, options_.accept_delay),
                 [this, connection] { accept(connection); });
}

void SimNet::accept(const ConnectionRef& connection) {
    const Node node = other(connection->initiator);
    if (!connection->in_backlog || !machine(node).listening || machine(node).frozen) {
        return;
    }
    connection->in_backlog = false;
    connection->established = true;
    End& end = connection->ends[index(node)];
    end.id = {engine::kAcceptedSocket | ++machine(node).next_accepted};
    end.open = true;
    end.stream = std::make_unique<engine::PacketStream>(machine(node).user->socket_pool());
    machine(node).user->on_socket_event(engine::SocketAccepted{end.id});
    pump(connection, connection->initiator);
}

void SimNet::fail_connect(const ConnectionRef& connection, int error) {
    connection->dead = true;
    world_.after(latency(), [this, connection, error] {
        end_closed(connection, connection->initiator, error);
    });
}

void SimNet::send(Node node, engine::Send&& bytes) {
    const ConnectionRef connection = find(node, bytes.socket);
    if (connection == nullptr) {
        return;  // closed meanwhile: the event is on its way
    }
    End& end = connection->ends[index(node)];
    if (end.closing) {
        world_.fail("bytes sent on a socket after its close");
    }
    if (machine(node).spoils && bytes.payload.length > 0) {
        spoil(node, bytes.payload);
    }
    end.queue.push_back(std::move(bytes));
    pump(connection, node);
}

// Of what is on the wire: the sender's own buffer stays as it is.
void SimNet::spoil(Node from, io::Slice& payload) {
    machine(from).spoils = false;
    ++spoilt_payloads_;
    const io::Slice sent = machine(from).user->socket_pool().allocate_slice(payload.length);
    std::copy_n(payload.bytes().begin(), payload.length, sent.bytes().begin());
    const std::uint64_t bit = world_.prng.below(payload.length * 8);
    sent.bytes()[bit / 8] = static_cast<std::uint8_t>(sent.bytes()[bit / 8] ^ 1u << bit % 8);
    payload = sent;
    world_.trace.add(world_.now(), from, "payload-spoilt bit", bit);
    world_.coverage.reached("payload spoilt on the wire");
}

// Moves bytes from the process into the system's buffer, as far as there is room.
void SimNet::take(const ConnectionRef& connection, Node from) {
    End& end = connection->ends[index(from)];
    const std::uint64_t before = end.bytes_taken;
    while (!end.queue.empty() && end.wire.size() < options_.send_buffer) {
        const engine::Send& front = end.queue.front();
        const base::ConstBytes payload = front.payload.bytes();
        const std::size_t total = front.head.size() + payload.size();
        const std::size_t room = options_.send_buffer - end.wire.size();
        const std::size_t stop = std::min(total, end.taken_of_front + room);
        const auto taken = end.taken_of_front;
        const auto offset = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n); };
        if (taken < front.head.size()) {
            end.wire.insert(end.wire.end(),
                            front.head.begin() + offset(taken),
                            front.head.begin() + offset(std::min(stop, front.head.size())));
        }
        if (stop > front.head.size()) {
            end.wire.insert(
                end.wire.end(),
                payload.begin() + offset(std::max(taken, front.head.size()) - front.head.size()),
                payload.begin() + offset(stop - front.head.size()));
        }
        end.bytes_taken += stop - taken;
        end.taken_of_front = stop;
        if (stop == total) {
            end.queue.pop_front();
            end.taken_of_front = 0;
        }
    }
    if (end.bytes_taken != before) {
        say_written(connection, from);
    }
}

void SimNet::say_written(const ConnectionRef& connection, Node node) {
    End& end = connection->ends[index(node)];
    if (end.written_scheduled) {
        return;
    }
    end.written_scheduled = true;
    world_.after(world_.between(0ns, 20us), [this, connection, node] {
        End& written = connection->ends[index(node)];
        written.written_scheduled = false;
        if (written.open && !written.closing) {
            machine(node).user->on_socket_event(
                engine::SocketWritten{written.id, written.bytes_taken});
        }
    });
}

void SimNet::pump(const ConnectionRef& connection, Node from) {
    End& end = connection->ends[index(from)];
    take(connection, from);
    if (end.closing && end.queue.empty() && end.open) {
        shut(connection, from, false);
    }
    if (!end.delivery_scheduled && (!end.wire.empty() || end.fin)) {
        schedule_delivery(connection, from);
    }
}

void SimNet::schedule_delivery(const ConnectionRef& connection, Node from) {
    End& end = connection->ends[index(from)];
    end.delivery_scheduled = true;
    world_.after(latency(), [this, connection, from] { deliver(connection, from); });
}

void SimNet::deliver(const ConnectionRef& connection, Node from) {
    End& sender = connection->ends[index(from)];
    sender.delivery_scheduled = false;
    if (connection->dead || (sender.wire.empty() && !sender.fin)) {
        return;
    }
    if (!reaches(from)) {
        return;  // pumped again when the cable or the machine is back
    }
    if (connection->in_backlog || (!connection->established && from == connection->initiator)) {
        return;  // pumped again by accept()
    }
    const Node to = other(from);
    if (!connection->ends[index(to)].open) {
        send_reset(connection, from, ECONNRESET);
        return;
    }
    if (connection->ends[index(to)].stream == nullptr || connection->ends[index(to)].paused ||
        machine(to).frozen) {
        return;  // the initiator has not heard yet that it is connected, or reads again later
    }
    if (!sender.wire.empty()) {
        deliver_bytes(connection, from);
    } else if (sender.fin) {
        sender.fin = false;
        end_closed(connection, to, 0);
    }
    pump(connection, from);
}

void SimNet::deliver_bytes(const ConnectionRef& connection, Node from) {
    End& sender = connection->ends[index(from)];
    Machine& wire = machine(from);
    if (wire.link_free > world_.now()) {
        sender.delivery_scheduled = true;
        world_.at(wire.link_free, [this, connection, from] { deliver(connection, from); });
        return;
    }
    const std::size_t largest = world_.prng.chance(0.1) ? 40 : 64 * 1024;
    const std::size_t count = 1 + world_.prng.below(std::min(largest, sender.wire.size()));
    const auto stop = sender.wire.begin() + static_cast<std::ptrdiff_t>(count);
    const std::vector<std::uint8_t> piece(sender.wire.begin(), stop);
    sender.wire.erase(sender.wire.begin(), stop);
    wire.link_free = world_.now() +
                     std::chrono::nanoseconds(count * 1'000'000'000ull / options_.bytes_per_second);
    if (!feed(connection, other(from), piece)) {
        sender.wire.clear();
    }
}

// False when the receiver does not want any more.
bool SimNet::feed(const ConnectionRef& connection, Node to, base::ConstBytes bytes) {
    End& end = connection->ends[index(to)];
    std::vector<engine::Packet> packets;
    while (!bytes.empty()) {
        const engine::PacketStream::Room room = end.stream->room();
        std::size_t count = 0;
        for (const base::Bytes part : {room.payload, room.head}) {
            const std::size_t fits = std::min(part.size(), bytes.size());
            std::copy_n(bytes.begin(), fits, part.begin());
            bytes = bytes.subspan(fits);
            count += fits;
        }
        const auto followed = end.stream->commit(count, packets);
        for (engine::Packet& packet : packets) {
            if (!end.open || end.closing) {
                return false;
            }
            machine(to).user->on_socket_event(engine::PacketArrived{end.id, std::move(packet)});
        }
        packets.clear();
        if (!end.open || end.closing) {
            return false;
        }
        if (!followed) {
            machine(to).user->on_socket_event(engine::StreamBroken{end.id, followed.error().text});
            return false;
        }
    }
    return true;
}

// A reset is sent once: if the cable is cut it is lost, and the other end stays half-open.
void SimNet::send_reset(const ConnectionRef& connection, Node to, int error) {
    world_.after(latency(), [this, connection, to, error] {
        if (reaches(other(to)) && machine(to).powered) {
            connection->dead = true;
            end_closed(connection, to, error);
        }
    });
}

void SimNet::end_closed(const ConnectionRef& connection, Node node, int error) {
    End& end = connection->ends[index(node)];
    if (!end.open) {
        return;
    }
    end.open = false;
    end.queue.clear();
    end.stream.reset();
    if (!end.closing && machine(node).user != nullptr) {
        machine(node).user->on_socket_event(engine::SocketClosed{end.id, error});
    }
}

void SimNet::close(Node node, engine::SocketId id, bool after_sending) {
    const ConnectionRef connection = find(node, id);
    if (connection == nullptr) {
        return;
    }
    End& end = connection->ends[index(node)];
    if (!after_sending || connection->in_backlog) {
        return shut(connection, node, world_.prng.chance(0.3));
    }
    end.closing = true;
    world_.after(kLinger, [this, connection, node] {
        if (connection->ends[index(node)].open) {
            shut(connection, node, true);
        }
    });
    pump(connection, node);
}

void SimNet::pause_reading(Node node, engine::SocketId id, bool paused) {
    const ConnectionRef connection = find(node, id);
    if (connection != nullptr) {
        connection->ends[index(node)].paused = paused;
        pump(connection, other(node));
    }
}

// The system closes an end: what it has taken still leaves, followed by FIN; or, when there is
// unread input, everything is dropped and the peer is reset.
void SimNet::shut(const ConnectionRef& connection, Node node, bool abruptly) {
    End& end = connection->ends[index(node)];
    end.open = false;
    end.queue.clear();
    end.stream.reset();
    if (abruptly || (!connection->established && !connection->in_backlog)) {
        end.wire.clear();
        connection->in_backlog = false;
        return send_reset(connection, other(node), ECONNRESET);
    }
    end.fin = true;
    pump(connection, node);
}

void SimNet::process_died(Node node) {
    machine(node).user = nullptr;
    machine(node).listening = false;
    for (const ConnectionRef& connection : std::list<ConnectionRef>(connections_)) {
        if (connection->ends[index(node)].open) {
            shut(connection, node, world_.prng.chance(0.5));
        }
    }
    drop_backlog(node, true);
}

void SimNet::power_lost(Node node) {
    machine(node).user = nullptr;
    machine(node).listening = false;
    machine(node).powered = false;
    for (const ConnectionRef& connection : connections_) {
        End& end = connection->ends[index(node)];
        end.open = false;
        end.queue.clear();
        end.wire.clear();
        end.fin = false;
        end.stream.reset();
    }
    drop_backlog(node, false);
}

void SimNet::power_restored(Node node) {
    machine(node).powered = true;
    for (const ConnectionRef& connection : std::list<ConnectionRef>(connections_)) {
        pump(connection, other(node));
    }
}

void SimNet::set_delivers(Node from, bool delivers) {
    machine(from).delivers = delivers;
    world_.trace.add(world_.now(), from, delivers ? "link-heals" : "link-cut");
    if (delivers) {
        for (const ConnectionRef& connection : std::list<ConnectionRef>(connections_)) {
            pump(connection, from);
        }
    }
}

void SimNet::set_frozen(Node node, bool frozen) {
    machine(node).frozen = frozen;
    for (const ConnectionRef& connection : std::list<ConnectionRef>(connections_)) {
        if (!frozen) {
            pump(connection, other(node));
        }
        if (!frozen && connection->initiator == other(node)) {
            accept(connection);
        }
    }
}

void SimNet::reset_connections() {
    for (const ConnectionRef& connection : std::list<ConnectionRef>(connections_)) {
        connection->dead = true;
        for (const Node node : kNodes) {
            world_.after(latency(),
                         [this, connection, node] { end_closed(connection, node, ECONNRESET); });
        }
    }
}

void SimNet::forget_dead() {
    connections_.remove_if([](const ConnectionRef& c) {
        const bool idle = !c->ends[0].open && !c->ends[1].open;
        const bool quiet = c->ends[0].wire.empty() && c->ends[1].wire.empty() && !c->ends[0].fin &&
                           !c->ends[1].fin;
        return idle && (quiet || c->dead);
    });
}

}  // namespace sim
