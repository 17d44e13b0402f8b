// What the engine wants is done here, one function for each effect.
#include "heartbeat/agents/environment.h"
#include "heartbeat/engine/journal.h"
#include "heartbeat/runtime/daemon.h"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

std::string load_averages() {
    const FileDescriptor file(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
    std::string text(128, '\0');
    const ssize_t got = file.open() ? ::read(file.get(), text.data(), text.size()) : 0;
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text.substr(0, text.find('\n'));
}

Operation operation_of(AgentOperation operation) {
    switch (operation) {
        case AgentOperation::start:
            return Operation::Start;
        case AgentOperation::stop:
            return Operation::Stop;
        default:
            return Operation::Status;
    }
}

base::LogLevel level_of(Severity severity) {
    switch (severity) {
        case Severity::debug:
            return base::LogLevel::Debug;
        case Severity::info:
            return base::LogLevel::Info;
        case Severity::warning:
            return base::LogLevel::Warning;
        case Severity::error:
            return base::LogLevel::Error;
        default:
            return base::LogLevel::Alert;
    }
}

// The engine knows the original's rule only: what a legacy script prints. For the other kinds the
// verdict is put into those words.
AgentDone done_of(JobId job, AgentOperation operation, const AgentResult& result) {
    AgentDone done{job, AgentEnd::exited, result.exit, result.output, result.text};
    if (result.missing) {
        done.end = AgentEnd::missing;
    } else if (result.timed_out) {
        done.end = AgentEnd::timed_out;
    } else if (result.killed || result.signal != 0) {
        done.end = AgentEnd::killed;
    } else if (operation == AgentOperation::status && result.kind != AgentKind::Legacy) {
        done.output = result.verdict == Verdict::Running ? "running" : "stopped";
        if (result.verdict == Verdict::Unknown) {
            done.end = AgentEnd::killed;  // it has said nothing that can be believed
        }
    }
    return done;
}

}  // namespace

std::vector<std::string> agent_variables(const DaemonOptions& options,
                                         const Configuration& configuration,
                                         int debug,
                                         const std::string& own_status,
                                         const std::string& partner) {
    const config::HaCf& conf = configuration.settings.ha_cf;
    AgentEnvironment values;
    values.ha_dir = options.ha_dir;
    values.node = configuration.settings.node;
    values.own_status = own_status;
    values.partner = partner;
    values.coordinated = conf.auto_failback != config::AutoFailback::Legacy;
    values.log_file = conf.logfile;
    values.debug_file = conf.debugfile;
    values.log_facility = conf.logfacility;
    values.debug = debug;
    values.tool_dir = options.tool_dir;
    values.fifo = options.state_dir + "/fifo";
    values.extra = conf.env;
    values.inherited =
        inherited_variables({"DRBDD_RUN_DIR", "DRBDD_DEV_DIR", "__DRBD_NODE__", "TZ", "HOME"});
    return agent_environment(values);
}

std::vector<std::string> Daemon::environment(const std::string& own_status,
                                             const std::string& partner) const {
    return agent_variables(options_, configuration_, log_.debug(), own_status, partner);
}

// HA_OSTATUS and HA_PARTNER follow what the engine sees.
void Daemon::refresh_environment() {
    const Snapshot now = engine_.status();
    if (now.status != own_status_ || now.partner != partner_) {
        own_status_ = now.status;
        partner_ = now.partner;
        agents_.set_variables(environment(own_status_, partner_));
        programs_.set_variables(environment(own_status_, partner_));
    }
}

void Daemon::perform(Send& effect) {
    if (effect.message.has("ld")) {
        effect.message.set("ld", load_averages());
    }
    const bool inner = configuration_.settings.ha_cf.msgfmt == config::MsgFmt::Classic;
    Outgoing outgoing;
    outgoing.netstring = wire::encode_netstring(effect.message, configuration_.keys, inner);
    if (any_text_) {
        outgoing.text = wire::encode_text(effect.message, configuration_.keys);
    }
    for (Path& path : paths_) {
        path.medium->send(outgoing);
    }
    note_life(effect.message);
}

void Daemon::perform(SendPing& effect) {
    const bool inner = configuration_.settings.ha_cf.msgfmt == config::MsgFmt::Classic;
    pinger_.send(effect.node, wire::encode_netstring(effect.message, configuration_.keys, inner));
}

