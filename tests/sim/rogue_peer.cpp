#include "tests/sim/rogue_peer.h"

#include "tests/sim/disk_metadata.h"

#include <algorithm>

namespace sim {

using proto::Command;

void RoguePeer::be_diskless_primary() {
    has_uuids = false;
    sizes.d_size = 0;
    state.role = engine::Role::Primary;
    state.disk = engine::DiskState::Diskless;
}

void RoguePeer::start() {
    net_.process_started(Node::Bob, *this);
    net_.power_restored(Node::Bob);
    net_.listen(Node::Bob);
}

std::uint64_t RoguePeer::received(Command command) const {
    const auto found = counts_.find(static_cast<std::uint16_t>(command));
    return found == counts_.end() ? 0 : found->second;
}

const std::vector<std::uint8_t>& RoguePeer::last_body(Command command) const {
    return last_.at(static_cast<std::uint16_t>(command));
}

void RoguePeer::on_socket_event(engine::Event event) {
    if (auto* arrived = std::get_if<engine::PacketArrived>(&event)) {
        on_packet(arrived->socket, arrived->packet);
    } else if (const auto* closed = std::get_if<engine::SocketClosed>(&event)) {
        for (std::optional<engine::SocketId>* socket : {&data_, &meta_}) {
            if (*socket == closed->socket) {
                socket->reset();
                connected_ = false;
            }
        }
    }
}

// Alice opens both sockets; it only answers.
void RoguePeer::on_packet(engine::SocketId socket, const engine::Packet& packet) {
    const auto command = static_cast<Command>(packet.header.command);
    last_[packet.header.command] = packet.body;
    ++counts_[packet.header.command];
    switch (command) {
        case Command::InitialData:
            data_ = socket;
            return;
        case Command::InitialMeta:
            meta_ = socket;
            return;
        case Command::ConnectionFeatures:
            return shake_hands();
        case Command::Ping:
            return send_meta(Command::PingAck, {});
        case Command::StateChgReq:
            return agree();
        default:
            return answer(packet);
    }
}

void RoguePeer::agree() {
    send_meta(Command::StateChgReply,
              encoded(proto::StateChgReply{static_cast<std::int32_t>(engine::StateCode::Success)}));
}

void RoguePeer::shake_hands() {
    if (!data_ || !meta_) {
        return;
    }
    connected_ = true;
    std::vector<std::uint8_t> bytes(proto::kHeader80Size + proto::ConnectionFeatures::kSize);
    proto::encode(proto::Header{proto::HeaderKind::H80,
                                static_cast<std::uint16_t>(Command::ConnectionFeatures),
                                0,
                                proto::ConnectionFeatures::kSize},
                  base::Bytes(bytes).first(proto::kHeader80Size));
    proto::ConnectionFeatures own;
    own.feature_flags = features;
    proto::encode(own, base::Bytes(bytes).subspan(proto::kHeader80Size));
    net_.send(Node::Bob, engine::Send{*data_, std::move(bytes), {}});
    proto::Protocol settings;
    settings.protocol = protocol;
    send(Command::Protocol, settings);
    send(Command::SyncParam89, proto::SyncParam89{});
    send_sizes();
    if (has_uuids) {
        send(Command::Uuids, uuids);
    }
    if (!tells_state) {
        return;
    }
    engine::VolumeState told = state;
    told.conn = engine::ConnState::WFConnection;
    send(Command::State, proto::State{to_wire(told)});
}

void RoguePeer::stop_reading() {
    for (const std::optional<engine::SocketId>& socket : {data_, meta_}) {
        if (socket) {
            net_.pause_reading(Node::Bob, *socket, true);
        }
    }
}

void RoguePeer::send_state() {
    send(Command::State, proto::State{to_wire(state)});
}

void RoguePeer::send_body(std::optional<engine::SocketId> socket,
                          Command command,
                          std::vector<std::uint8_t> body,
                          io::Slice payload) {
    if (!connected_ || !socket) {
        return;
    }
    std::vector<std::uint8_t> head(proto::kHeader100Size + body.size());
    proto::encode(proto::Header{proto::HeaderKind::H100,
                                static_cast<std::uint16_t>(command),
                                0,
                                static_cast<std::uint32_t>(body.size() + payload.length)},
                  base::Bytes(head).first(proto::kHeader100Size));
    std::copy(body.begin(), body.end(), head.begin() + proto::kHeader100Size);
    net_.send(Node::Bob, engine::Send{*socket, std::move(head), std::move(payload)});
}

// --- Alice ---

RogueCluster::RogueCluster(const Options& options)
    : world(options.seed),
      net(world, LinkOptions{}),
      alice(world, net, *this, Node::Alice),
      peer(world, net),
      agreed_sectors_(options.agreed_sectors),
      flags_lacking_(options.flags_lacking) {
    alice.judged = false;
    settings_.name = "r0";
    settings_.net.protocol = options.protocol;
    peer.protocol = static_cast<std::uint32_t>(options.protocol);
    for (std::size_t i = 0; i < options.volumes; ++i) {
        alice.add_volume(options.geometry);
        const auto number = static_cast<std::uint16_t>(i);
        settings_.volumes.push_back({{number}, number, options.disk});
    }
    // As a twin: the same data, the same size.
    const std::uint64_t sectors =
        agreed_sectors_ != 0 ? agreed_sectors_ : alice.volume(0).layout.usable_sectors;
    peer.sizes.d_size = peer.sizes.c_size = sectors;
    peer.uuids.current = kGeneration;
    peer.state.disk = engine::DiskState::UpToDate;
    peer.state.role = engine::Role::Secondary;
}

// Machines go before the network: what is queued lives in their pools.
RogueCluster::~RogueCluster() {
    alice.power_cut({});
    net.power_lost(Node::Bob);
}

void RogueCluster::prepare() {
    for (std::size_t i = 0; i < alice.volume_count(); ++i) {
        Host::Volume& volume = alice.volume(i);
        create_metadata(*volume.disk, volume.layout, kGeneration);
        meta::Superblock superblock = *read_superblock(*volume.disk, volume.layout);
        if (agreed_sectors_ != 0) {
            superblock.la_size_sectors = agreed_sectors_;
        }
        superblock.flags &= ~flags_lacking_;
        std::vector<std::uint8_t> block(meta::kBlockBytes);
        meta::encode(superblock, block);
        volume.disk->poke(volume.layout.superblock_sector, block);
    }
}

void RogueCluster::boot() {
    peer.start();
    alice.start(settings_);
    for (std::size_t i = 0; i < alice.volume_count(); ++i) {
        admin(engine::Attach{{static_cast<std::uint16_t>(i)}, alice.volume(i).disk->geometry()});
    }
    run_for(std::chrono::seconds(1));
    admin(engine::ConnectCommand{});
    const engine::ConnState last =
        peer.tells_state ? engine::ConnState::Connected : engine::ConnState::WFReportParams;
    run_until([this, last] { return status().state.conn >= last; }, std::chrono::seconds(20));
    run_for(std::chrono::milliseconds(100));  // what she has said arrives, too
}

void RogueCluster::admin(engine::AdminCommand command) {
    alice.admin(engine::AdminId{next_id_++}, std::move(command));
}

void RogueCluster::request(engine::AppRequest::Op op, std::uint64_t sector, std::uint64_t bytes) {
    engine::AppRequest request;
    request.id = {next_id_++};
    request.op = op;
    request.sector = {sector};
    request.length = bytes;
    if (op == engine::AppRequest::Op::Write || op == engine::AppRequest::Op::Read) {
        request.payload = alice.pool().allocate_slice(bytes);
    }
    ++open_requests_;
    alice.step(std::move(request));
}

void RogueCluster::write(std::uint64_t sector, std::uint64_t sectors) {
    request(engine::AppRequest::Op::Write, sector, sectors * base::kSectorBytes);
}

void RogueCluster::on_app_done(Node, const engine::CompleteApp&) {
    --open_requests_;
}

void RogueCluster::run_for(io::Duration duration) {
    run_until([] { return false; }, duration);
}

bool RogueCluster::run_until(const std::function<bool()>& condition, io::Duration limit) {
    const io::Instant end = world.now() + limit;
    while (!condition()) {
        if (world.failed()) {
            return false;
        }
        if (!world.has_event_until(end)) {
            world.advance_to(end);
            return condition();
        }
        world.run_next();
    }
    return true;
}

void RogueCluster::on_handler(Node, const engine::RunHandler& handler) {
    if (handler.report) {
        const engine::HandlerDone done{handler.volume, 0, handler.name, handler.run};
        world.after(std::chrono::milliseconds(1), [this, done] { alice.step(done); });
    }
}

}  // namespace sim
