#include "drbdd/engine/resource.h"

#include <algorithm>

namespace engine {

namespace {

constexpr int kMaxRounds = 100000;  // of one step; more means that two parts chase each other

}  // namespace

Resource::Resource(ResourceSettings settings,
                   io::BufferPool& pool,
                   base::LogSink& log,
                   io::Challenges& challenges,
                   std::uint64_t seed)
    : core_(std::move(settings), pool, log, challenges, seed),
      connection_(core_, volumes_),
      fencer_(core_, volumes_),
      commands_({core_, volumes_, connection_, fencer_}) {
    for (const VolumeSettings& volume : core_.settings.volumes) {
        volumes_.add(std::make_unique<Device>(core_, volume, connection_, connection_.peer_writes));
    }
}

void Resource::step(io::Instant now, Event event, Effects& effects) {
    REQUIRE(now >= core_.now);
    core_.now = now;
    core_.effects = &effects;
    core_.work = {};
    dispatch(std::move(event));
    // Every part looks whether it can go on, until none can.
    int rounds = 0;
    do {
        core_.progress = false;
        connection_.handle_drop();
        connection_.advance();
        for (const auto& device : volumes_) {
            device->advance();
        }
        advance_fencer();
        commands_.advance();
        connection_.handle_drop();
        core_.work.add();
        REQUIRE(++rounds < kMaxRounds);
    } while (core_.progress);
    core_.effects = nullptr;
}

void Resource::dispatch(Event event) {
    std::visit(
        [this](auto&& e) {
            using T = std::decay_t<decltype(e)>;
            if constexpr (std::is_same_v<T, AppRequest>) {
                Device* device = volumes_.find(e.volume);
                REQUIRE(device != nullptr);
                device->requests.submit(std::move(e));
            } else if constexpr (std::is_same_v<T, DiskDone>) {
                Device* device = volumes_.find(e.volume);
                REQUIRE(device != nullptr);
                device->on_disk_done(e);
            } else if constexpr (std::is_same_v<T, DiskMeasured>) {
                Device* device = volumes_.find(e.volume);
                REQUIRE(device != nullptr);
                device->resizer.on_measured(e.geometry);
            } else if constexpr (std::is_same_v<T, SocketConnected>) {
                connection_.on_connected(e.socket);
            } else if constexpr (std::is_same_v<T, SocketAccepted>) {
                connection_.on_accepted(e.socket);
            } else if constexpr (std::is_same_v<T, SocketClosed>) {
                connection_.on_closed(e.socket, e.error);
            } else if constexpr (std::is_same_v<T, ListenFailed>) {
                connection_.on_listen_failed(e);
            } else if constexpr (std::is_same_v<T, PacketArrived>) {
                connection_.on_packet(e.socket, std::move(e.packet));
            } else if constexpr (std::is_same_v<T, StreamBroken>) {
                connection_.on_broken(e.socket, e.text);
            } else if constexpr (std::is_same_v<T, SocketWritten>) {
                connection_.on_written(e.socket, e.bytes_total);
            } else if constexpr (std::is_same_v<T, Admin>) {
                commands_.begin(e);
            } else if constexpr (std::is_same_v<T, HandlerDone>) {
                on_handler_done(e);
            } else if constexpr (std::is_same_v<T, ResyncTurn>) {
                if (Device* device = volumes_.find(e.volume)) {  // else: it was just removed
                    device->peer.set_pause(&VolumeState::aftr_isp, e.waits);
                }
            }
        },
        std::move(event));
}

void Resource::on_handler_done(const HandlerDone& done) {
    if (done.name != PeerDevice::kBeforeResync) {
        fencer_.on_done(done.exit_code);
    } else if (Device* device = volumes_.find(done.volume)) {
        device->peer.on_before_resync(done);
    }
}

void Resource::advance_fencer() {
    if (connection_.take_peer_lost()) {
        fencer_.on_peer_lost();
    }
    if (connection_.take_peer_in_sync()) {
        fencer_.on_peer_in_sync();
    }
    fencer_.advance();
}

io::Instant Resource::next_deadline() const {
    io::Instant next = std::min(connection_.next_deadline(), commands_.next_deadline());
    for (const auto& device : volumes_) {
        next = std::min(next, device->next_deadline());
    }
    return next;
}

ResourceStatus Resource::status(io::Instant now) const {
    ResourceStatus status;
    status.name = core_.settings.name;
    status.role = volumes_.role();
    status.conn = connection_.conn();
    status.agreed_protocol = connection_.agreed_protocol();
    status.last_error = connection_.last_error();
    if (volumes_.empty() && connection_.up()) {
        status.conn = ConnState::Connected;  // there is nothing that a handshake would be about
    }
    for (const auto& device : volumes_) {
        status.volumes.push_back(device->status(now));
        const VolumeState& state = device->state();
        if (state.conn >= ConnState::Connected) {
            status.conn = ConnState::Connected;
            if (status.peer_role != Role::Primary) {
                status.peer_role = state.peer;
            }
        }
    }
    return status;
}

}  // namespace engine
