// The failover daemon as a process on a machine: an engine, and the runtime's work done by the
// simulator. It may be killed, stopped for a while, and started again.
#pragma once

#include "config/ha/authkeys.h"
#include "heartbeat/engine/engine.h"
#include "tests/hbsim/machine.h"
#include "tests/hbsim/network.h"

#include <algorithm>
#include <memory>
#include <optional>

namespace hbsim {

// The device that cuts the power of a node.
struct FenceDevice {
    bool works = true;
    Time delay_min{200};
    Time delay_max{1500};
    std::function<void(Node target)> cut_power;
};

class Daemon {
public:
    struct Environment {
        World& world;
        Network& network;
        Machine& machine;
        Machine::Storages& storages;
        FenceDevice& fence;
        std::function<void(Node)> reboot;  // the engine or the watchdog resets the machine
    };

    Daemon(Environment environment, hb::Settings settings, config::Authkeys keys);

    bool running() const { return engine_.has_value(); }

    void start(hb::Hold restart_hold = hb::Hold::none);
    void kill();  // SIGKILL, or the power went; the resources stay as they are

    // It does not run for so long; what comes in waits.
    void stall(Time duration);

    void jump_clock(std::int64_t seconds) { clock_offset_ += seconds; }

    void receive(const std::string& medium, const std::string& bytes);
    void deliver(hb::Event::What what);  // now, or at the end of a stall
    hb::CommandId command(hb::Command::Verb verb, const std::string& arg = {});
    // haresources and ha_policy.cf were read anew, and hold in later lives, too.
    void reload(const config::Haresources& resources, const config::HaPolicy& policy);
    // ha.cf says something else: it holds after a restart, which is asked for.
    void reload_deadtime(Time deadtime);

    void reload_keys(int send_index) { keys_.send_index = send_index; }

    std::optional<hb::CommandDone> result(hb::CommandId id) const;

    hb::Snapshot status() const { return engine_->status(); }

    const hb::Settings& settings() const { return settings_; }

    std::uint64_t restarts() const { return restarts_; }

    std::uint64_t refused() const { return refused_; }

    std::uint64_t fencings() const { return fencings_; }

    std::uint64_t announcements() const { return announcements_; }

    bool alarmed(hb::AlarmKind kind) const { return std::ranges::count(alarms_, kind) > 0; }

    // The number of decisions whose text contains `words`.
    std::size_t decided(std::string_view words) const;

    // A group could not be started here: its agent, or the storage, refused.
    bool gave_up() const { return gave_up_; }

    const std::vector<int>& outdate_answers() const { return outdate_answers_; }

    bool stands_still() const { return env_.world.now() < stalled_until_; }

    // It stands still, and has not read yet that files have changed.
    bool has_unread_files() const {
        return std::any_of(waiting_.begin(), waiting_.end(), [](const hb::Event::What& what) {
            return std::holds_alternative<hb::SettingsChanged>(what);
        });
    }

    // An isolated node: it resets itself at a moment that it must not miss.
    bool has_stops_to_end() const { return engine_ && engine_->vitals().stops_until.has_value(); }

    // Commands of this life that wait for their answer.
    std::size_t unanswered() const { return running() && !stands_still() ? unanswered_.size() : 0; }

    bool exited() const { return exited_; }  // it was told to stop, and has

    // Hears what the fence-peer handler of the request with this number exits with.
    std::function<void(std::uint64_t id, int exit_code)> on_outdate_answer = [](auto, auto) {};
    // The power fails after so many more effects; negative: not.
    int effects_until_power_cut = -1;
    bool watchdog = false;
    bool watchful = false;           // checks what it says against what runs, and counts its alarms
    bool without_additions = false;  // neither says nor hears what the original does not know
    // It announces so much more than its deadtime, as before a restart.
    Time deadtime_announced_more{0};

private:
    void step(hb::Event::What what);
    void execute(const std::vector<hb::Effect>& effects);
    void schedule_tick();
    void end();
    void keep_life();
    void inherit_life(hb::Start& start) const;
    void keep_heard(bool with_number);
    void check_message(const hb::wire::Message& message);
    void check_truth(const hb::wire::Message& message);
    void check_alarms();
    void check_nothing_left_behind();
    std::int64_t wall_seconds() const;
    // Runs `what` later, unless this incarnation is gone by then.
    void later(Time delay, std::function<void()> what);
    void run_probe(std::size_t monitor, std::uint64_t number);

    void perform(const hb::Send& effect);
    void perform(const hb::SendPing& effect);
    void perform(const hb::RunAgent& effect);
    void perform(const hb::KillAgent& effect);
    void perform(const hb::Fence& effect);

    void perform(const hb::CancelFence& /*effect*/) {}  // the device ends its work

    void perform(const hb::SuspectPartner& /*effect*/) {
    }  // the model of the storage knows who lives

    void perform(const hb::CutReplication& effect);
    void perform(const hb::RunOutdate& effect);
    void perform(const hb::OutdateAnswer& effect);
    void perform(const hb::Alarm& effect);
    void perform(const hb::Announce& effect);
    void perform(const hb::StartProbe& effect);
    void perform(const hb::StopProbe& effect);
    void perform(const hb::StartClient& effect);
    void perform(const hb::StopClients& effect);
    void perform(const hb::TickleWatchdog& effect);
    void perform(const hb::CloseWatchdog& effect);
    void perform(const hb::Log& effect);
    void perform(const hb::Decision& effect);
    void perform(const hb::CommandDone& effect);
    void perform(const hb::RunRcScript& effect);
    void perform(const hb::Restart& effect);
    void perform(const hb::Exit& effect);
    void perform(const hb::Reboot& effect);

    Environment env_;
    hb::Settings settings_;
    config::Authkeys keys_;
    std::optional<hb::Engine> engine_;
    std::uint64_t incarnation_ = 0;
    std::optional<World::EventId> tick_;
    std::optional<World::EventId> watchdog_;
    Time stalled_until_{0};
    std::vector<hb::Event::What> waiting_;  // for the end of a stall
    std::int64_t clock_offset_ = 0;
    std::map<std::size_t, std::uint64_t> probes_;  // monitor: the number of the run that counts
    std::uint64_t probe_number_ = 0;
    hb::CommandId last_command_ = 0;
    std::map<hb::CommandId, hb::CommandDone> results_;
    std::set<hb::CommandId> unanswered_;
    std::deque<Time> alarmed_at_;
    std::vector<hb::AlarmKind> alarms_;
    std::vector<std::string> decisions_;
    std::vector<int> outdate_answers_;
    std::uint64_t last_seq_ = 0;
    Time hold_until_{};
    std::uint64_t announcements_ = 0;
    std::uint64_t restarts_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t fencings_ = 0;
    bool exited_ = false;
    bool gave_up_ = false;
};

}  // namespace hbsim
