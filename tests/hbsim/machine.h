// A computer: what its agents have started, its storage, its power. The resources go on when the
// daemon dies; all ends when the power does.
#pragma once

#include "heartbeat/engine/effects.h"
#include "heartbeat/engine/status.h"
#include "tests/hbsim/storage.h"

#include <memory>
#include <optional>
#include <set>

namespace hbsim {

// What is wrong with the agents of a machine, per script; none of it outlives heal().
struct Ailment {
    double start_fails = 0;
    double stop_fails = 0;
    bool hangs = false;    // never ends by itself
    bool garbage = false;  // status prints what nobody understands
    bool missing = false;
    bool stop_complains = false;  // stops, and says that it could not
    bool unkillable = false;      // SIGKILL does not end it: stuck in the kernel for a while
    Time duration_min{10};
    Time duration_max{120};
    // More than zero: what this operation takes instead.
    Time start_takes{0};
    Time stop_takes{0};
    Time status_takes{0};
};

// RUNDIR/heartbeat.life: in memory, so it is gone with the power.
struct LifeFile {
    hb::Hold hold = hb::Hold::none;
    Time hold_until{};  // no sooner can the partner have declared us dead
    hb::Vitals vitals;
};

class Machine {
public:
    using Storages = std::vector<std::unique_ptr<Storage>>;

    Machine(World& world, Node node, Storages& storages);

    Node node() const { return node_; }

    bool powered() const { return powered_; }

    void power_off();
    void power_on();

    // `done` is called once, unless the power fails or `cancel` comes first.
    using Done = std::function<void(hb::Event::What)>;
    void run_agent(const hb::RunAgent& effect, Done done);
    void kill_agent(hb::JobId job);
    // Their daemon has died: they go on, and the next one hears of them if it wants to.
    void orphan_agents();
    std::vector<hb::EarlierAgent> earlier_agents() const;
    void adopt_agents(const Done& done);
    // The daemon ends in order, and kills what it does not wait for; who cannot be killed goes on.
    void kill_all_agents();

    // A resource fails by itself.
    void kill_resource(const std::string& word) { running_.erase(word); }

    bool runs(const std::string& word) const { return running_.contains(word); }

    // An agent other than `status` is at work on it.
    bool works_on(const std::string& word) const;

    bool has_agents() const { return !jobs_.empty(); }

    // An agent here has said what is not true, or nothing, since the last healing but one.
    bool misled() const { return misled_; }

    void ail(const std::string& script, const Ailment& ailment);

    const std::set<std::string>& running() const { return running_; }

    std::map<std::string, Ailment>& ailments() { return ailments_; }

    std::uint64_t starts() const { return starts_; }

    // The words of the groups, so that the order of starts can be checked.
    void set_groups(const config::Haresources& resources) { resources_ = resources; }

    // On disk: survives everything.
    std::uint64_t generation = 1000;
    hb::Heard heard;  // hb_heard
    std::optional<LifeFile> life;
    // Called when something has started; the promises are checked then.
    std::function<void()> on_change = [] {};

private:
    struct Job {
        hb::RunAgent effect;
        Done done;
        World::EventId end;
        bool stuck = false;
    };

    void finish(hb::JobId job, bool timed_out);
    void abort(hb::JobId job, hb::AgentEnd end);
    void get_stuck(hb::JobId job);
    hb::AgentDone execute(const hb::RunAgent& effect);
    hb::AgentDone start(const config::ResourceWord& word);
    hb::AgentDone stop(const config::ResourceWord& word);
    hb::AgentDone status(const config::ResourceWord& word);
    void check_order(const config::ResourceWord& word);
    bool mounted_on(const config::ResourceWord& disk) const;
    Storage* storage_of(const config::ResourceWord& word);
    bool may_retry_promotion(const hb::RunAgent& effect);
    void schedule(hb::JobId job, Time duration);
    Time duration_of(const hb::RunAgent& effect);

    World& world_;
    Node node_;
    Storages& storages_;
    config::Haresources resources_;
    bool powered_ = true;
    std::set<std::string> running_;
    std::map<std::string, Ailment> ailments_;
    std::map<hb::JobId, Job> jobs_;
    std::map<hb::JobId, int> promotion_tries_;
    std::uint64_t starts_ = 0;
    bool misled_ = false;
};

}  // namespace hbsim
