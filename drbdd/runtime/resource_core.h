// One resource on its thread: the engine, and the hands that do what it says. Effects become system
// calls, what happens becomes events; nothing here decides anything about replication.
//
// Everything happens on the thread that runs the io_context, apart from what the worker does.
#pragma once

#include "config/settings.h"
#include "drbdd/engine/engine.h"
#include "drbdd/runtime/buffer_pool.h"
#include "drbdd/runtime/event_sink.h"
#include "drbdd/runtime/frontends.h"
#include "drbdd/runtime/handler_runner.h"
#include "drbdd/runtime/resource_snapshot.h"
#include "drbdd/runtime/ring.h"
#include "drbdd/runtime/tcp_transport.h"
#include "drbdd/runtime/volume_unit.h"
#include "drbdd/runtime/worker.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace runtime {

struct AdminReply {
    int code = 0;  // 0, a negative StateCode or a positive ERR_* number
    std::string text;
    bool still_running = false;  // it takes longer than somebody waits: it goes on to its end
};

// On the resource's thread, exactly once; never while the resource hangs.
using AdminCallback = std::function<void(AdminReply)>;

// A handler was started, or ended (then with its wait status).
struct HandlerEvent {
    std::string resource;
    engine::VolumeNumber volume;
    std::string name;
    std::optional<int> status;
};

// What a resource needs of the rest of the daemon; outlives it. The two functions are called on
// the resource's or the handler runner's thread, and return at once.
struct Surroundings {
    base::LogSink& log;
    HandlerRunner& handlers;
    io::Challenges& challenges;
    FrontendFactory frontends;
    std::function<void(SnapshotPtr)> published;
    std::function<void(const HandlerEvent&)> handler_event;
    bool any_peer_address = false;  // drbdd.conf
};

class ResourceCore : public EventSink {
public:
    // All references outlive the core.
    ResourceCore(boost::asio::io_context& context,
                 OperationRing& ring,
                 RingBufferPool& pool,
                 Worker& worker,
                 const config::ResourceSettings& settings,
                 const Surroundings& surroundings,
                 PublishedSnapshot& snapshot);
    ~ResourceCore() override;

    // Starts the exports; fails with the first that cannot.
    base::Result<void> start();

    // A turn is under way, or has been left in the middle.
    bool in_turn() const { return in_turn_; }

    // Opens and claims the backing disk, then tells the engine. With the settings of this volume in
    // `wanted`, if there are any; what is refused changes nothing.
    void attach(engine::VolumeNumber volume,
                const std::optional<config::ResourceSettings>& wanted,
                AdminCallback done);
    // Only while StandAlone (102); with the addresses and the settings of the connection in
    // `wanted`.
    void connect(bool discard_my_data,
                 const std::optional<config::ResourceSettings>& wanted,
                 AdminCallback done);
    // What may change at any time: not addresses, backing disks and what was agreed with the peer.
    void change_options(const config::ResourceSettings& wanted, AdminCallback done);
    // Refused while a volume is used by somebody, with the names.
    void demote(AdminCallback done);
    // Refused, and the role as it was before, if the device nodes can't be made.
    void promote(engine::Promote how, AdminCallback done);
    // A volume without a disk, Secondary; `done` with 161 if there is one of this number.
    void add_volume(const config::VolumeSettings& volume, AdminCallback done);
    // Refused (160) while it has a disk or is Primary, with the names (-12) while somebody uses it.
    void remove_volume(engine::VolumeNumber volume, AdminCallback done);
    // Any other command, straight to the engine.
    void command(engine::AdminCommand command, AdminCallback done);
    // `told` hears of its end, and before that, if it takes long, that it is still running.
    void command_to_its_end(engine::AdminCommand command, AdminCallback told);

    // Brings the published snapshot up to date.
    void publish();

    // After a Down: stops the exports, then calls `stopped`.
    void stop(std::function<void()> stopped);

    // The kernel may still work on a disk that was detached by force, or open or close one: until
    // it has ended, this must not be destroyed.
    bool disks_free() const;
    // After stop(): calls `free` when they are.
    void when_disks_free(std::function<void()> free);

    // For the parts of this resource.
    void on_event(engine::Event event) override;

private:
    class Deed;

    // For what ends on another thread, possibly after the resource is gone.
    class Mailbox {
    public:
        explicit Mailbox(ResourceCore& core) : core_(&core) {}

        void post(engine::HandlerDone done);
        void close();

