#include "heartbeat/engine/groups.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>
#include <utility>

namespace hb {

namespace {

constexpr Time kRecheck{10'000};  // of a blocked group
constexpr Time kStopRetryAfter{1000};
constexpr unsigned kStopRetries = 10;
constexpr Time kAgainAfter{30'000};  // of a group that was given up; doubled by each failure
constexpr Time kAgainLongest{600'000};
constexpr Time kLookLimit{60'000};  // for a status at our start, unless configured
constexpr Time kSlow{60'000};       // an agent that takes longer is an alarm
constexpr std::size_t kOutputShown = 200;

std::string printable(const std::string& text) {
    std::string shown;
    for (const char c : text.substr(0, kOutputShown)) {
        shown += c >= ' ' && c <= '~' ? c : ' ';
    }
    while (!shown.empty() && shown.back() == ' ') {
        shown.pop_back();
    }
    return shown;
}

// How an agent's result reads in a log line.
std::string outcome(const AgentDone& done) {
    std::string text;
    switch (done.end) {
        case AgentEnd::exited:
            text = done.text.empty() ? "exit code " + std::to_string(done.exit_code)
                                     : printable(done.text);
            break;
        case AgentEnd::timed_out:
            text = "it did not end in time";
            break;
        case AgentEnd::killed:
            text = "it was killed";
            break;
        case AgentEnd::missing:
            text = done.text.empty() ? "there is no such agent, or it cannot be executed"
                                     : printable(done.text);
            break;
    }
    const std::string said = printable(done.output);
    return said.empty() ? text : text + ", it said: " + said;
}

Time again_after(unsigned failures) {
    const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0u, 5u);
    return std::min(kAgainAfter * (1u << doublings), kAgainLongest);
}

}  // namespace

void Groups::start() {
    may_run_ = core_.start.may_run;
    for (const config::ResourceGroup& config : core_.settings.resources.groups) {
        groups_.push_back(make_group(config, core_.settings.node));
    }
}

void Groups::inherit(const std::vector<std::size_t>& held) {
    for (const std::size_t index : held) {
        groups_[index].resources.assign(groups_[index].config.words.size(), ResourceState::running);
    }
}

std::vector<std::size_t> Groups::indexes(Hold which) const {
    std::vector<std::size_t> list;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (has(which, groups_[i].local ? Hold::local : Hold::foreign)) {
            list.push_back(i);
        }
    }
    return list;
}

std::optional<std::size_t> Groups::find(std::string_view key) const {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (groups_[i].key() == key) {
            return i;
        }
    }
    return std::nullopt;
}

void Groups::look() {
    Batch batch;
    batch.kind = Kind::look;
    batch.result = BatchResult{Purpose::look, indexes(Hold::all), true};
    enqueue(std::move(batch));
}

void Groups::take(Purpose purpose, std::vector<std::size_t> groups) {
    if (core_.shutdown.running()) {
        return;  // whoever asks for it, nothing is started any more
    }
    for (const std::size_t index : groups) {
        Group& wanted = groups_[index];
        wanted.again.clear();
        wanted.recheck.clear();
        wanted.wanted_again = gives_up(index);
        if (!wanted.wanted) {
            wanted.wanted = true;
            wanted.taken_at = core_.now;
        }
    }
    Batch batch;
    batch.kind = Kind::take;
    batch.result = BatchResult{purpose, std::move(groups), true};
    enqueue(std::move(batch));
}

void Groups::give(Purpose purpose, std::vector<std::size_t> groups) {
    for (const std::size_t index : groups) {
        groups_[index].wanted = groups_[index].wanted_again = false;
        groups_[index].again.clear();
        groups_[index].recheck.clear();
    }
    Batch batch;
    batch.kind = Kind::give;
    batch.result = BatchResult{purpose, std::move(groups), true};
    enqueue(std::move(batch));
}

void Groups::restart(Purpose purpose, std::size_t group, std::size_t from) {
    Batch batch;
    batch.kind = Kind::restart;
    batch.from = from;
    batch.result = BatchResult{purpose, {group}, true};
    enqueue(std::move(batch));
}

// What ran at our start is asked for in any case: much waits for the answer.
void Groups::abandon() {
    std::erase_if(queue_, [](const Batch& batch) { return batch.kind != Kind::look; });
    if (current_) {
        current_->abandoned = true;
        current_->silent = current_->kind != Kind::look;
    }
}

// A stop is let finish: it is what is wanted.
void Groups::kill_agent() {
    if (job_ != 0 && !current_->giving) {
        core_.emit(KillAgent{job_});
    } else if (held() && !current_->giving) {
        held_limit_.set(core_.now);
    }
    core_.stragglers.kill();
}

bool Groups::anything_up() const {
    return std::any_of(groups_.begin(), groups_.end(), [this](const Group& group) {
        return !group.all(ResourceState::stopped) || core_.stragglers.at_work_on(group);
    });
}

Hold Groups::found() const {
    return found_;
}

void Groups::enqueue(Batch batch) {
    queue_.push_back(std::move(batch));
    run_next();
}

void Groups::run_next() {
    while (!current_ && !queue_.empty()) {
        current_ = std::move(queue_.front());
        queue_.pop_front();
        begin_group();
    }
}

// Starts the work on the batch's next group, or reports the batch.
void Groups::begin_group() {
    if (current_->next_group == current_->result.groups.size() || current_->abandoned) {
        const Batch done = std::move(*current_);
        current_.reset();
        if (!done.silent) {
            core_.on_batch_done(done.result);
        }
        return;
    }
    current_->retries = 0;
    current_->giving_up = false;
    if (current_->kind != Kind::look) {
        group().doubtful = false;  // from here on it is at work
        std::erase(may_run_, group().key());
    }
    if (current_->kind == Kind::give || current_->kind == Kind::restart) {
        begin_giving();
    } else {
        begin_taking();
    }
}

void Groups::end_group() {
    ++current_->next_group;
    begin_group();
    run_next();
}

void Groups::set_state(Group& changed, GroupState state) {
    if (changed.state == state) {
        return;
    }
    changed.state = state;
    if (state != GroupState::failed && state != GroupState::blocked) {
        changed.reason.clear();
    }
    if (state == GroupState::running || state == GroupState::stopped) {
        changed.told.clear();
    }
    core_.monitors.on_group_changed();
}

void Groups::begin_taking() {
    current_->giving = false;
    current_->resource = 0;
    current_->without_agent.clear();
    if (current_->kind != Kind::look) {
        if (!group().wanted) {
            end_group();  // given away while this waited in the queue
            return;
        }
        set_state(group(), GroupState::starting);
        core_.journal.info("Acquiring resource group: " + group().config.node + " " +
                           group().key());
    }
    current_->step = Step::status;
    run_agent(AgentOperation::status);
}

void Groups::begin_giving() {
    current_->giving = true;
    current_->resource = group().config.words.size() - 1;
    set_state(group(), GroupState::stopping);
    core_.journal.info("Releasing resource group: " + group().config.node + " " + group().key());
    current_->step = Step::stop;
    run_agent(AgentOperation::stop);
}

void Groups::run_agent(AgentOperation operation) {
    const config::HaPolicy& policy = core_.settings.policy;
    RunAgent run{0, word(), operation, Time{0}};
    ResourceState& state = group().resources[current_->resource];
    if (operation == AgentOperation::start) {
        run.limit = policy.start_timeout.value_or(Time{0});
        state = ResourceState::starting;
    } else if (operation == AgentOperation::stop) {
        run.limit = policy.stop_timeout.value_or(Time{0});
        current_->was = state == ResourceState::stopping ? current_->was : state;
        state = ResourceState::stopping;
    } else {
        const Time unlimited = current_->kind == Kind::look ? kLookLimit : Time{0};
        run.limit = policy.status_timeout.value_or(unlimited);
    }
    slow_.set(core_.now + kSlow);
    if (core_.stragglers.hinder(word().text, operation)) {
        hold(operation, run.limit);
        return;
    }
    run.job = job_ = core_.new_job();
    core_.emit(std::move(run));
}

void Groups::on_agent_done(const AgentDone& done) {
    if (const auto straggler = core_.stragglers.on_done(done.job)) {
        on_straggler_gone(*straggler);
        return;
    }
    if (!current_ || done.job == 0 || done.job != job_) {
        return;  // of a job that nobody waits for
    }
    job_ = 0;
    handle_done(done);
}

void Groups::handle_done(const AgentDone& done) {
    slow_.clear();
    switch (current_->step) {
        case Step::status:
            on_status(done);
            break;
        case Step::start:
            on_started(done);
            break;
        case Step::stop:
            on_stopped(done);
            break;
        case Step::stop_status:
            on_stop_status(done);
            break;
        case Step::pause:
            break;
    }
}

void Groups::on_status(const AgentDone& done) {
    const ResourceState verdict = verdict_of_status(done);
    if (done.end != AgentEnd::missing) {
        group().resources[current_->resource] = verdict;  // else what it did before still holds
    } else if (current_->kind == Kind::look) {
        current_->without_agent.push_back(current_->resource);
    }
    if (current_->kind == Kind::look) {
        if (verdict == ResourceState::running) {
            found_ = found_ | (group().local ? Hold::local : Hold::foreign);
        }
        next_to_take();
        return;
    }
    if (verdict == ResourceState::running) {
        next_to_take();
    } else if (verdict == ResourceState::stopped && !current_->abandoned && group().wanted) {
        tell_acquisition();
        current_->step = Step::start;
        run_agent(AgentOperation::start);
    } else if (verdict == ResourceState::stopped) {
        end_group();
    } else if (done.end == AgentEnd::missing &&
               group().resources[current_->resource] != ResourceState::unknown) {
        give_up(done);
    } else {
        block(done);
    }
}

// The original triggers the acquisition of an own group by a message to itself, which its partner
// sees too.
void Groups::tell_acquisition() {
    if (current_->result.purpose != Purpose::own || current_->resource != 0 || core_.legacy()) {
        return;
    }
    wire::Message message("ip-request-resp");
    message.set("dest", core_.settings.node).set("ipaddr", group().key());
    message.set("weown", "yes").set("ok", "OK");
    core_.messenger.send(std::move(message), core_.settings.node);
}

void Groups::on_started(const AgentDone& done) {
    if (done.end == AgentEnd::exited && done.exit_code == 0) {
        group().resources[current_->resource] = ResourceState::running;
        next_to_take();
        return;
    }
    group().resources[current_->resource] = ResourceState::failed;
    give_up(done);
}

void Groups::next_to_take() {
    if (current_->abandoned || (current_->kind != Kind::look && !group().wanted)) {
        end_group();
        return;
    }
    if (++current_->resource < group().config.words.size()) {
        current_->step = Step::status;
        run_agent(AgentOperation::status);
        return;
    }
    if (current_->kind != Kind::look) {
        group().failures = 0;
        set_state(group(), GroupState::running);
    } else {
        end_look();
    }
    end_group();
}

void Groups::end_look() {
    const bool was_ours =
        std::find(may_run_.begin(), may_run_.end(), group().key()) != may_run_.end();
    if (was_ours || group().any(ResourceState::running)) {
        // The group ran here, so what has lost its agent since then may run as well.
        for (const std::size_t resource : current_->without_agent) {
            group().resources[resource] = ResourceState::unknown;
        }
    }
    // What an earlier life had under way is claimed until it is known what has come of it.
    const bool unknown = group().any(ResourceState::unknown) && !group().wanted;
    group().doubtful = was_ours && unknown;
    if (!unknown) {
        std::erase(may_run_, group().key());
    }
    if (group().any(ResourceState::running)) {
        core_.journal.critical("Resource group " + group().key() + " is active at our start");
    } else if (unknown) {
        look_later();
    } else if (group().state == GroupState::blocked && !group().wanted) {
        group().looks = 0;
        set_state(group(), GroupState::stopped);
    }
}

// It may run here, and nobody watches it: an agent that has not said what it knows is asked again.
void Groups::look_later() {
    if (group().looks == 0) {
        group().reason = "it is not known whether it runs here since our start";
        set_state(group(), GroupState::blocked);
        core_.journal.alarm(AlarmKind::resource,
                            "Resource group " + group().key() + ": " + group().reason);
    }
    const Time pause = kRecheck * (1u << std::min(group().looks, 6u));
    group().recheck.set(core_.now + std::min(pause, kAgainLongest));
    ++group().looks;
}

void Groups::look_again(std::size_t index) {
    Batch batch;
    batch.kind = Kind::look;
    batch.result = BatchResult{Purpose::look_again, {index}, true};
    enqueue(std::move(batch));
}

// A hung or babbling status: the resource may run, here or not. Starting it again could run it
// twice, giving it to the partner too.
void Groups::block(const AgentDone& done) {
    current_->result.ok = false;
    group().reason = "the state of " + word().text + " is unknown: " + outcome(done);
    set_state(group(), GroupState::blocked);
    group().recheck.set(core_.now + kRecheck);
    if (std::exchange(group().told, group().reason) != group().reason) {
        core_.journal.alarm(AlarmKind::resource,
                            "Resource group " + group().key() + " is blocked: " + group().reason);
    }
    end_group();
}

void Groups::give_up(const AgentDone& done) {
    current_->result.ok = false;
    ++group().failures;
    group().failed_at = core_.now;
    group().reason = word().text + " cannot be started: " + outcome(done);
    core_.journal.critical("Giving up resources due to failure of " + word().text);
    core_.journal.alarm(AlarmKind::resource,
                        "Resource group " + group().key() + " is given up: " + group().reason);
    const std::string reason = group().reason;
    current_->giving_up = true;
    current_->giving = true;
    current_->resource = group().config.words.size() - 1;
    set_state(group(), GroupState::stopping);
    group().reason = reason;
    current_->step = Step::stop;
    run_agent(AgentOperation::stop);
}

void Groups::on_stopped(const AgentDone& done) {
    if (done.end == AgentEnd::exited && done.exit_code == 0) {
        group().resources[current_->resource] = ResourceState::stopped;
        next_to_give();
        return;
    }
    // An agent that does not exist cannot have started anything, unless it once did exist.
    if (done.end == AgentEnd::missing && current_->was == ResourceState::stopped) {
        core_.journal.error("Resource " + word().text + " cannot be stopped: " + outcome(done));
        group().resources[current_->resource] = ResourceState::stopped;
        next_to_give();
        return;
    }
    core_.journal.error("Stopping " + word().text + " failed: " + outcome(done));
    if (current_->retries < kStopRetries) {
        ++current_->retries;
        current_->step = Step::pause;
        pause_.set(core_.now + kStopRetryAfter);
        return;
    }
    current_->step = Step::stop_status;
    run_agent(AgentOperation::status);
}

void Groups::on_stop_status(const AgentDone& done) {
    if (verdict_of_status(done) != ResourceState::stopped) {
        group().resources[current_->resource] = ResourceState::unknown;
        reboot("Resource " + word().text + " cannot be stopped and may still run");
        return;
    }
    core_.journal.error("Resource " + word().text + " is not running although its stop failed");
    group().resources[current_->resource] = ResourceState::stopped;
    next_to_give();
}

void Groups::next_to_give() {
    current_->retries = 0;
    const std::size_t last =
        current_->kind == Kind::restart && !current_->giving_up ? current_->from : 0;
    if (current_->resource > last) {
        --current_->resource;
        current_->step = Step::stop;
        run_agent(AgentOperation::stop);
        return;
    }
    if (current_->giving_up) {
        set_state(group(), GroupState::failed);
        const bool anew = std::exchange(group().wanted_again, false) ||
                          taken_again(current_->result.groups[current_->next_group]);
        group().wanted = anew;
        group().again.set(core_.now + again_after(group().failures));
        end_group();
        return;
    }
    if (current_->kind == Kind::restart && group().wanted && !current_->abandoned) {
        begin_taking();
        return;
    }
    set_state(group(), GroupState::stopped);
    end_group();
}

void Groups::reboot(const std::string& why) {
    core_.journal.alarm(AlarmKind::resource, why);
    core_.journal.critical("Resource STOP failure. Reboot required!");
    core_.reboot(why);
}

void Groups::on_time() {
    if (slow_.take(core_.now) && current_) {
        core_.journal.alarm(AlarmKind::resource,
                            "The agent of " + word().text +
                                " has been at work for a minute; all other resources wait for it");
    }
    if (held_limit_.take(core_.now) && held()) {
        held_.reset();
        AgentDone as_if;
        as_if.end = AgentEnd::timed_out;
        handle_done(as_if);
    }
    if (pause_.take(core_.now) && current_ && current_->step == Step::pause) {
        current_->step = Step::stop;
        run_agent(AgentOperation::stop);
    }
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (groups_[i].recheck.take(core_.now)) {
            if (groups_[i].wanted) {
                take(Purpose::retry, {i});
            } else {
                look_again(i);
            }
        }
        if (groups_[i].again.take(core_.now)) {
            try_again(i);
        }
    }
    use_promised();
}

// The partner first; with nobody else to run it, or after the partner's turn, here once more.
void Groups::try_again(std::size_t index) {
    Group& failed = groups_[index];
    const Hold which = failed.local ? Hold::local : Hold::foreign;
    if (failed.state != GroupState::failed || !has(core_.holdings.hold(), which)) {
        return;  // it is the partner's by now, or nobody's
    }
    if (core_.legacy() && core_.members.partner_alive()) {
        // Its home asks for it, or runs it already; who is the home asks before it tries again.
        drop(index);
        core_.legacy_mode.want_ours();
        return;
    }
    failed.again.set(core_.now + again_after(failed.failures));
    const bool partners_turn = core_.members.partner_alive() && !failed.offered;
    failed.offered = partners_turn;
    if (partners_turn) {
        core_.standby.offer_failed(failed);
        return;
    }
    take(Purpose::retry, {index});
}

void Groups::on_partner_stable() {
    for (Group& group : groups_) {
        if (group.again.is_set()) {
            group.offered = false;
            group.again.set(std::min(group.again.at(), core_.now + kAgainAfter));
        }
    }
}

Time Groups::next() const {
    Time soonest = std::min({pause_.at(), slow_.at(), held_limit_.at()});
    for (const Group& group : groups_) {
        soonest = std::min({soonest, group.recheck.at(), group.again.at()});
    }
    return soonest;
}

// In legacy mode a hold says of no group by itself that it is ours: the partner may still stop it.
bool Groups::clear_failures(std::string_view key, bool alone) {
    const bool asks = core_.legacy() && !alone && core_.legacy_mode.partner_may_hold();
    bool any = false;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        Group& group = groups_[i];
        if (!key.empty() && group.key() != key) {
            continue;
        }
        any = any || group.failures > 0;
        group.failures = 0;
        if (asks && !group.wanted) {
            any = any || group.state == GroupState::failed || group.recheck.is_set();
            if (group.recheck.is_set()) {
                group.recheck.set(core_.now);
            } else if (idle(i)) {
                drop(i);
            }
            continue;
        }
        const bool ours = has(core_.holdings.hold(), group.local ? Hold::local : Hold::foreign);
        const bool down = group.state == GroupState::failed || group.state == GroupState::blocked ||
                          group.state == GroupState::stopped;
        if (ours && down && !at_work(i)) {
            any = true;
            take(Purpose::retry, {i});
        } else if (group.recheck.is_set() && !group.wanted) {
            any = true;
            group.recheck.set(core_.now);
        }
    }
    if (asks) {
        core_.legacy_mode.want_ours();
    }
    return any;
}

bool Groups::at_work(std::size_t index) const {
    const auto works_on = [index](const Batch& batch, std::size_t from) {
        const auto& groups = batch.result.groups;
        return batch.kind != Kind::look &&
               std::find(groups.begin() + static_cast<std::ptrdiff_t>(from), groups.end(), index) !=
                   groups.end();
    };
    return (current_ && works_on(*current_, current_->next_group)) ||
           std::any_of(queue_.begin(), queue_.end(), [&](const Batch& batch) {
               return works_on(batch, 0);
           });
}

bool Groups::gives_up(std::size_t index) const {
    return current_ && current_->giving_up &&
           current_->result.groups[current_->next_group] == index;
}

bool Groups::taken_again(std::size_t index) const {
    bool given = false;
    bool taken = false;
    for (const Batch& batch : queue_) {
        const auto& groups = batch.result.groups;
        if (std::find(groups.begin(), groups.end(), index) != groups.end()) {
            given = given || batch.kind == Kind::give;
            taken = given && batch.kind == Kind::take;
        }
    }
    return taken;
}

bool Groups::idle(std::size_t index) const {
    const Group& group = groups_[index];
    return !at_work(index) && !group.doubtful && !core_.stragglers.at_work_on(group) &&
           !group.any(ResourceState::running) && !group.any(ResourceState::starting) &&
           !group.any(ResourceState::stopping);
}

void Groups::give_what_runs(Purpose purpose) {
    std::vector<std::size_t> list = indexes(Hold::all);
    std::erase_if(list, [this](std::size_t index) {
        const bool stopped = idle(index) && groups_[index].all(ResourceState::stopped);
        if (stopped) {
            groups_[index].wanted = groups_[index].wanted_again = false;
            drop(index);
        }
        return stopped;
    });
    give(purpose, std::move(list));
}

Hold Groups::leaving(Hold held) const {
    Hold result = Hold::none;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        const Hold which = groups_[i].local ? Hold::local : Hold::foreign;
        if (!has(held | result, which) && !idle(i)) {
            result = result | which;
        }
    }
    return result;
}

void Groups::drop(std::size_t index) {
    groups_[index].again.clear();
    groups_[index].recheck.clear();
    set_state(groups_[index], GroupState::stopped);
}

bool Groups::given_alone(const Group& group, Hold held) const {
    return core_.legacy() && has(held, group.local ? Hold::local : Hold::foreign) &&
           !group.wanted && group.all(ResourceState::stopped) &&
           group.state != GroupState::failed && group.state != GroupState::blocked;
}

Hold Groups::wanted() const {
    Hold result = Hold::none;
    for (const Group& group : groups_) {
        if (group.wanted || group.state == GroupState::failed) {
            result = result | (group.local ? Hold::local : Hold::foreign);
        }
    }
    return result;
}

}  // namespace hb
