// The resource manager: starts groups left to right, stops them right to left, one agent at a time,
// in the order in which it was asked. Heartbeat specification, sections 1.4 and 4.2 to 4.5.
#pragma once

#include "heartbeat/engine/effects.h"
#include "heartbeat/engine/group.h"
#include "heartbeat/engine/hold.h"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace hb {

struct Core;

// On whose behalf groups are taken or given; told back with the result.
enum class Purpose : std::uint8_t {
    look,        // what runs at our start?
    look_again,  // ... which an agent did not know then
    own,         // our own groups (req_our_resources)
    takeover,    // the dead node's (mach_down)
    standby_give,
    standby_take,
    take_back,  // what the partner did not take after all
    legacy_give,
    legacy_take,
    adopt,      // found running at our start
    retry,      // blocked before, or asked for by a person
    monitor,    // a probe failed
    conflict,   // the partner keeps them
    isolation,  // nobody can be reached
    shutdown,
};

struct BatchResult {
    Purpose purpose = Purpose::look;
    std::vector<std::size_t> groups;
    bool ok = true;  // all taken run, all given are stopped
};

class Groups {
public:
    explicit Groups(Core& core) : core_(core) {}

    void start();
    // These ran on while the daemon replaced itself; nothing else is believed of them.
    void inherit(const std::vector<std::size_t>& held);
    void on_time();
    Time next() const;
    void on_agent_done(const AgentDone& done);
    void on_agent_stuck(JobId job);

    const std::vector<Group>& all() const { return groups_; }

    std::vector<std::size_t> indexes(Hold which) const;
    std::optional<std::size_t> find(std::string_view key) const;

    // Each ends in one BatchResult, also if `groups` is empty (then at once); but nothing is taken
    // once the node gives everything up for good.
    void look();
    void take(Purpose purpose, std::vector<std::size_t> groups);
    void give(Purpose purpose, std::vector<std::size_t> groups);
    // Of all groups; where nothing runs, or may run, no agent is troubled: it would only take time.
    void give_what_runs(Purpose purpose);
    // Stops from the right down to resource `from`, then starts again.
    void restart(Purpose purpose, std::size_t group, std::size_t from);

    // What waits is dropped, what runs ends after the present agent: the node gives everything up.
    void abandon();
    void kill_agent();

    bool busy() const { return current_.has_value() || !queue_.empty(); }

    bool anything_up() const;  // a resource that runs, or may run
    // Groups of which something ran at our start, before anything else, and that are not settled.
    Hold found() const;

    void found_is_settled() { found_ = Hold::none; }

    // A person says that what is wrong has been repaired. True if anything was wrong. `alone`: the
    // partner is dead, and held nothing.
    bool clear_failures(std::string_view key, bool alone = false);
    void on_partner_stable();  // it may have more luck with what failed here

    // Nothing of the group runs here, as far as is known, and nobody is at work on it.
    bool idle(std::size_t index) const;
    // Of the groups that are not `held`: what is not idle all the same.
    Hold leaving(Hold held) const;
    // It is of the kind that is held, and has been stopped here for the partner: in legacy mode
    // each is given by itself. Until the last stop has ended the partner has no answer, and it is
    // ours.
    bool given_alone(const Group& group, Hold held) const;
    Hold wanted() const;           // with what has failed here, and will be tried again
    void drop(std::size_t index);  // idle, and somebody else's now: not tried again

    // haresources was read anew. Groups that stay as they are go on; the whole file is used as soon
    // as those that change are idle here, or at once.
    void replace(const config::Haresources& resources);
    // What belongs to our hold and does not run is started; `also_failed`: tried again.
    void start_what_is_held(bool also_failed);
    // What the new file waits for; empty: for nothing.
    std::string promised() const;

private:
    enum class Kind { look, take, give, restart };
    enum class Step { status, start, stop, stop_status, pause };

    struct Batch {
        BatchResult result;
        Kind kind = Kind::take;
        std::size_t from = 0;  // restart
        std::size_t next_group = 0;
        std::size_t resource = 0;
        Step step = Step::status;
        unsigned retries = 0;
        ResourceState was = ResourceState::stopped;  // of the resource that is being stopped
        std::vector<std::size_t> without_agent;      // resources of the group that is looked at
        bool giving = false;                         // going right to left
        bool giving_up = false;                      // ... because a start failed
        bool abandoned = false;
        bool silent = false;  // the same purpose's result has been told, or nobody waits
    };

    void enqueue(Batch batch);
    void run_next();
    void begin_group();
    void end_group();
    void run_agent(AgentOperation operation);
    void hold(AgentOperation operation, Time limit);
    void handle_done(const AgentDone& done);
    void on_straggler_gone(const EarlierAgent& gone);

    bool held() const { return held_.has_value(); }

    Group& group() { return groups_[current_->result.groups[current_->next_group]]; }

    const config::ResourceWord& word() { return group().config.words[current_->resource]; }

    void begin_taking();
    void begin_giving();
    void on_status(const AgentDone& done);
    void on_started(const AgentDone& done);
    void on_stopped(const AgentDone& done);
    void on_stop_status(const AgentDone& done);
    void tell_acquisition();
    void next_to_take();
    void end_look();
    void look_later();
    void look_again(std::size_t index);
    void next_to_give();
    void block(const AgentDone& done);
    void give_up(const AgentDone& done);
    void reboot(const std::string& why);
    void set_state(Group& changed, GroupState state);
    void try_again(std::size_t index);
    bool at_work(std::size_t index) const;
    bool gives_up(std::size_t index) const;  // its start has failed, and the rest is stopped
    // Given away, and wanted again, since the batch at work began.
    bool taken_again(std::size_t index) const;
    const Group* obstacle(const config::Haresources& resources) const;
    void use_promised();

    Core& core_;
    std::vector<Group> groups_;
    std::deque<Batch> queue_;
    std::optional<Batch> current_;
    JobId job_ = 0;                       // of the agent that runs; 0: none
    std::optional<AgentOperation> held_;  // it has to wait until an earlier agent has ended
    Timer held_limit_;
    Timer slow_;   // it has been at work for long
    Timer pause_;  // before a failed stop is tried again
    Hold found_ = Hold::none;
    std::vector<std::string> may_run_;  // keys of groups that an earlier life has left, as in Start
    std::optional<config::Haresources> promised_;  // read anew, and not yet used
};

}  // namespace hb