    private:
        std::mutex mutex_;
        ResourceCore* core_;
    };

    void schedule_pump();
    void pump();
    void execute(engine::Effect& effect);
    void arm_timer();
    void arm_trim();

    void perform(engine::SubmitDisk& effect);
    void perform(engine::CloseDisk& effect);
    void perform(engine::CompleteApp& effect);
    void perform(engine::AbandonDisk& effect);
    void perform(engine::MeasureDisk& effect);
    void perform(engine::AdminDone& effect);
    void perform(engine::AdminStillRunning& effect);
    void perform(engine::RunHandler& effect);
    void perform(engine::SettingsAdopted& effect);
    void perform(engine::VolumeChanged& effect);
    void perform(engine::StatusChanged& effect);

    void on_opened(engine::VolumeNumber volume, OpenedDisks opened, const AdminCallback& once);
    void give_up_opening(engine::VolumeNumber volume);
    void answer_in_time(VolumeUnit& unit, const AdminCallback& once);
    std::unique_ptr<BackingDisk> make_disk(VolumeUnit& unit, BackingDevice device);
    void close_device(VolumeUnit& unit, std::shared_ptr<void> device, std::function<void()> then);
    void map_allocation(engine::VolumeNumber volume,
                        std::uint64_t offset,
                        std::uint64_t length,
                        std::size_t most,
                        io::AllocationTold told);
    void forget_completions_of(engine::VolumeNumber volume);
    void on_disk_closed();
    void on_abandoned_idle(VolumeUnit& unit, BackingDisk* disk);
    bool works_for_the_one_before(const std::string& path) const;
    void look_whether_free();
    AdminCallback answered_once(AdminCallback done);
    void answer(AdminCallback done, AdminReply reply);

    void on_worker(Worker& worker, std::function<void()> job, std::function<void()> then);
    void on_worker(std::function<void()> job, std::function<void()> then);
    void attach_nodes(std::function<void(std::string trouble)> then);
    void release_volumes(std::function<void(std::string who)> then);
    void vacate_nodes(std::function<void()> then);
    void wait_for_users(int turns, std::function<void(std::string who)> then);
    void follow_role();
    void end_demotion(const AdminReply& reply);
    void take_back_promotion(const std::string& trouble, AdminCallback done);
    std::string users_text() const;
    void forbid_open(bool forbid);
    // Answers with 162 if not.
    bool fits_our_volumes(const config::ResourceSettings& wanted, const AdminCallback& done) const;
    VolumeUnit make_unit(const config::VolumeSettings& volume);
    void drop_unit(engine::VolumeNumber volume, std::function<void()> then);
    void take_away(engine::VolumeNumber volume, const AdminCallback& done);
    void put_in_force(config::ResourceSettings settings);

    VolumeUnit& unit(engine::VolumeNumber volume);
    TcpSettings transport_settings() const;

    boost::asio::io_context& context_;
    OperationRing& ring_;
    Worker& worker_;
    const Surroundings& surroundings_;
    PublishedSnapshot& snapshot_;
    std::shared_ptr<const config::ResourceSettings> settings_;  // in force; never null
    RingBufferPool& pool_;
    RequestIds request_ids_;
    std::map<engine::VolumeNumber, VolumeUnit> units_;
    TcpTransport transport_;
    engine::Engine engine_;

    std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(*this);
    std::vector<engine::Event> events_;  // for the next turn
    std::vector<engine::Event> batch_;   // of the turn under way
    engine::Effects effects_;
    bool pump_scheduled_ = false;
    bool in_turn_ = false;
    boost::asio::steady_timer tick_;
    io::Instant tick_armed_ = io::kNever;
    boost::asio::steady_timer trim_;
    bool trim_armed_ = false;
    boost::asio::steady_timer users_timer_;

    std::uint64_t last_admin_ = 0;
    std::map<std::uint64_t, AdminCallback> admin_;
    unsigned disks_closing_ = 0;  // closed for the engine, not yet free for others
    std::vector<std::function<void()>> after_closing_;
    unsigned disk_jobs_ = 0;                               // with the volumes' disk workers
    std::vector<std::unique_ptr<BackingDisk>> abandoned_;  // the kernel still works on them
    bool stopping_ = false;
    std::function<void()> when_free_;
    bool status_changed_ = false;
    bool nodes_wanted_ = false;
    std::vector<AdminCallback> demotions_;  // who waits for the one that is under way
};

}  // namespace runtime
