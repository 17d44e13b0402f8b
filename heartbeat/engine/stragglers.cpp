#include "heartbeat/engine/stragglers.h"

#include "heartbeat/engine/core.h"

#include <algorithm>
#include <utility>

namespace hb {

void Stragglers::start() {
    for (const EarlierAgent& agent : core_.start.agents) {
        agents_.push_back({agent, false});
        core_.last_job = std::max(core_.last_job, agent.job);
        core_.journal.warning("The " + std::string(name_of(agent.operation)) + " of " +
                              agent.resource +
                              " that the daemon before this one began is still at work: nothing "
                              "else is done with it before it has ended");
    }
}

bool Stragglers::add_stuck(const EarlierAgent& agent) {
    auto found = std::find_if(agents_.begin(), agents_.end(), [&](const Agent& each) {
        return each.agent.job == agent.job;
    });
    if (found == agents_.end()) {
        found = agents_.insert(agents_.end(), Agent{agent, false});
    }
    if (found->stuck) {
        return false;
    }
    found->stuck = true;
    core_.journal.alarm(AlarmKind::resource,
                        "The " + std::string(name_of(found->agent.operation)) + " of " +
                            found->agent.resource +
                            " was killed and does not end: it is stuck in the kernel, and its "
                            "resource may still change. Look at its disk, or restart the machine");
    return true;
}

std::optional<EarlierAgent> Stragglers::on_done(JobId job) {
    const auto found = std::find_if(
        agents_.begin(), agents_.end(), [job](const Agent& each) { return each.agent.job == job; });
    if (found == agents_.end()) {
        return std::nullopt;
    }
    EarlierAgent agent = std::move(found->agent);
    agents_.erase(found);
    return agent;
}

bool Stragglers::known(JobId job) const {
    return std::any_of(
        agents_.begin(), agents_.end(), [job](const Agent& each) { return each.agent.job == job; });
}

void Stragglers::kill() {
    for (const Agent& each : agents_) {
        if (each.agent.operation != AgentOperation::stop && !each.stuck) {
            core_.emit(KillAgent{each.agent.job});
        }
    }
}

// Who only looks does not disturb a stop.
bool Stragglers::hinder(const std::string& resource, AgentOperation operation) const {
    return std::any_of(agents_.begin(), agents_.end(), [&](const Agent& each) {
        return each.agent.resource == resource && (operation != AgentOperation::stop ||
                                                   each.agent.operation != AgentOperation::status);
    });
}

bool Stragglers::stuck(const std::string& resource) const {
    return std::any_of(agents_.begin(), agents_.end(), [&](const Agent& each) {
        return each.agent.resource == resource && each.stuck;
    });
}

bool Stragglers::at_work_on(const Group& group) const {
    return std::any_of(agents_.begin(), agents_.end(), [&](const Agent& each) {
        return each.agent.operation != AgentOperation::status &&
               group.has_resource(each.agent.resource);
    });
}

// --- What the groups do about them ---

// Stops wait, with what limits them; to ask is no use while an agent is stuck.
void Groups::hold(AgentOperation operation, Time limit) {
    const bool useless = operation != AgentOperation::stop && core_.stragglers.stuck(word().text);
    held_ = operation;
    held_limit_.clear();
    if (useless || limit > Time{0}) {
        held_limit_.set(core_.now + (useless ? Time{0} : limit));
    }
}

// What it has done to its resource is asked for; until that is known the group may run.
void Groups::on_straggler_gone(const EarlierAgent& gone) {
    if (held() && !core_.stragglers.hinder(word().text, *held_)) {
        held_limit_.clear();
        run_agent(*std::exchange(held_, std::nullopt));
    }
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        Group& group = groups_[i];
        const bool looks = !group.wanted && !at_work(i) && !core_.shutdown.running();
        group.doubtful = group.doubtful || (looks && gone.operation != AgentOperation::status &&
                                            group.has_resource(gone.resource));
        if (group.recheck.is_set()) {
            group.recheck.set(core_.now);
        } else if (looks) {
            look_again(i);
        }
    }
}

// It is not ended by being given up: its resource stays what it may be.
void Groups::on_agent_stuck(JobId job) {
    const bool ours = current_ && job != 0 && job == job_;
    if (!ours && !core_.stragglers.known(job)) {
        return;
    }
    EarlierAgent agent{job, {}, AgentOperation::status};
    if (ours) {
        agent.resource = word().text;
        agent.operation = current_->step == Step::start  ? AgentOperation::start
                          : current_->step == Step::stop ? AgentOperation::stop
                                                         : AgentOperation::status;
    }
    core_.stragglers.add_stuck(agent);
    if (!ours) {
        if (held() && *held_ != AgentOperation::stop && core_.stragglers.stuck(word().text)) {
            held_limit_.set(core_.now);
        }
        return;
    }
    job_ = 0;
    AgentDone as_if;
    as_if.end = AgentEnd::timed_out;
    if (current_->step == Step::start) {
        slow_.clear();
        group().resources[current_->resource] = ResourceState::unknown;
        block(as_if);
        return;
    }
    handle_done(as_if);
}

}  // namespace hb
