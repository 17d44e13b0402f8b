// From one configuration to the next, and from one life of the daemon to the next: reload, quick
// restart, and what is left in the run directory for whoever comes after a death.
#include "heartbeat/engine/text.h"
#include "heartbeat/runtime/daemon.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <ctime>
#include <utility>

namespace hb {

namespace {

using control::Reply;

bool same(const config::Haresources& a, const config::Haresources& b) {
    const auto same_word = [](const config::ResourceWord& x, const config::ResourceWord& y) {
        return x.text == y.text;
    };
    return std::equal(
        a.groups.begin(),
        a.groups.end(),
        b.groups.begin(),
        b.groups.end(),
        [&](const config::ResourceGroup& x, const config::ResourceGroup& y) {
            return x.node == y.node &&
                   std::equal(
                       x.words.begin(), x.words.end(), y.words.begin(), y.words.end(), same_word);
        });
}

Reply answer_with(int exit, std::string text) {
    Reply reply;
    reply.exit = exit;
    reply.text = std::move(text);
    return reply;
}

}  // namespace

// --- Reload -------------------------------------------------------------------------------------

// Everything that may refuse is asked first; after that nothing is left half done.
control::Reply Daemon::reload(bool may_restart) {
    LoadedConfiguration loaded = load_configuration(options_.ha_dir, options_.node);
    Configuration& fresh = loaded.value;
    for (const std::string& warning : loaded.findings.warnings) {
        log_.write(base::LogLevel::Warning, warning);
    }
    const bool ha_cf_changed = fresh.ha_cf_text != configuration_.ha_cf_text;
    const bool restart = ha_cf_changed && may_restart;
    // Without a restart the device is that of the old ha.cf and the new policy.
    auto device = fencing_device(restart ? fresh.settings.ha_cf : configuration_.settings.ha_cf,
                                 fresh.settings.policy,
                                 configuration_.settings.node);
    if (!device) {
        loaded.findings.errors.push_back(device.error().text);
    }
    if (!loaded.findings.ok()) {
        return refuse_reload(loaded.findings.errors);
    }
    if (restart) {
        log_.write(base::LogLevel::Info,
                   "ha.cf has changed: the daemon restarts as soon as nothing is under way, and "
                   "resources go on running");
        restart_when_idle();
        return answer_with(0, "the daemon restarts as soon as nothing is under way");
    }
    std::string done = take_in(fresh, std::move(*device));
    if (ha_cf_changed) {
        done += "ha.cf has changed: that needs a restart. ";
    }
    if (done.empty()) {
        done = "Configuration unchanged.";
    }
    log_.write(base::LogLevel::Info, done);
    return answer_with(0, done);
}

// The engine refuses while resources are being moved. The restart is kept, and asked for again
// until it is done; only the end of the daemon calls it off.
void Daemon::restart_when_idle() {
    restart_ = next_id_++;
    step(Command{restart_, Command::Verb::restart, ""});
}

void Daemon::on_restart_answered(const CommandDone& answer) {
    constexpr auto kAgain = std::chrono::milliseconds(500);
    if (answer.exit_code == 0) {
        restart_ = 0;
        return;
    }
    restart_again_.expires_after(kAgain);
    restart_again_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped && !ended_ && !engine_.status().shutting_down) {
            restart_when_idle();
        }
    });
}

control::Reply Daemon::refuse_reload(const std::vector<std::string>& errors) {
    std::string all;
    for (const std::string& error : errors) {
        log_.write(base::LogLevel::Error, error);
        all += error + "\n";
    }
    log_.write(base::LogLevel::Error, "The configuration is wrong: the old one stays in use.");
    return answer_with(control::kExitBadConfig, all);
}

// One act for engine and runtime. The policy holds from now on, with its fencing device; new
// resources hold when the engine uses them.
std::string Daemon::take_in(Configuration& fresh, std::optional<FencingDevice> device) {
    std::string done;
    if (fresh.authkeys_text != configuration_.authkeys_text) {
        configuration_.keys = std::move(fresh.keys);
        configuration_.authkeys_text = std::move(fresh.authkeys_text);
        done += "authkeys read anew. ";
    }
    if (fresh.other_text == configuration_.other_text || !options_.manage_resources) {
        return done;
    }
    configuration_.other_text = std::move(fresh.other_text);
    configuration_.settings.policy = std::move(fresh.settings.policy);
    alarms_.set(configuration_.settings.policy.alarms);
    fencer_.set(std::move(device));
    promised_ = fresh.settings.resources;
    step(SettingsChanged{std::move(fresh.settings.resources), configuration_.settings.policy});
    done += "ha_policy.cf read anew. ";
    done += promised_ ? "haresources read anew: it is used as soon as what changes in it is idle "
                        "here, see hb_status. "
                      : "haresources read anew. ";
    return done;
}

