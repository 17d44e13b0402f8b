#include "drbdd/engine/peer/connection.h"

#include "drbdd/engine/rules/state_rules.h"
#include "drbdd/engine/volume/device.h"
#include "drbdd/engine/volume/volumes.h"

#include <algorithm>

namespace engine {

namespace {

constexpr std::size_t kEarlyPackets = 64;
constexpr io::Duration kRetryAfterFailure = std::chrono::seconds(1);
constexpr std::uint32_t kMostDoublings = 4;

}  // namespace

Connection::Connection(Core& core, const Volumes& volumes)
    : transfer_log(core, *this),
      peer_writes(core, *this),
      peer_reads(core, *this),
      core_(core),
      volumes_(volumes),
      connector_(core),
      data_(core, Channel::Kind::Data),
      meta_(core, Channel::Kind::Meta) {
}

// --- Commands ---

void Connection::connect(bool discard_my_data) {
    wanted_ = true;
    discard_wanted_ = discard_my_data;
    last_error_.clear();
    reconnect_at_ = core_.now;
    if (conn_ == ConnState::StandAlone) {
        set_conn(ConnState::Unconnected);
    }
}

void Connection::disconnect(Outdating outdating) {
    if (conn_ == ConnState::StandAlone) {
        wanted_ = false;
        return;
    }
    lost(ConnState::Disconnecting, true, outdating);
}

void Connection::shut_down() {
    connector_.stop();
    close_sockets(false);
}

void Connection::request_disconnect(const StateRequest& parting) {
    const MaskedWord word = to_wire(parting);
    disconnect_requested_ = true;
    disconnect_reply_.reset();
    request_ping();
    send(proto::Command::ConnStChgReq, VolumeNumber{}, proto::StateChgReq{word.mask, word.value});
}

std::optional<StateCode> Connection::take_disconnect_reply() {
    return std::exchange(disconnect_reply_, std::nullopt);
}

bool Connection::in_handshake() const {
    return up() && volumes_.any([](const Device& device) { return device.peer.in_handshake(); });
}

bool Connection::epochs_unordered() const {
    return !epochs_ordered_ && has(proto::kFeatureExplicitFlush);
}

// --- State of the connection, common to all volumes ---

void Connection::set_conn(ConnState conn) {
    if (conn_ == conn) {
        return;
    }
    const ConnState old = conn_;
    conn_ = conn;
    // One line for the connection if all volumes change alike, as DRBD logs it.
    std::vector<std::string> lines;
    std::vector<VolumeState> wanted;
    for (const auto& device : volumes_) {
        VolumeState next = device->state();
        next.conn = conn;
        wanted.push_back(next);
        lines.push_back(describe_change(device->state(), sanitise(next)));
    }
    const bool alike = std::all_of(
        lines.begin(), lines.end(), [&](const std::string& line) { return line == lines.front(); });
    if (alike) {
        core_.log(base::LogLevel::Info,
                  lines.empty() ? base::format("conn( %s -> %s ) ", name(old), name(conn))
                                : lines.front());
    }
    for (auto next = wanted.cbegin(); const auto& device : volumes_) {
        device->change_state(*next++, alike);
    }
    core_.emit(StatusChanged{});
    core_.progress = true;
}

void Connection::drop(ConnState cause, const std::string& why) {
    if (!drop_) {
        drop_ = Drop{cause, why, false, {}};
    }
}

void Connection::stand_alone(const std::string& why) {
    if (!drop_ || !drop_->stand_alone) {
        drop_ = Drop{ConnState::Disconnecting, why, true, {}};
    }
}

void Connection::handle_drop() {
    if (!drop_) {
        return;
    }
    const Drop drop = *std::exchange(drop_, std::nullopt);
    if (!drop.why.empty()) {
        const bool grave = drop.stand_alone || refused_;
        core_.log(grave ? base::LogLevel::Error : base::LogLevel::Warning, drop.why);
        last_error_ = drop.why;
    }
    lost(drop.cause, drop.stand_alone, drop.outdating);
}

// What follows the loss of the connection, in this order (15.2): the state, with a new data
// generation where the peer's copy is out of reach; then the writes that the peer has not
// confirmed.
void Connection::lost(ConnState cause, bool to_stand_alone, Outdating outdating) {
    const bool was_up = up();
    const bool had_sockets = data_.is_open();
    const bool refused = std::exchange(refused_, false);
    phase_ = Phase::Down;
    phase_deadline_ = io::kNever;
    connector_.stop();
    set_conn(cause);
    for (const auto& device : volumes_) {
        VolumeState next = device->state();
        const auto outdate = [](DiskState disk) {
            return disk > DiskState::Outdated ? DiskState::Outdated : disk;
        };
        next.disk = outdating.own ? outdate(next.disk) : next.disk;
        next.pdsk = outdating.peer ? outdate(next.pdsk) : next.pdsk;
        device->change_state(next);
    }
    // A peer that is refused shall come to the same verdict: it gets all that we have said.
    close_sockets(std::exchange(close_after_sending_, false) || to_stand_alone);
    early_.clear();
    told_of_others_.clear();
    if (was_up) {
        peer_lost_ = true;
        peer_writes.on_connection_lost();
        for (const TransferLog::Entry& entry : transfer_log.take_all()) {
            entry.device->requests.on_connection_lost(entry.key);
        }
        for (const auto& device : volumes_) {
            device->peer.on_connection_lost();
            device->requests.on_peer_gone();
        }
        peer_reads.on_connection_lost();
    }
    if (std::exchange(disconnect_requested_, false)) {
        disconnect_reply_ = StateCode::Success;
    }
    if (had_sockets) {
        core_.log(base::LogLevel::Info, "Connection closed");
    }
    if (to_stand_alone) {
        wanted_ = false;
        set_conn(ConnState::StandAlone);
    } else {
        reconnect_at_ = core_.now + retry_pause(was_up, refused);
        set_conn(ConnState::Unconnected);
    }
}

// Whoever fails to prove that he is the peer may be anybody: he must not separate the pair, nor
// keep it busy. The pauses grow, no further than connect-int.
io::Duration Connection::retry_pause(bool was_up, bool refused) {
    const io::Duration longest = core_.settings.net.connect_int;
    if (was_up || !refused) {
        return refused ? longest : was_up ? io::Duration::zero() : kRetryAfterFailure;
    }
    const io::Duration pause =
        std::min(longest, kRetryAfterFailure * (1 << std::min(unproven_, kMostDoublings)));
    ++unproven_;
    core_.log(
        base::LogLevel::Warning,
        base::format("%u attempts have failed before the peer had proved itself; the next "
                     "one in %lld ms",
                     unproven_,
                     static_cast<long long>(
                         std::chrono::duration_cast<std::chrono::milliseconds>(pause).count())));
    return pause;
}

void Connection::close_sockets(bool after_sending) {
    data_.close(after_sending);
    meta_.close(after_sending);
    liveness_.end();
    discard_my_data_ = false;
}

// --- Sending ---

std::uint64_t Connection::ping() {
    send_meta(proto::Command::Ping, VolumeNumber{}, {});
    return liveness_.pinged(core_.now, core_.settings.net);
}

// --- Events ---

void Connection::on_connected(SocketId socket) {
    if (!connector_.on_connected(socket)) {
        core_.emit(CloseSocket{socket});
    }
}

void Connection::on_accepted(SocketId socket) {
    if (!connector_.on_accepted(socket)) {
        core_.emit(CloseSocket{socket});
    }
}

void Connection::on_closed(SocketId socket, int error) {
    if (connector_.on_closed(socket)) {
        std::erase_if(early_, [socket](const auto& entry) { return entry.first == socket; });
        return;
    }
    if (data_.is(socket)) {
        data_.on_closed();
        drop(ConnState::BrokenPipe,
             error == 0 ? "sock was shut down by peer"
                        : base::format("sock_recvmsg returned -%d", error));
    } else if (meta_.is(socket)) {
        meta_.on_closed();
        if (error == 0 && (!up() || in_handshake())) {
            // The peer has refused us. What it said before is still on the data socket: our own
            // verdict follows from it.
            phase_deadline_ =
                std::min(phase_deadline_, core_.now + core_.settings.net.ping_timeout);
            return;
        }
        drop(ConnState::NetworkFailure,
             error == 0 ? "meta connection shut down by peer."
                        : base::format("sock_recvmsg returned -%d", error));
    }
}

void Connection::on_listen_failed(const ListenFailed& failed) {
    if (!connector_.running()) {
        return;
    }
    if (!failed.may_pass) {
        stand_alone(failed.text);
    } else if (connector_.listen_again()) {
        core_.log(base::LogLevel::Warning, failed.text + "; trying again");
    }
}

void Connection::on_broken(SocketId socket, const std::string& why) {
    if (data_.is(socket)) {
        drop(ConnState::ProtocolError, why);
    } else if (meta_.is(socket)) {
        drop(ConnState::NetworkFailure, why);
    } else if (connector_.on_closed(socket)) {
        core_.emit(CloseSocket{socket});
    }
}

void Connection::on_written(SocketId socket, std::uint64_t total) {
    Channel* channel = data_.is(socket) ? &data_ : meta_.is(socket) ? &meta_ : nullptr;
    if (channel == nullptr || !channel->on_written(total)) {
        return;
    }
    core_.progress = true;
    if (channel == &data_) {
        for (const auto& device : volumes_) {
            device->requests.on_sent(data_.written());
        }
    }
}

void Connection::on_packet(SocketId socket, Packet packet) {
    if (connector_.on_packet(socket, packet)) {
        return;
    }
    if (connector_.running() || (meta_.is(socket) && !up())) {
        if (packet.payload.length > 0) {
            on_broken(socket, "data before the handshake");
            return;
        }
        if (early_.size() < kEarlyPackets) {  // it settled sooner than we
            early_.emplace_back(socket, std::move(packet));
        }
        return;
    }
    if (!data_.is(socket) && !meta_.is(socket)) {
        return;
    }
    liveness_.heard(core_.now);
    const bool features = data_.is(socket) && phase_ == Phase::Features;
    if (packet.header.kind != (features ? proto::HeaderKind::H80 : proto::HeaderKind::H100)) {
        drop(ConnState::ProtocolError, "Wrong magic value");
        return;
    }
    base::Result<void> result;
    if (meta_.is(socket)) {
        result = handle_meta(packet);
    } else if (phase_ == Phase::Features) {
        on_features(packet);
    } else if (phase_ == Phase::Challenge) {
        on_challenge(packet);
    } else if (phase_ == Phase::Response) {
        on_response(packet);
    } else {
        result = handle_data(packet);
    }
    end_if_failed(result, packet);
    core_.progress = true;
}

void Connection::end_if_failed(const base::Result<void>& result, const Packet& packet) {
    if (result) {
        return;
    }
    if (result.error().code == base::ErrorCode::State) {
        stand_alone(result.error().text);
    } else {
        drop(ConnState::ProtocolError,
             base::format("%s (while handling %s)",
                          result.error().text.c_str(),
                          proto::command_name(packet.header.command)));
    }
}

// --- Volumes that come and go ---

// The handshake of this volume alone. A peer that has it already has told of it, and does not do so
// again.
void Connection::join(Device& device) {
    device.change_conn(up() ? ConnState::WFReportParams : conn_);
    if (!up()) {
        return;
    }
    device.peer.start();
    device.peer.send_parameters();
    const auto told = told_of_others_.extract(device.number().value);
    if (told.empty()) {
        device.peer.expect_no_word();
        return;
    }
    for (const Packet& packet : told.mapped()) {
        if (!drop_) {
            end_if_failed(handle_data_volume(packet, device), packet);
        }
    }
}

bool Connection::rests(const Device& device) const {
    return device.requests.idle() && !device.peer.request_pending() &&
           !device.peer.announcements_pending() && !device.resizer.measuring() &&
           peer_writes.drained(device) && peer_reads.none_of(device) &&
           transfer_log.none_of(device);
}

// A kernel tells of it by the state in which a handshake begins.
void Connection::leave(Device& device) {
    REQUIRE(rests(device));
    peer_writes.forget(device);
    if (up() && device.state().conn >= ConnState::WFReportParams) {
        VolumeState state = device.state();
        state.conn =
            has(proto::kFeatureExplicitFlush) ? ConnState::StandAlone : ConnState::WFReportParams;
        send(proto::Command::State, device.number(), proto::State{to_wire(state)});
    }
}

// --- What is kept for the peer ---

std::uint64_t Connection::bytes_being_read() const {
    std::uint64_t bytes = peer_reads.bytes_being_read();
    for (const auto& device : volumes_) {
        bytes += device->peer.source.bytes_being_read();
        bytes += device->peer.verify_target.bytes_being_read();
    }
    return bytes;
}

bool Connection::may_read() const {
    return bytes_being_read() + data_.answers() < core_.settings.net.reply_window;
}

std::uint64_t Connection::bytes_kept() const {
    std::size_t requests = peer_reads.waiting();
    for (const auto& device : volumes_) {
        requests += device->peer.source.waiting() + device->peer.verify_target.waiting();
    }
    // Payload that waits for the peer to read it is limited where its read begins: if it counted,
    // two nodes could stop reading until the other one reads.
    const std::uint64_t replies = bytes_being_read() + data_.answers();
    const std::uint64_t window = core_.settings.net.reply_window + proto::kMaxDataBytes;
    return requests * budget::kRequestBytes + std::max(replies, window) - window + meta_.answers() +
           peer_writes.bytes_to_be_flushed();
}

// Reading goes on when half of it has gone, so that it does not stop and go with every packet. The
// meta socket brings acks, by which our own work goes on, and pings: a node that does not answer
// them for a while is taken for dead. So it is read until somebody pings without listening.
void Connection::check_budget() {
    const bool too_much = bytes_kept() > core_.settings.net.peer_budget / (data_.paused() ? 2 : 1);
    const bool too_many_writes =
        peer_writes.bytes_held() > peer_writes.most_memory() / (data_.paused() ? 2 : 1);
    const bool too_many_pongs = meta_.pongs() > budget::kMostPongs / (meta_.paused() ? 2 : 1);
    data_.pause_reading(too_much || too_many_writes);
    meta_.pause_reading(too_much && too_many_pongs);
}

// --- Progress ---

void Connection::advance() {
    connector_.advance();
    if (std::optional<Connector::Established> established = connector_.take_established()) {
        begin(*established);
    }
    const bool may_connect = wanted_ && conn_ == ConnState::Unconnected &&
                             reconnect_at_ <= core_.now && peer_writes.drained();
    if (may_connect) {
        set_conn(ConnState::WFConnection);
        early_.clear();
        connector_.start();
    }
    if (phase_deadline_ <= core_.now) {
        phase_deadline_ = io::kNever;
        refused_ = refused_ || (!drop_ && !up());
        drop(ConnState::NetworkFailure, "timed out in the handshake");
    }
    peer_writes.advance();
    if (up()) {
        transfer_log.advance();
        if (!early_.empty()) {
            take_early_packets();
        }
        peer_reads.advance();
        check_liveness();
        check_budget();
    }
}

// Of the meta socket, from before its reader was ready.
void Connection::take_early_packets() {
    std::deque<std::pair<SocketId, Packet>> early = std::exchange(early_, {});
    for (auto& [socket, packet] : early) {
        if (!drop_) {
            on_packet(socket, std::move(packet));
        }
    }
}

void Connection::check_liveness() {
    const NetSettings& net = core_.settings.net;
    if (liveness_.ping_is_due(core_.now, net)) {
        ping();
    } else if (liveness_.is_dead(core_.now, net)) {
        drop(ConnState::NetworkFailure, "PingAck did not arrive in time.");
        return;
    }
    check_sending(data_);
    check_sending(meta_);
    check_requests();
}

void Connection::check_requests() {
    const NetSettings& net = core_.settings.net;
    if (net.ko_count == 0 || core_.now < request_check_at_) {
        return;
    }
    request_check_at_ = core_.now + net.timeout;
    io::Instant oldest = transfer_log.oldest_barrier();
    for (const auto& device : volumes_) {
        oldest = std::min(oldest, device->requests.oldest_unacknowledged());
    }
    const io::Duration limit = net.timeout * net.ko_count;
    if (oldest != io::kNever && core_.now - oldest > limit && core_.now - up_since_ >= limit) {
        drop(ConnState::Timeout, "Remote failed to finish a request within the timeout");
    }
}

void Connection::check_sending(const Channel& channel) {
    const NetSettings& net = core_.settings.net;
    const io::Instant since = channel.waiting_since();
    if (since == io::kNever || core_.now < since + net.timeout) {
        return;
    }
    const bool meta = &channel == &meta_;
    const bool give_up =
        meta || (net.ko_count > 0 && core_.now >= since + net.timeout * net.ko_count);
    if (give_up) {
        drop(ConnState::Timeout, meta ? "[meta] sending timed out" : "[data] sending timed out");
    } else if (!liveness_.unanswered_since()) {
        ping();
    }
}

io::Instant Connection::next_deadline() const {
    io::Instant next = std::min(connector_.next_deadline(), phase_deadline_);
    next = std::min(next, peer_writes.next_deadline());
    if (wanted_ && conn_ == ConnState::Unconnected && reconnect_at_ > core_.now) {
        next = std::min(next, reconnect_at_);
    }
    if (!up()) {
        return next;
    }
    const NetSettings& net = core_.settings.net;
    next = std::min(next, transfer_log.next_deadline());
    next = std::min(next, liveness_.next_deadline(net));
    for (const Channel* channel : {&data_, &meta_}) {
        if (channel->waiting_since() != io::kNever) {
            const io::Instant stalled = channel->waiting_since() + net.timeout;
            next = std::min(next, std::max(stalled, core_.now + net.ping_timeout));
        }
    }
    if (net.ko_count > 0) {
        next = std::min(next, request_check_at_);
    }
    return next;
}

}  // namespace engine
