#include "tests/hbsim/machine.h"

#include "base/require.h"
#include "heartbeat/engine/group.h"

#include <algorithm>

namespace hbsim {
namespace {

using hb::AgentDone;
using hb::AgentEnd;
using hb::AgentOperation;

AgentDone exited(int code, std::string output = {}) {
    AgentDone done;
    done.exit_code = code;
    done.output = std::move(output);
    return done;
}

}  // namespace

Machine::Machine(World& world, Node node, Storages& storages)
    : world_(world), node_(node), storages_(storages) {
}

void Machine::power_off() {
    for (const auto& [id, job] : jobs_) {
        world_.cancel(job.end);
    }
    jobs_.clear();
    promotion_tries_.clear();
    life.reset();
    powered_ = false;
    running_.clear();
    for (const auto& storage : storages_) {
        storage->power_off(node_);
    }
    world_.trace(name(node_), "power off");
}

void Machine::power_on() {
    REQUIRE(!powered_);
    powered_ = true;
    for (const auto& storage : storages_) {
        storage->power_on(node_);
    }
    world_.trace(name(node_), "power on");
}

void Machine::run_agent(const hb::RunAgent& effect, Done done) {
    if (effect.operation != AgentOperation::status) {
        world_.trace(
            name(node_),
            "agent " + effect.resource.text + " " + std::string(hb::name_of(effect.operation)));
    }
    if (effect.operation != AgentOperation::status && works_on(effect.resource.text)) {
        world_.fail("two agents work on " + effect.resource.text + " of " + name(node_));
    }
    const bool another = std::ranges::any_of(jobs_, [&](const auto& job) {
        return job.second.effect.resource.text == effect.resource.text;
    });
    if (effect.operation == AgentOperation::start && another) {
        world_.fail(effect.resource.text + " of " + name(node_) +
                    " is started while an earlier agent of it lives");
    }
    const Time duration = duration_of(effect);
    jobs_[effect.job] = {effect, std::move(done), {}};
    schedule(effect.job, duration);
}

Time Machine::duration_of(const hb::RunAgent& effect) {
    const Ailment& ailment = ailments_[effect.resource.script];
    if (ailment.hangs) {
        return Time(24h);
    }
    const Time usual = world_.between(ailment.duration_min, ailment.duration_max);
    Time special{0};
    switch (effect.operation) {
        case AgentOperation::start:
            special = ailment.start_takes;
            break;
        case AgentOperation::stop:
            special = ailment.stop_takes;
            break;
        case AgentOperation::status:
            special = ailment.status_takes;
            break;
    }
    return special > Time{0} ? special : usual;
}

// Ends by itself after `duration`, or is killed at its limit.
void Machine::schedule(hb::JobId job, Time duration) {
    const Time limit = jobs_.at(job).effect.limit;
    const bool too_long = limit > Time{} && duration > limit;
    jobs_.at(job).end =
        world_.after(too_long ? limit : duration, [this, job, too_long] { finish(job, too_long); });
}

bool Machine::works_on(const std::string& word) const {
    return std::ranges::any_of(jobs_, [&](const auto& job) {
        return job.second.effect.resource.text == word &&
               job.second.effect.operation != AgentOperation::status;
    });
}

void Machine::ail(const std::string& script, const Ailment& ailment) {
    ailments_[script] = ailment;
    misled_ = misled_ || ailment.garbage || ailment.missing || ailment.hangs;
}

void Machine::kill_agent(hb::JobId job) {
    if (!jobs_.contains(job)) {
        return;
    }
    Job& killed = jobs_.at(job);
    if (killed.stuck) {
        return;
    }
    world_.cancel(killed.end);
    if (ailments_[killed.effect.resource.script].unkillable) {
        killed.end = world_.after(10s, [this, job] { get_stuck(job); });  // SIGTERM, SIGKILL
        return;
    }
    killed.end = world_.after(1ms, [this, job] { abort(job, AgentEnd::killed); });
}

void Machine::get_stuck(hb::JobId job) {
    Job& stuck = jobs_.at(job);
    stuck.stuck = true;
    world_.trace(name(node_), "agent " + stuck.effect.resource.text + " cannot be killed");
    stuck.end =
        world_.after(world_.between(1s, 60s), [this, job] { abort(job, AgentEnd::killed); });
    const Done told = stuck.done;  // it may end with the power
    told(hb::AgentStuck{job});
}

void Machine::orphan_agents() {
    for (auto& [id, job] : jobs_) {
        job.done = [](const hb::Event::What&) {};
    }
}

std::vector<hb::EarlierAgent> Machine::earlier_agents() const {
    std::vector<hb::EarlierAgent> agents;
    for (const auto& [id, job] : jobs_) {
        agents.push_back({id, job.effect.resource.text, job.effect.operation});
    }
    return agents;
}

void Machine::adopt_agents(const Done& done) {
    for (auto& [id, job] : jobs_) {
        job.done = done;
    }
}

void Machine::kill_all_agents() {
    orphan_agents();
    std::erase_if(jobs_, [this](const auto& job) {
        const bool stays =
            ailments_[job.second.effect.resource.script].unkillable || job.second.stuck;
        if (!stays) {
            world_.cancel(job.second.end);
            promotion_tries_.erase(job.first);
        }
        return !stays;
    });
}

void Machine::finish(hb::JobId job, bool timed_out) {
    if (timed_out) {
        if (ailments_[jobs_.at(job).effect.resource.script].unkillable) {
            get_stuck(job);
        } else {
            abort(job, AgentEnd::timed_out);
        }
        return;
    }
    const hb::RunAgent effect = jobs_.at(job).effect;
    if (may_retry_promotion(effect)) {
        schedule(job, 1s);
        return;
    }
    AgentDone result = execute(effect);
    result.job = job;
    const Done done = std::move(jobs_.extract(job).mapped().done);
    promotion_tries_.erase(job);
    on_change();
    done(result);
}

// An agent that is killed may have done its work, or not.
void Machine::abort(hb::JobId job, AgentEnd end) {
    const auto entry = jobs_.extract(job);
    promotion_tries_.erase(job);
    if (!ailments_[entry.mapped().effect.resource.script].hangs && world_.prng.chance(0.5)) {
        execute(entry.mapped().effect);
        on_change();
    }
    AgentDone done;
    done.job = job;
    done.end = end;
    entry.mapped().done(done);
}

// drbddisk tries six times, one second apart.
bool Machine::may_retry_promotion(const hb::RunAgent& effect) {
    Storage* storage = storage_of(effect.resource);
    return storage != nullptr && effect.operation == AgentOperation::start &&
           !runs(effect.resource.text) && !storage->promote(node_).empty() &&
           ++promotion_tries_[effect.job] < 6;
}

AgentDone Machine::execute(const hb::RunAgent& effect) {
    if (ailments_[effect.resource.script].missing) {
        AgentDone none;
        none.end = AgentEnd::missing;
        return none;
    }
    AgentDone done;
    switch (effect.operation) {
        case AgentOperation::start:
            done = start(effect.resource);
            break;
        case AgentOperation::stop:
            done = stop(effect.resource);
            break;
        case AgentOperation::status:
            return status(effect.resource);
    }
    world_.trace(name(node_),
                 "agent " + effect.resource.text + " " +
                     std::string(hb::name_of(effect.operation)) + " -> " +
                     std::to_string(done.exit_code) + " " + done.output);
    return done;
}

AgentDone Machine::start(const config::ResourceWord& word) {
    if (world_.prng.chance(ailments_[word.script].start_fails)) {
        return exited(1);
    }
    if (Storage* storage = storage_of(word)) {
        if (const std::string refusal = storage->promote(node_); !refusal.empty()) {
            return exited(1, refusal);
        }
    }
    check_order(word);
    running_.insert(word.text);
    ++starts_;
    return exited(0);
}

AgentDone Machine::stop(const config::ResourceWord& word) {
    if (runs(word.text) && world_.prng.chance(ailments_[word.script].stop_fails)) {
        return exited(1);
    }
    if (Storage* storage = storage_of(word)) {
        if (mounted_on(word)) {
            return exited(1, "the device is in use");
        }
        storage->demote(node_);
    }
    running_.erase(word.text);
    return ailments_[word.script].stop_complains ? exited(1, "stopped, perhaps") : exited(0);
}

AgentDone Machine::status(const config::ResourceWord& word) {
    const Ailment& ailment = ailments_[word.script];
    if (ailment.garbage) {
        return world_.prng.chance(0.5) ? exited(4, "status unknown\n")
                                       : exited(static_cast<int>(world_.prng.below(256)),
                                                std::string("\x01\xff\x7f\0OK", 6));
    }
    return runs(word.text) ? exited(0, "running\n") : exited(3, "stopped\n");
}

// Nothing may start on guesswork: what stands to the left must run, the disk first of all.
void Machine::check_order(const config::ResourceWord& word) {
    for (const config::ResourceGroup& group : resources_.groups) {
        const auto found = std::ranges::find(group.words, word.text, &config::ResourceWord::text);
        if (found == group.words.end()) {
            continue;
        }
        for (auto before = group.words.begin(); before != found; ++before) {
            if (!runs(before->text)) {
                world_.fail(word.text + " was started on " + name(node_) + " without " +
                            before->text);
            }
        }
    }
}

bool Machine::mounted_on(const config::ResourceWord& disk) const {
    for (const config::ResourceGroup& group : resources_.groups) {
        const bool of_group =
            std::ranges::find(group.words, disk.text, &config::ResourceWord::text) !=
            group.words.end();
        for (const config::ResourceWord& word : group.words) {
            if (of_group && word.script == "Filesystem" && runs(word.text)) {
                return true;
            }
        }
    }
    return false;
}

Storage* Machine::storage_of(const config::ResourceWord& word) {
    for (const auto& storage : storages_) {
        if (word.script == "drbddisk" && word.args.at(0) == storage->resource()) {
            return storage.get();
        }
    }
    return nullptr;
}

}  // namespace hbsim