// What the runtime does for the resources follows what the engine has in force.
void Daemon::use_resources_in_force() {
    if (!promised_ || !same(*promised_, engine_.resources())) {
        return;
    }
    configuration_.settings.resources = *std::exchange(promised_, std::nullopt);
    addresses_.watch(service_addresses(configuration_.settings.resources));
}

// --- The next life ------------------------------------------------------------------------------

// The new process reads all anew and cannot come back to us: so it is tried first. The partner has
// been told to wait, and the watchdog is fed once more.
void Daemon::perform(Restart& effect) {
    watchdog_.tickle();
    const auto good = options_.try_successor();
    if (good) {
        end({Ending::Kind::Restart, effect.hold, "", watchdog_.release()});
        return;
    }
    log_.write(base::LogLevel::Error, good.error().text);
    alarms_.raise(
        AlarmKind::resource,
        "The restart is called off, the old configuration stays in use: " + good.error().text);
    live_on(effect.hold);
}

// A new life in the old process, with the old configuration.
void Daemon::live_on(Hold hold) {
    Start start = options_.new_life(hold);
    for (const RunningAgent& agent : life_.agents) {
        start.agents.push_back({agent.job, agent.resource, agent.operation});
    }
    for (std::size_t i = 0; i < configuration_.settings.policy.monitors.size(); ++i) {
        probe_schedule_.stop(i);
    }
    clients_.forget();
    answer_all_who_wait("the daemon has begun a new life");
    engine_ = Engine(settings_of(configuration_, options_), start);
    life_.generation = start.generation;
    life_.sequence = 0;
    post(Started{});
    if (promised_) {
        post(SettingsChanged{*promised_, configuration_.settings.policy});
    }
}

// --- What is left behind ------------------------------------------------------------------------

// Agents of the daemon before this one, which was killed while they were at work: their limits
// hold.
void Daemon::adopt_agents() {
    const config::HaPolicy& policy = configuration_.settings.policy;
    for (const RunningAgent& agent : options_.earlier_agents) {
        EarlierChild child;
        child.label = agent.resource + " of an earlier daemon";
        child.process = agent.process;
        const auto limit = agent.operation == AgentOperation::start  ? policy.start_timeout
                           : agent.operation == AgentOperation::stop ? policy.stop_timeout
                                                                     : policy.status_timeout;
        if (limit && *limit > Time{0}) {
            child.time_limit = std::max(Time{1}, *limit - age_of(agent.process));
        }
        child.stuck = [this, job = agent.job] { step(AgentStuck{job}); };
        life_.agents.push_back(agent);
        const auto done = [this, job = agent.job](const ChildResult& result) {
            on_agent_ended(job);
            step(AgentDone{job, AgentEnd::killed, 0, "", result.text});
        };
        if (!agents_.children().adopt(agent.job, child, done)) {
            boost::asio::post(io_, [done] { done({}); });  // it has ended since we looked
        }
    }
}

AgentWatch Daemon::watch(const RunAgent& effect) {
    AgentWatch watch;
    RunningAgent agent{{}, effect.operation, effect.resource.text, effect.job};
    watch.born = [this, agent](pid_t pid) mutable {
        agent.process = process_id(pid);
        life_.agents.push_back(agent);
        write_life();
    };
    watch.stuck = [this, job = effect.job] { step(AgentStuck{job}); };
    return watch;
}

// The file may name it for a while: its number and its beginning tell it from others.
void Daemon::on_agent_ended(JobId job) {
    std::erase_if(life_.agents, [job](const RunningAgent& agent) { return agent.job == job; });
}

// A retransmission has an old number.
void Daemon::note_life(const wire::Message& sent) {
    const auto sequence = parse_hex(sent.get("seq"));
    if (!sequence) {
        return;
    }
    life_.sequence = std::max(life_.sequence, *sequence);
    if (sent.type() == "status" && *sequence == life_.sequence) {
        life_.status = sent.get("st");
        life_.deadtime = Time{static_cast<Time::rep>(parse_hex(sent.get("dt")).value_or(0))};
        life_.until = boot_time() + life_.deadtime;
    }
    write_life();
}

void Daemon::write_life() {
    Vitals vitals = engine_.vitals();
    life_.hold = vitals.hold;
    life_.groups = std::move(vitals.groups);
    life_.given = std::move(vitals.given);
    life_.heard = vitals.heard;
    life_.heard_us = vitals.heard_us;
    life_.stops_until = vitals.stops_until.value_or(Time{0});
    life_.partner = {vitals.partner, vitals.partner_generation, vitals.partner_sequence};
    heard_.note(life_.partner, now());
    if (const auto written = life_file_.write(life_); !written) {
        log_.write(base::LogLevel::Error, written.error().text);
    }
}

}  // namespace hb
