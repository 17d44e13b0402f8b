#include "drbdd/engine/peer/connector.h"

#include <algorithm>
#include <utility>

namespace engine {

namespace {

// How long until the next attempt when the peer does not answer. connect-int is the longest that
// DRBD waits; a refused attempt costs nothing, so we ask more often and a pair finds together
// sooner.
constexpr io::Duration kRetry = std::chrono::seconds(1);

}  // namespace

void Connector::start() {
    REQUIRE(!running_);
    running_ = true;
    resolve_conflicts_ = false;
    established_.reset();
    listen_failed_ = false;
    attempt();
}

void Connector::stop() {
    if (listening_) {
        listening_ = false;
        core_.emit(StopListening{});
    }
    if (!running_) {
        return;
    }
    running_ = false;
    for (const auto& [socket, deadline] : unidentified_) {
        core_.emit(CloseSocket{socket});
    }
    unidentified_.clear();
    drop(outgoing_);
    drop(data_);
    drop(meta_);
    outgoing_deadline_ = retry_at_ = settled_at_ = io::kNever;
}

bool Connector::listen_again() {
    listening_ = false;
    retry_later(false);
    return !std::exchange(listen_failed_, true);
}

std::optional<Connector::Established> Connector::take_established() {
    return std::exchange(established_, std::nullopt);
}

void Connector::attempt() {
    retry_at_ = io::kNever;
    if (!listening_) {
        listening_ = true;
        core_.emit(StartListening{});
    }
    if (outgoing_ || (data_ && meta_)) {
        return;
    }
    outgoing_ = SocketId{next_id_++};
    outgoing_deadline_ = core_.now + core_.settings.net.connect_int;
    core_.emit(Connect{*outgoing_});
}

void Connector::retry_later(bool soon) {
    const io::Duration longest = std::min(kRetry, core_.settings.net.connect_int);
    const auto jitter = static_cast<std::int64_t>(
        core_.prng.below(static_cast<std::uint64_t>(longest.count() / 3 + 1)));
    const io::Duration wait = soon ? io::Duration(jitter / 8) : longest - io::Duration(jitter);
    retry_at_ = std::min(retry_at_, core_.now + wait);
}

bool Connector::on_connected(SocketId socket) {
    if (!running_ || outgoing_ != socket) {
        return false;
    }
    outgoing_.reset();
    outgoing_deadline_ = io::kNever;
    if (!data_) {
        data_ = socket;
        send_first_packet(socket, proto::Command::InitialData);
    } else if (!meta_) {
        meta_ = socket;
        resolve_conflicts_ = false;
        send_first_packet(socket, proto::Command::InitialMeta);
    } else {
        core_.emit(CloseSocket{socket});
    }
    settle_if_complete();
    if (!meta_) {
        retry_later(false);  // normally the peer connects back first
    }
    return true;
}

bool Connector::on_accepted(SocketId socket) {
    if (!running_) {
        return false;
    }
    unidentified_[socket] = core_.now + 4 * core_.settings.net.ping_timeout;
    return true;
}

bool Connector::on_closed(SocketId socket) {
    if (!running_) {
        return false;
    }
    if (unidentified_.erase(socket) > 0) {
        return true;
    }
    if (outgoing_ == socket) {
        outgoing_.reset();
        outgoing_deadline_ = io::kNever;
    } else if (data_ == socket) {
        data_.reset();
    } else if (meta_ == socket) {
        meta_.reset();
    } else {
        return false;
    }
    settled_at_ = io::kNever;
    retry_later(false);
    return true;
}

bool Connector::on_packet(SocketId socket, const Packet& packet) {
    if (!running_) {
        return false;
    }
    if (data_ == socket || meta_ == socket) {
        return false;  // the peer settled sooner than we: the connection handles its features
                       // packet
    }
    if (unidentified_.erase(socket) == 0) {
        return false;
    }
    const auto command = static_cast<proto::Command>(packet.header.command);
    if (packet.header.kind == proto::HeaderKind::H80 && command == proto::Command::InitialData) {
        take_accepted(socket, true);
    } else if (packet.header.kind == proto::HeaderKind::H80 &&
               command == proto::Command::InitialMeta) {
        take_accepted(socket, false);
    } else {
        core_.emit(CloseSocket{socket});
    }
    return true;
}

void Connector::take_accepted(SocketId socket, bool data) {
    std::optional<SocketId>& slot = data ? data_ : meta_;
    const bool crossed = slot.has_value();
    drop(slot);
    slot = socket;
    if (!data) {
        resolve_conflicts_ = true;
    }
    settled_at_ = io::kNever;
    settle_if_complete();
    if (data_ && meta_) {
        return;
    }
    // Crossing attempts are pulled apart by a coin: one side waits, the other goes on at once.
    if (crossed && core_.prng.chance(0.5)) {
        retry_later(false);
    } else if (!outgoing_) {
        attempt();
    }
}

void Connector::settle_if_complete() {
    if (data_ && meta_ && settled_at_ == io::kNever) {
        settled_at_ = core_.now + settle_time();
        retry_at_ = io::kNever;
        drop(outgoing_);
        outgoing_deadline_ = io::kNever;
    }
}

io::Duration Connector::settle_time() const {
    const NetSettings& net = core_.settings.net;
    return net.socket_check_timeout > io::Duration::zero() ? net.socket_check_timeout
                                                           : net.ping_timeout;
}

void Connector::advance() {
    if (!running_) {
        return;
    }
    for (auto it = unidentified_.begin(); it != unidentified_.end();) {
        if (it->second <= core_.now) {
            core_.emit(CloseSocket{it->first});
            it = unidentified_.erase(it);
        } else {
            ++it;
        }
    }
    if (outgoing_ && outgoing_deadline_ <= core_.now) {
        drop(outgoing_);
        outgoing_deadline_ = io::kNever;
        retry_later(true);
    }
    if (retry_at_ <= core_.now) {
        attempt();
    }
    if (settled_at_ <= core_.now) {
        established_ = Established{*data_, *meta_, resolve_conflicts_};
        data_.reset();
        meta_.reset();
        stop();
        core_.progress = true;
    }
}

io::Instant Connector::next_deadline() const {
    if (!running_) {
        return io::kNever;
    }
    io::Instant next = std::min({outgoing_deadline_, retry_at_, settled_at_});
    for (const auto& [socket, deadline] : unidentified_) {
        next = std::min(next, deadline);
    }
    return next;
}

void Connector::drop(std::optional<SocketId>& slot) {
    if (slot) {
        core_.emit(CloseSocket{*slot});
        slot.reset();
    }
}

void Connector::send_first_packet(SocketId socket, proto::Command command) {
    std::vector<std::uint8_t> head(proto::kHeader80Size);
    proto::encode(proto::Header{proto::HeaderKind::H80, static_cast<std::uint16_t>(command), 0, 0},
                  head);
    core_.emit(Send{socket, std::move(head), {}});
}

}  // namespace engine