void Daemon::perform(RunAgent& effect) {
    refresh_environment();
    if (effect.operation != AgentOperation::status) {
        write_life();
    }
    agents_.run(
        effect.job,
        effect.resource,
        operation_of(effect.operation),
        effect.limit,
        [this, job = effect.job, operation = effect.operation](const AgentResult& result) {
            // Before the partner announces what we have just given up.
            if (operation != AgentOperation::status) {
                addresses_.rescan();
            }
            on_agent_ended(job);
            step(done_of(job, operation, result));
        },
        watch(effect));
}

void Daemon::perform(KillAgent& effect) {
    agents_.kill(effect.job);
}

void Daemon::perform(Fence& effect) {
    fencer_.reset(effect.job,
                  effect.node,
                  [this, job = effect.job, node = effect.node](bool ok, const std::string& text) {
                      post(FenceDone{job, node, ok, text});
                  });
}

void Daemon::perform(CancelFence& effect) {
    fencer_.cancel(effect.job);
}

void Daemon::perform(SuspectPartner&) {
    storage_.suspect(replicated_resources(configuration_.settings.resources));
}

void Daemon::perform(CutReplication&) {
    const auto resources = replicated_resources(configuration_.settings.resources);
    if (resources.empty()) {
        post(ReplicationCut{true, "nothing is replicated here"});
        return;
    }
    storage_.cut(resources, [this](bool ok, const std::string& text) {
        step(ReplicationCut{ok, text});
    });
}

void Daemon::perform(RunOutdate& effect) {
    storage_.outdate(effect.resource, [this, job = effect.job](int exit_code) {
        step(OutdateDone{job, exit_code});
    });
}

void Daemon::perform(OutdateAnswer& effect) {
    const auto found = outdates_.find(effect.id);
    if (found == outdates_.end()) {
        return;  // its time limit has passed
    }
    const ControlServer::Answer answer = std::move(found->second);
    outdates_.erase(found);
    control::Reply reply;
    reply.exit = effect.exit_code;
    answer(std::move(reply));
}

void Daemon::perform(Alarm& effect) {
    alarms_.raise(effect.kind, effect.text);
    control_.tell(
        {"alarm", {std::time(nullptr), std::string(name_of(effect.kind)), effect.text, ""}});
}

void Daemon::perform(Announce&) {
    addresses_.announce();
}

void Daemon::perform(StartProbe& effect) {
    const auto& monitors = configuration_.settings.policy.monitors;
    if (effect.monitor < monitors.size()) {
        probe_schedule_.start(
            effect.monitor, monitors[effect.monitor], configuration_.settings.resources);
    }
}

void Daemon::perform(StopProbe& effect) {
    probe_schedule_.stop(effect.monitor);
}

void Daemon::perform(StartClient& effect) {
    refresh_environment();
    clients_.start(effect.respawn);
}

void Daemon::perform(StopClients&) {
    clients_.stop_all();
}

void Daemon::perform(TickleWatchdog&) {
    watchdog_.tickle();
}

// Not before a restart, which follows in the same step: then the next process goes on feeding it.
void Daemon::perform(CloseWatchdog&) {
    boost::asio::post(io_, [this] {
        if (!ended_) {
            watchdog_.close();
        }
    });
}

void Daemon::perform(Log& effect) {
    log_.write(level_of(effect.severity), effect.text);
}

void Daemon::perform(Decision& effect) {
    log_.write(base::LogLevel::Info, "decision: " + effect.text + " (" + effect.facts + ")");
    control_.tell({"decision", {std::time(nullptr), "", effect.text, effect.facts}});
}

void Daemon::perform(CommandDone& effect) {
    if (effect.id == restart_) {
        on_restart_answered(effect);
    }
    const auto found = commands_.find(effect.id);
    if (found == commands_.end()) {
        return;  // a signal's, or answered when it was accepted
    }
    const ControlServer::Answer answer = std::move(found->second.answer);
    commands_.erase(found);
    control::Reply reply;
    reply.exit = effect.exit_code;
    reply.text = effect.text;
    answer(std::move(reply));
}

void Daemon::perform(RunRcScript& effect) {
    refresh_environment();
    rc_scripts_.run(effect.type, effect.environment);
}

void Daemon::perform(Exit&) {
    end({});
}

void Daemon::perform(Reboot& effect) {
    end({Ending::Kind::Reboot, Hold::none, effect.why, -1});
}

}  // namespace hb
