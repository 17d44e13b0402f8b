// A whole two-node cluster in one thread, all from one seed, with an application that knows what it
// has written and an administrator who insists on answers. The oracles watch every step; a test
// ends with EXPECT_EQ(cluster.violation(), "").
#pragma once

#include "drbdd/engine/engine.h"
#include "tests/sim/app_model.h"
#include "tests/sim/host.h"
#include "tests/sim/oracles.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/world.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sim {

using Protocol = engine::ReplicationProtocol;

struct ClusterOptions {
    std::uint64_t seed = 1;
    Protocol protocol = Protocol::C;
    std::size_t volumes = 1;
    std::uint64_t device_bytes = 8u << 20;
    engine::NetSettings net;  // `protocol` above has the last word
    engine::DiskSettings disk;
    engine::Fencing fencing = engine::Fencing::DontCare;
    LinkOptions link;
    DiskLatency latency;
    bool can_discard = true;
    std::uint64_t bobs_device_bytes = 0;  // 0: as Alice's
    std::uint32_t block_bytes = 512;      // sectors of the disks
    std::uint32_t bobs_block_bytes = 0;   // 0: as Alice's
    std::uint32_t al_stripes = 1;
    // Whose metadata is on a device of its own.
    std::array<bool, 2> external_metadata{};
};

struct AdminResult {
    bool answered = false;
    bool still_running = false;  // that was the answer; the end is still to come
    int code = 0;
    std::string text;

    bool ok() const { return answered && !still_running && code == 0; }
};

using RequestNumber = std::uint64_t;

class Cluster : private HostObserver {
public:
    explicit Cluster(ClusterOptions options);
    ~Cluster() override;

    // --- Setting up ---
    // Disks as after create-md; both processes run, disks attached, nobody connects yet.
    void start_fresh();
    // Both nodes connected and UpToDate, with identical (empty) disks.
    void start_in_sync();
    // create-md on one node's volume.
    void replace_disk(Node node, std::size_t volume = 0);

    // --- The administrator ---
    AdminResult admin(Node node, engine::AdminCommand command);
    // Without waiting; the answer is checked against the limit and kept.
    engine::AdminId admin_begin(Node node, engine::AdminCommand command);
    AdminResult answer(engine::AdminId id) const;

    AdminResult promote(Node node, bool force = false) {
        return admin(node, engine::Promote{force});
    }

    AdminResult demote(Node node) { return admin(node, engine::Demote{}); }

    AdminResult connect(Node node, bool discard_my_data = false) {
        return admin(node, engine::ConnectCommand{discard_my_data});
    }

    AdminResult disconnect(Node node, bool force = false) {
        return admin(node, engine::Disconnect{force});
    }

    // Adds the volume first if it was removed.
    AdminResult attach(Node node, std::size_t volume = 0);
    AdminResult add_volume(Node node, std::size_t volume);
    AdminResult remove_volume(Node node, std::size_t volume);
    AdminResult detach(Node node, std::size_t volume = 0, bool force = false);
    AdminResult invalidate(Node node, std::size_t volume = 0);
    AdminResult invalidate_remote(Node node, std::size_t volume = 0);

    // Another volume's resync comes first.
    void resync_turn(Node node, bool waits, std::size_t volume = 0) {
        const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
        host(node).step(engine::ResyncTurn{number, waits});
    }

    AdminResult pause_sync(Node node, bool paused, std::size_t volume = 0) {
        const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
        return admin(node, engine::PauseSync{number, paused});
    }

    // From its answer on nothing is told to applications until it is taken back, or the process
    // ends.
    // By so many bytes, as their owner does it.
    void grow_disk(Node node, std::uint64_t bytes, std::size_t volume = 0);
    // Of a disk that is not attached, where they are still at the old end: as drbdadm before an
    // attach.
    void move_metadata_to_end(Node node, std::size_t volume = 0);
    AdminResult resize(Node node, std::size_t volume = 0);
    AdminResult suspend_io(Node node, bool suspended, std::size_t volume = 0);

    AdminResult verify(Node node,
                       std::optional<std::uint64_t> start = {},
                       std::size_t volume = 0,
                       bool repair = false) {
        const engine::VolumeNumber number{static_cast<std::uint16_t>(volume)};
        return admin(node, engine::StartVerify{number, start, {}, repair});
    }

    AdminResult down(Node node) { return admin(node, engine::Down{}); }

    // Both at once.
    void connect_both();

