// One node: a machine with disks that survive, and a process with an engine that does not. Turns
// the engine's effects into deeds of the simulated world and deeds into events, as the runtime
// does for the real one. A crash can strike between any two effects of one step.
#pragma once

#include "drbdd/engine/engine.h"
#include "drbdd/engine/peer/recent_challenges.h"
#include "meta/geometry.h"
#include "tests/sim/kernel_traps.h"
#include "tests/sim/promises.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_pool.h"
#include "tests/sim/world.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim {

// As unforeseeable as a run that can be repeated allows: of no generator that decides anything
// else.
class SimChallenges : public io::Challenges {
public:
    explicit SimChallenges(std::uint64_t seed) : prng_(seed) {}

    io::Challenge issue() override;

    bool issued(base::ConstBytes challenge) const override { return recent_.has(challenge); }

private:
    base::Prng prng_;
    engine::RecentChallenges recent_;
};

// Told after the engine has said so; the cluster checks and models.
class HostObserver {
public:
    virtual ~HostObserver() = default;
    virtual void on_app_done(Node node, const engine::CompleteApp& done) = 0;
    virtual void on_admin_done(Node node, const engine::AdminDone& done) = 0;
    virtual void on_admin_still_running(Node node, const engine::AdminStillRunning& answer) = 0;
    virtual void on_handler(Node node, const engine::RunHandler& handler) = 0;
    virtual void on_step_done(Node node) = 0;
    virtual void on_process_gone(Node node) = 0;
};

class Host : public SocketUser, public base::LogSink {
public:
    struct Volume {
        std::unique_ptr<SimDisk> disk;
        meta::Layout layout;
        std::uint32_t al_stripes = 1;
        // Of a disk that has grown: where internal metadata were, and where they are to be. What is
        // in force, and `layout`, is what somebody would find who looked now.
        std::optional<meta::Layout> old_layout;
        std::optional<meta::Layout> new_layout;
        bool has_grown = false;
        bool attached = false;  // between Attach and CloseDisk or AbandonDisk
        std::uint64_t openings = 0;
        std::size_t unheard_answers = 0;  // that wait for a process that stands still
    };

    Host(World& world, SimNet& net, HostObserver& observer, Node node);
    ~Host() override;

    // The disks, before the first start.
    void add_volume(io::DiskGeometry geometry, std::uint32_t al_stripes = 1);

    // Like one that was enlarged by its owner; the engine is not told.
    void grow_disk(std::size_t volume, std::uint64_t size_bytes);
    // Looks where the metadata of a disk are that has grown.
    void settle_layout(std::size_t volume);
    // It is about to be attached: what is left at an old place is nobody's any more.
    void forget_old_layout(std::size_t volume);

    // A new process: engine without disks and connections.
    void start(const engine::ResourceSettings& settings);
    void kill();
    void power_cut(const PowerCut& cut);
    // The process stands still: what happens to it waits until it goes on.
    void freeze();
    void thaw();

    bool frozen() const { return frozen_; }

    // The process dies after this many more effects were turned into deeds; `cut` with its power.
    void crash_after_effects(std::uint64_t effects, std::optional<PowerCut> cut);

    bool running() const { return engine_ != nullptr; }

    bool powered() const { return powered_; }

    bool crash_armed() const { return effects_until_crash_.has_value(); }

    void step(engine::Event event);
    void admin(engine::AdminId id, engine::AdminCommand command);

    // The process that runs now, to be compared later.
    std::uint64_t incarnation() const { return incarnation_; }

    engine::Engine& engine() { return *engine_; }

    // A volume that the resource does not have is told of as one without anything: its place is its
    // number.
    engine::ResourceStatus status() const;
    bool has_volume(std::size_t number) const;

    Volume& volume(std::size_t i) { return volumes_.at(i); }

    const Volume& volume(std::size_t i) const { return volumes_.at(i); }

    std::size_t volume_count() const { return volumes_.size(); }

    SimPool& pool() { return pool_; }

    Node node() const { return node_; }

    const std::vector<std::string>& log() const { return log_; }

    bool logged(std::string_view part) const;

    const std::vector<std::string>& handlers() const { return handlers_; }

    // On which it has sent its P_PROTOCOL the last time.
    engine::SocketId data_socket() const { return data_socket_; }

    // Its packets are held against what is on its disks. Not where the peer is no engine: what that
    // writes has no stamps.
    bool judged = true;
    bool fail_listen = false;  // the port is taken
    bool no_address = false;   // the local address is not there yet

    // Of the most expensive step so far.
    std::uint64_t most_work() const { return most_work_; }

    // Counts effects carried out, for placing crashes.
    std::uint64_t effects_done() const { return effects_done_; }

    // --- SocketUser, LogSink ---
    void on_socket_event(engine::Event event) override;

    io::BufferPool& socket_pool() override { return pool_; }

    void write(base::LogLevel level, std::string_view line) override;

private:
    class Doer;  // carries out one effect

    void trace_event(const engine::Event& event);
    void check_step();
    void watch(const engine::Event& event);
    void carry_out(engine::Effects& effects);
    bool crash_is_due();
    void process_gone();
    void schedule_tick();
    void open_disk(std::size_t volume);
    void hear_disk(std::size_t volume, std::uint64_t opening, io::IoId id, int error);
    void on_disk_done(std::size_t volume, io::IoId id, int error);
    static void finish_move(Volume& volume);
    std::optional<Promises::Side> side_of(std::size_t volume) const;

    World& world_;
    SimNet& net_;
    HostObserver& observer_;
    Node node_;
    SimPool pool_;
    std::optional<SimChallenges> challenges_;  // of the process
    std::vector<Volume> volumes_;
    std::unique_ptr<engine::Engine> engine_;
    std::uint64_t incarnation_ = 0;
    bool powered_ = false;
    bool stepping_ = false;
    bool frozen_ = false;
    std::deque<std::function<void()>> waiting_;  // while frozen
    std::optional<World::EventId> tick_;
    io::Instant tick_at_ = io::kNever;
    std::optional<std::uint64_t> effects_until_crash_;
    std::optional<PowerCut> crash_cut_;
    std::uint64_t effects_done_ = 0;
    std::uint64_t most_work_ = 0;
    io::Instant busy_since_{-1};
    std::uint64_t steps_at_once_ = 0;
    engine::ResourceSettings settings_;  // of the process when it started
    std::optional<Promises> promises_;   // of the process
    KernelTraps traps_;
    std::vector<std::string> log_;
    std::vector<std::string> handlers_;
    engine::SocketId data_socket_;
};

}  // namespace sim
