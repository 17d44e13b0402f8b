#include "heartbeat/engine/monitors.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

void forget_older(std::deque<Time>& times, Time than) {
    while (!times.empty() && times.front() < than) {
        times.pop_front();
    }
}

}  // namespace

void Monitors::start() {
    for (const config::HaMonitor& config : core_.settings.policy.monitors) {
        Monitor monitor;
        monitor.name = config.resource;
        const auto& groups = core_.groups.all();
        for (std::size_t group = 0; group < groups.size(); ++group) {
            const auto& words = groups[group].config.words;
            for (std::size_t i = 0; i < words.size(); ++i) {
                if (words[i].text == config.resource || words[i].script == config.resource) {
                    monitor.words.emplace_back(group, i);
                }
            }
        }
        monitors_.push_back(std::move(monitor));
    }
    on_group_changed();
}

void Monitors::replace() {
    stop_all();
    monitors_.clear();
    start();
}

bool Monitors::should_run(const Monitor& monitor) const {
    return !core_.shutdown.running() &&
           std::any_of(monitor.words.begin(), monitor.words.end(), [&](const auto& word) {
               return core_.groups.all()[word.first].state == GroupState::running;
           });
}

void Monitors::on_group_changed() {
    for (std::size_t i = 0; i < monitors_.size(); ++i) {
        Monitor& monitor = monitors_[i];
        const bool run = should_run(monitor);
        if (run && !monitor.running) {
            core_.emit(StartProbe{i});
            monitor.ok = true;
        } else if (!run && monitor.running) {
            core_.emit(StopProbe{i});
        }
        monitor.running = run;
    }
}

void Monitors::stop_all() {
    for (std::size_t i = 0; i < monitors_.size(); ++i) {
        if (monitors_[i].running) {
            monitors_[i].running = false;
            core_.emit(StopProbe{i});
        }
    }
}

void Monitors::on_probe_done(const ProbeDone& done) {
    if (done.monitor >= monitors_.size() || !monitors_[done.monitor].running) {
        return;  // of a probe that has been stopped
    }
    Monitor& monitor = monitors_[done.monitor];
    monitor.ok = done.ok;
    monitor.text = done.text;
    if (!done.ok) {
        on_failure(done.monitor);
    }
}

void Monitors::on_failure(std::size_t index) {
    Monitor& monitor = monitors_[index];
    const config::HaMonitor& config = core_.settings.policy.monitors[index];
    if (core_.groups.busy() || core_.standby.moving() || core_.shutdown.requested()) {
        return;  // something is being done already; the next round tells whether it helped
    }
    forget_older(monitor.failures, core_.now - config.window);
    monitor.failures.push_back(core_.now);
    core_.journal.alarm(AlarmKind::service, monitor.name + " does not answer: " + monitor.text);
    if (monitor.failures.size() <= config.restarts || !may_hand_over()) {
        restart(monitor);
    } else {
        hand_over(monitor);
    }
}

void Monitors::restart(Monitor& monitor) {
    for (const auto& [group, resource] : monitor.words) {
        if (core_.groups.all()[group].state == GroupState::running) {
            core_.journal.decide(
                "Restarting " + monitor.name,
                fact("failures", static_cast<std::int64_t>(monitor.failures.size())) +
                    fact("probe", monitor.text));
            core_.groups.restart(Purpose::monitor, group, resource);
        }
    }
}

bool Monitors::may_hand_over() {
    const config::HaPolicy& policy = core_.settings.policy;
    forget_older(handovers_, core_.now - policy.handover_window);
    if (policy.handover_limit > 0 && handovers_.size() >= policy.handover_limit) {
        core_.journal.alarm(AlarmKind::service,
                            "The limit of hand-overs is reached: services stay on this node");
        return false;
    }
    return core_.members.partner_alive() && core_.holdings.both_stable() && !core_.legacy();
}

void Monitors::hand_over(Monitor& monitor) {
    for (const auto& [index, resource] : monitor.words) {
        const Group& group = core_.groups.all()[index];
        if (group.state != GroupState::running) {
            continue;
        }
        const std::string refused = core_.standby.give(group.local ? Hold::local : Hold::foreign);
        if (refused.empty()) {
            core_.journal.decide(
                "Handing over because of " + monitor.name,
                fact("failures", static_cast<std::int64_t>(monitor.failures.size())));
            handovers_.push_back(core_.now);
            monitor.failures.clear();
        } else {
            core_.journal.warning("Not handed over: " + refused);
        }
        return;
    }
}

std::vector<MonitorStatus> Monitors::status() const {
    std::vector<MonitorStatus> list;
    for (const Monitor& monitor : monitors_) {
        list.push_back(MonitorStatus{monitor.name,
                                     monitor.running,
                                     monitor.ok,
                                     static_cast<int>(monitor.failures.size()),
                                     monitor.text});
    }
    return list;
}

}  // namespace hb