    // A new process on the node: attach all volumes, then connect.
    void start(Node node, bool connect = true);

    // --- The application ---
    struct Io {
        std::size_t volume = 0;
        bool fua = false;
    };

    RequestNumber write(Node node, std::uint64_t sector, std::uint64_t sectors, Io io);
    RequestNumber read(Node node, std::uint64_t sector, std::uint64_t sectors, Io io);
    RequestNumber discard(Node node, std::uint64_t sector, std::uint64_t sectors, Io io);
    RequestNumber write_zeroes(Node node, std::uint64_t sector, std::uint64_t sectors, Io io);
    RequestNumber flush(Node node, Io io);

    RequestNumber write(Node node, std::uint64_t sector, std::uint64_t sectors) {
        return write(node, sector, sectors, Io{});
    }

    RequestNumber read(Node node, std::uint64_t sector, std::uint64_t sectors) {
        return read(node, sector, sectors, Io{});
    }

    RequestNumber discard(Node node, std::uint64_t sector, std::uint64_t sectors) {
        return discard(node, sector, sectors, Io{});
    }

    RequestNumber write_zeroes(Node node, std::uint64_t sector, std::uint64_t sectors) {
        return write_zeroes(node, sector, sectors, Io{});
    }

    RequestNumber flush(Node node) { return flush(node, Io{}); }

    // Issued over the next `spread`, whenever the node is then Primary; sizes, overlaps, reads and
    // discards at random.
    void random_writes(Node node, std::size_t count, io::Duration spread);
    void random_writes(Node node, std::size_t count);
    void random_io(Node node, std::size_t count, io::Duration spread);

    // The application has gone: what it had not asked for yet will not come.
    void stop_load() { ++load_; }

    // The answer to a request: nothing while it is open.
    std::optional<int> result(RequestNumber request) const;

    bool finished(RequestNumber request) const { return result(request).has_value(); }

    std::size_t open_requests() const { return open_.size(); }

    std::uint64_t failed_requests() const { return failed_requests_; }

    // Runs until every request, also of the load under way, has been made and answered.
    bool drain(io::Duration limit = std::chrono::seconds(60));

    // --- Faults ---
    void power_cut(Node node, PowerCut cut = {});

    void kill(Node node) { host(node).kill(); }

    void freeze(Node node) { host(node).freeze(); }

    void thaw(Node node);

    void cut_link();

    void cut_link(Node from) { net_.set_delivers(from, false); }

    void heal_link();

    SimDisk& disk(Node node, std::size_t volume = 0) { return *host(node).volume(volume).disk; }

    SimNet& net() { return net_; }

    // The block of 4 KiB is another one from now on, and nobody hears of it.
    void spoil(Node node, std::uint64_t block, std::size_t volume = 0);

    // --- Fencing: the handler outdates the peer over another network ---
    bool fence_network = true;
    io::Duration fence_time = std::chrono::milliseconds(30);
    std::optional<int> fence_exit_code;  // whatever it finds

    // --- The handler before-resync-target: how long it runs, and its exit code (none: it never
    // ends) ---
    io::Duration before_resync_time{};
    std::function<std::optional<int>(Node, engine::VolumeNumber)> before_resync_exit_code;

    std::size_t handlers_run(const std::string& handler) const {
        const auto found = handlers_.find(handler);
        return found == handlers_.end() ? 0 : found->second;
    }

    // --- Time ---
    void run_for(io::Duration duration);
    bool run_until(const std::function<bool()>& condition, io::Duration limit);
    bool run_until_in_sync(io::Duration limit = std::chrono::seconds(60));

    io::Instant now() const { return world_.now(); }

    // --- Looking ---
    engine::VolumeStatus status(Node node, std::size_t volume = 0);

    engine::ConnState conn(Node node, std::size_t volume = 0) {
        return status(node, volume).state.conn;
    }

    engine::DiskState disk_state(Node node, std::size_t volume = 0) {
        return status(node, volume).state.disk;
    }

    bool in_sync() const;
    bool disks_identical() const;
    // Sectors that do not show on this node's disk what they must.
    std::vector<std::uint64_t> lost_acked_writes(Node node, std::size_t volume = 0);
    // Heals everything, connects, and checks that both end up with the same, right data.
    void check_convergence(io::Duration limit = std::chrono::seconds(120));

    Host& host(Node node) { return *hosts_[index(node)]; }

    const Host& host(Node node) const { return *hosts_[index(node)]; }

    Oracles& oracles() { return *oracles_; }

    World& world() { return world_; }

