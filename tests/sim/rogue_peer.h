// A peer that is no engine: it shakes hands as it is told to, and then says whatever a test wants.
// For what our own engine never sends: packets of other implementations, and of nobody sane. It
// sits on bob's place of the network; alice is a real node.
#pragma once

#include "drbdd/engine/rules/state.h"
#include "tests/sim/encoded.h"
#include "tests/sim/host.h"
#include "tests/sim/sim_net.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sim {

class RoguePeer : public SocketUser {
public:
    RoguePeer(World& world, SimNet& net) : world_(world), net_(net) {}

    // What it tells of itself in the handshake.
    std::uint32_t features = proto::kFeatureTrim | proto::kFeatureThinResync |
                             proto::kFeatureWsame | proto::kFeatureWzeroes;
    std::uint32_t protocol = 3;
    proto::Sizes sizes;
    proto::Uuids uuids;
    bool has_uuids = true;    // a node without a disk sends none
    bool tells_state = true;  // with it the handshake ends
    engine::VolumeState state;

    void be_diskless_primary();
    void start();  // listens

    // Whatever else it is to do with what arrives.
    std::function<void(const engine::Packet&)> answer = [](const engine::Packet&) {};

    // Both sockets are there and our parameters have been sent.
    bool connected() const { return connected_; }

    std::uint64_t received(proto::Command command) const;

    // The last one of its kind.
    const std::vector<std::uint8_t>& last_body(proto::Command command) const;

    // --- Talking; nothing happens while it is not connected ---
    template <typename P>
    void send(proto::Command command, const P& packet, io::Slice payload = {}) {
        send_body(data_, command, encoded(packet), std::move(payload));
    }

    void send_state();

    void send_sizes() { send(proto::Command::Sizes, sizes); }

    void send_data(proto::Command command, std::vector<std::uint8_t> body, io::Slice payload = {}) {
        send_body(data_, command, std::move(body), std::move(payload));
    }

    // From now on nothing that she says is read: it stays in the network, and then with her.
    void stop_reading();

    void send_meta(proto::Command command, std::vector<std::uint8_t> body) {
        send_body(meta_, command, std::move(body), {});
    }

    // --- SocketUser ---
    void on_socket_event(engine::Event event) override;

    io::BufferPool& socket_pool() override { return pool_; }

private:
    void on_packet(engine::SocketId socket, const engine::Packet& packet);
    void agree();  // to whatever she wants to change
    void shake_hands();
    void send_body(std::optional<engine::SocketId> socket,
                   proto::Command command,
                   std::vector<std::uint8_t> body,
                   io::Slice payload);

    World& world_;
    SimNet& net_;
    SimPool pool_;
    std::optional<engine::SocketId> data_;
    std::optional<engine::SocketId> meta_;
    bool connected_ = false;
    std::map<std::uint16_t, std::vector<std::uint8_t>> last_;
    std::map<std::uint16_t, std::uint64_t> counts_;
};

// Alice beside such a peer: her disks, her process, and an application that counts its answers.
class RogueCluster : private HostObserver {
public:
    struct Options {
        std::uint64_t seed = 1;
        io::DiskGeometry geometry;
        engine::DiskSettings disk;
        engine::ReplicationProtocol protocol = engine::ReplicationProtocol::C;
        std::size_t volumes = 1;
        std::uint64_t agreed_sectors = 0;  // the size in use; 0: all that the disk has room for
        std::uint32_t flags_lacking = 0;   // meta::MdFlag: of her data, which are UpToDate else
    };

    explicit RogueCluster(const Options& options);
    ~RogueCluster() override;

    // The disks are UpToDate (or worse: flags_lacking) with kGeneration, attached; then she
    // connects.
    void start() {
        prepare();
        boot();
    }

    void prepare();
    void boot();

    void admin(engine::AdminCommand command);
    void write(std::uint64_t sector, std::uint64_t sectors);
    void request(engine::AppRequest::Op op, std::uint64_t sector, std::uint64_t bytes);

    std::uint64_t open_requests() const { return open_requests_; }

    // To the attach, and to the latest command.
    const engine::AdminDone& first_answer() const { return answers_.front(); }

    const engine::AdminDone& last_answer() const { return answers_.back(); }

    void run_for(io::Duration duration);
    bool run_until(const std::function<bool()>& condition, io::Duration limit);

    engine::VolumeStatus status(std::size_t volume = 0) {
        return alice.status().volumes.at(volume);
    }

    static constexpr std::uint64_t kGeneration = 0x5eed5eed5eed5e00ull;

    World world;
    SimNet net;
    Host alice;
    RoguePeer peer;

private:
    void on_app_done(Node node, const engine::CompleteApp& done) override;

    void on_admin_done(Node, const engine::AdminDone& done) override { answers_.push_back(done); }

    void on_admin_still_running(Node, const engine::AdminStillRunning&) override {}

    // All of them agree, a moment later.
    void on_handler(Node node, const engine::RunHandler& handler) override;

    void on_step_done(Node) override {}

    void on_process_gone(Node) override {}

    engine::ResourceSettings settings_;
    std::uint64_t agreed_sectors_;
    std::uint32_t flags_lacking_;
    std::uint64_t next_id_ = 1;
    std::uint64_t open_requests_ = 0;
    std::vector<engine::AdminDone> answers_;
};

}  // namespace sim