    const std::string& violation() const { return world_.violation(); }

    std::string replay_hint() const;
    engine::ResourceSettings settings;  // for the next start of a process
    std::array<std::optional<engine::ResourceSettings>, 2> own_settings;  // of one node, instead

    // Longest time that requests and commands may take.
    io::Duration request_limit = std::chrono::seconds(90);
    io::Duration admin_limit = std::chrono::seconds(3);

private:
    struct OpenRequest {
        Node node = Node::Alice;
        std::size_t volume = 0;
        engine::AppRequest::Op op = engine::AppRequest::Op::Read;
        bool fua = false;
        io::Instant issued{};
        io::Instant waits_since{};  // or the last moment at which a command held it back
        std::uint64_t flush_mark = 0;
        std::shared_ptr<Lineage> lineage;  // that it was made on
    };

    struct Suspension {
        Node node = Node::Alice;
        std::size_t volume = 0;
        std::uint64_t incarnation = 0;

        bool operator==(const Suspension&) const = default;
    };

    struct OpenAdmin {
        Node node = Node::Alice;
        io::Instant issued{};
        engine::AdminCommand command;
        bool answered = false;  // with "still running"
    };

    bool suspended(Node node, std::size_t volume);
    bool must_wait(Node node, std::size_t volume) const;
    void note_frozen(Node node);
    void check_suspension(Node node, const OpenRequest& request, int error);
    engine::ResourceSettings make_settings() const;
    RequestNumber issue(
        Node node, engine::AppRequest::Op op, std::uint64_t sector, std::uint64_t sectors, Io io);
    void random_request(Node node, bool only_writes);
    void schedule_load(Node node, std::size_t count, io::Duration spread, bool only_writes);
    bool step_until(io::Instant limit);
    void check_patience();
    void prepare_disks(std::uint64_t current_uuid);
    std::uint64_t block_sectors() const;
    std::optional<Stamp> peek(Node node, std::size_t volume, std::uint64_t sector) const;
    bool is_split(Node node, std::size_t volume, const engine::VolumeStatus& status) const;
    void check_lone_primary(Node node);
    void check_refusal(Node node, const OpenAdmin& command, int code);
    void check_failure(Node node, const OpenRequest& request, int error);
    void note_promotion(Node node);
    void on_write_acked(Node node, RequestNumber id, const OpenRequest& request);

    // --- HostObserver ---
    void on_app_done(Node node, const engine::CompleteApp& done) override;
    void on_admin_done(Node node, const engine::AdminDone& done) override;
    void on_admin_still_running(Node node, const engine::AdminStillRunning& answer) override;
    template <typename Command>
    bool asked_for(Node node, const std::function<bool(const Command&)>& fits) const;
    void check_that_it_was_asked_for(Node node);
    void on_handler(Node node, const engine::RunHandler& handler) override;
    void fence_peer_of(Node node, std::uint64_t incarnation);
    void handler_done(Node node, std::uint64_t incarnation, int exit_code);
    void before_resync(Node node, const engine::RunHandler& handler);
    void on_step_done(Node node) override;
    void on_process_gone(Node node) override;

    ClusterOptions options_;
    World world_;
    SimNet net_;
    std::array<std::unique_ptr<Host>, 2> hosts_;
    std::unique_ptr<Oracles> oracles_;
    std::uint64_t next_id_ = 1;
    Stamp next_stamp_ = 1;
    std::size_t scheduled_ = 0;  // requests of the random load that are still to come
    std::uint64_t load_ = 0;     // that goes on
    std::map<RequestNumber, OpenRequest> open_;
    std::map<RequestNumber, int> results_;
    std::map<std::string, std::size_t> handlers_;  // how often
    std::vector<Suspension> suspensions_;
    std::vector<Suspension> resumed_;                   // by a person, whatever it waited for
    std::vector<Suspension> resuming_;                  // not answered yet
    std::array<std::set<std::size_t>, 2> must_freeze_;  // after the last step
    std::uint64_t failed_requests_ = 0;
    std::map<std::uint64_t, OpenAdmin> open_admin_;
    std::map<std::uint64_t, AdminResult> answers_;
    std::array<bool, 2> was_primary_{};
    std::array<std::set<std::size_t>, 2> had_disk_;
    std::array<std::vector<engine::AdminCommand>, 2> just_done_;  // in this step
    std::array<bool, 2> receiving_{};                             // connected to a Primary
    io::Instant next_patience_check_{};
};

}  // namespace sim
