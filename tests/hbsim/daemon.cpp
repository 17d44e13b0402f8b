#include "tests/hbsim/daemon.h"

#include "base/require.h"
#include "heartbeat/engine/heartbeat.h"
#include "heartbeat/engine/text.h"

namespace hbsim {
namespace {

constexpr std::int64_t kEpochSeconds = 1'800'000'000;

std::string summary(const hb::wire::Message& message) {
    std::string out;
    for (const char* field : {"t",
                              "dest",
                              "seq",
                              "st",
                              "rsc_hold",
                              "isstable",
                              "rtype",
                              "info",
                              "node",
                              "result",
                              "dop_value"}) {
        if (message.has(field)) {
            out +=
                std::string(out.empty() ? "" : " ") + field + "=" + std::string(message.get(field));
        }
    }
    return out;
}

// Takes away what only our kind says. False: the whole message.
bool as_the_original(hb::wire::Message& message) {
    const std::string_view type = message.type();
    if (type == "handover_ended" || type == "takeover_notice" || type == "partition_claim") {
        return false;
    }
    hb::wire::Message known(type);
    for (const hb::wire::Field& field : message.fields()) {
        const bool added = field.name == "t" || field.name == "heard" || field.name == "handover" ||
                           field.name == "reason" ||
                           (field.name == "rsc_hold" && (type == "starting" || type == "status"));
        if (!added) {
            known.set_field(field);
        }
    }
    message = known;
    return true;
}

}  // namespace

Daemon::Daemon(Environment environment, hb::Settings settings, config::Authkeys keys)
    : env_(std::move(environment)), settings_(std::move(settings)), keys_(std::move(keys)) {
}

void Daemon::start(hb::Hold restart_hold) {
    REQUIRE(env_.machine.powered() && !running());
    hb::Start start{.generation = ++env_.machine.generation,
                    .seed = env_.world.prng.next(),
                    .restart_hold = restart_hold};
    start.uuid.fill(name(env_.machine.node())[5]);
    if (!env_.machine.heard.node.empty()) {
        start.heard.push_back(env_.machine.heard);
    }
    inherit_life(start);
    env_.world.trace(name(env_.machine.node()),
                     "daemon starts, generation " + std::to_string(start.generation));
    engine_.emplace(settings_, start);
    ++incarnation_;
    last_seq_ = 0;
    exited_ = false;
    stalled_until_ = Time{0};
    env_.machine.adopt_agents([this, incarnation = incarnation_](hb::Event::What what) {
        if (incarnation == incarnation_) {
            deliver(std::move(what));
        }
    });
    step(hb::Started{});
}

void Daemon::kill() {
    if (running()) {
        env_.world.trace(name(env_.machine.node()), "daemon is gone");
        env_.machine.orphan_agents();
        if (env_.machine.powered()) {
            keep_life();
        }
    }
    end();
}

void Daemon::keep_life() {
    const hb::Vitals vitals = engine_->vitals();
    env_.machine.life = LifeFile{vitals.hold, hold_until_, vitals};
}

// A person's restart brings its own hold; the rest is true in any case.
void Daemon::inherit_life(hb::Start& start) const {
    start.agents = env_.machine.earlier_agents();
    if (!env_.machine.life) {
        return;
    }
    const LifeFile& life = *env_.machine.life;
    const Time now = env_.world.now();
    start.given = life.vitals.given;
    start.may_run = life.vitals.groups;
    start.silence = now - life.vitals.heard;
    start.unheard = now - life.vitals.heard_us;
    if (life.vitals.stops_until) {
        start.stops_left = *life.vitals.stops_until - now;
    } else if (start.restart_hold == hb::Hold::none && now < life.hold_until) {
        start.restart_hold = life.hold;
    }
}

// On disk a new generation is there at once, the number of a message some time later; what lies in
// memory has the last one, and outlives the daemon, but not the machine.
void Daemon::keep_heard(bool with_number) {
    const hb::Vitals vitals = engine_->vitals();
    hb::Heard& kept = env_.machine.heard;
    if (vitals.partner_generation > kept.generation) {
        kept = {vitals.partner, vitals.partner_generation, 0};
    }
    if (with_number && vitals.partner_generation == kept.generation) {
        kept.sequence = std::max(kept.sequence, vitals.partner_sequence);
    }
}

void Daemon::end() {
    if (engine_) {
        keep_heard(env_.machine.powered());
    }
    engine_.reset();
    ++incarnation_;
    waiting_.clear();
    unanswered_.clear();
    probes_.clear();
    if (tick_) {
        env_.world.cancel(*tick_);
        tick_.reset();
    }
    if (!env_.machine.powered() && watchdog_) {
        env_.world.cancel(*watchdog_);
        watchdog_.reset();
    }
}

void Daemon::stall(Time duration) {
    env_.world.trace(name(env_.machine.node()),
                     "daemon stands still for " + std::to_string(duration.count()) + " ms");
    stalled_until_ = env_.world.now() + duration;
    later(duration, [this] {
        if (env_.world.now() < stalled_until_) {
            return;
        }
        for (hb::Event::What& what : std::exchange(waiting_, {})) {
            deliver(std::move(what));
        }
        deliver(hb::Tick{});
    });
}

void Daemon::receive(const std::string& medium, const std::string& bytes) {
    if (!running()) {
        return;
    }
    auto message = hb::wire::decode(bytes, keys_);
    if (!message) {
        ++refused_;
        return;
    }
    if (without_additions && !as_the_original(*message)) {
        return;
    }
    deliver(hb::Received{medium, std::move(*message)});
}

void Daemon::deliver(hb::Event::What what) {
    if (!running()) {
        return;
    }
    if (env_.world.now() < stalled_until_) {
        waiting_.push_back(std::move(what));
        return;
    }
    step(std::move(what));
}

hb::CommandId Daemon::command(hb::Command::Verb verb, const std::string& arg) {
    const hb::CommandId id = ++last_command_;
    env_.world.trace(name(env_.machine.node()),
                     "command " + std::to_string(static_cast<int>(verb)) + " " + arg);
    if (running()) {
        unanswered_.insert(id);
    }
    deliver(hb::Command{id, verb, arg});
    return id;
}

void Daemon::reload(const config::Haresources& resources, const config::HaPolicy& policy) {
    env_.world.trace(name(env_.machine.node()), "haresources and ha_policy.cf are read anew");
    settings_.resources = resources;
    settings_.policy = policy;
    deliver(hb::SettingsChanged{resources, policy});
}

void Daemon::reload_deadtime(Time deadtime) {
    env_.world.trace(name(env_.machine.node()),
                     "ha.cf has a deadtime of " + std::to_string(deadtime.count()) + " ms");
    settings_.ha_cf.deadtime = deadtime;
    command(hb::Command::Verb::restart);
}

std::optional<hb::CommandDone> Daemon::result(hb::CommandId id) const {
    const auto found = results_.find(id);
    return found == results_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Daemon::decided(std::string_view words) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        decisions_, [&](const std::string& each) { return each.find(words) != each.npos; }));
}

void Daemon::step(hb::Event::What what) {
    hb::Effects effects;
    const std::uint64_t incarnation = incarnation_;
    engine_->step(
        {.now = env_.world.now(), .wall_seconds = wall_seconds(), .what = std::move(what)},
        effects);
    execute(effects.list());
    if (incarnation == incarnation_) {
        schedule_tick();
    }
}

void Daemon::execute(const std::vector<hb::Effect>& effects) {
    const std::uint64_t incarnation = incarnation_;
    for (const hb::Effect& effect : effects) {
        if (effects_until_power_cut >= 0 && effects_until_power_cut-- == 0) {
            env_.reboot(env_.machine.node());
        }
        if (incarnation != incarnation_) {
            return;
        }
        std::visit([this](const auto& each) { perform(each); }, effect);
    }
}

void Daemon::schedule_tick() {
    if (tick_) {
        env_.world.cancel(*tick_);
        tick_.reset();
    }
    if (const auto wakeup = engine_->next_wakeup()) {
        // A timer of the real world is never early and a little late. Always ahead of now, so that
        // an engine that wants to be woken in the past is slow, but does not stop the world.
        tick_ = env_.world.at(std::max(*wakeup, env_.world.now() + Time(1)), [this] {
            tick_.reset();
            deliver(hb::Tick{});
        });
    }
}

std::int64_t Daemon::wall_seconds() const {
    return kEpochSeconds + clock_offset_ + env_.world.now().count() / 1000;
}

void Daemon::later(Time delay, std::function<void()> what) {
    env_.world.after(delay, [this, incarnation = incarnation_, what = std::move(what)] {
        if (incarnation == incarnation_) {
            what();
        }
    });
}

// Generations and sequence numbers only grow; but for retransmissions, which have an old number.
void Daemon::check_message(const hb::wire::Message& message) {
    const std::string_view type = message.type();
    if (type.empty() || message.get("src") != name(env_.machine.node())) {
        env_.world.fail("a message without type or with a foreign sender was sent");
        return;
    }
    const auto generation = hb::parse_hex(message.get("hg"));
    if (!generation || *generation != env_.machine.generation) {
        env_.world.fail("a message with a wrong generation was sent: " + summary(message));
    }
    if (type.starts_with("NS_")) {
        return;
    }
    const auto seq = hb::parse_hex(message.get("seq"));
    if (!seq || *seq == 0 || *seq > last_seq_ + 1) {
        env_.world.fail("a message with a wrong sequence number was sent: " + summary(message));
        return;
    }
    last_seq_ = std::max(last_seq_, *seq);
}

void Daemon::perform(const hb::Send& effect) {
    check_message(effect.message);
    hb::wire::Message message = effect.message;
    if (message.has("ld")) {
        message.set("ld", "0.10 0.20 0.30 1/100 1000");
    }
    if (message.type() == "status") {
        const auto announced = hb::parse_hex(message.get("dt")).value_or(0);
        hold_until_ = env_.world.now() + Time(static_cast<Time::rep>(announced));
    }
    if (message.type() == "status" && deadtime_announced_more > Time{0}) {
        const auto announced = hb::parse_hex(message.get("dt")).value_or(0);
        const auto more = static_cast<std::uint64_t>(deadtime_announced_more.count());
        message.set("dt", hb::to_hex(announced + more));
    }
    if (message.type() != "status" && message.type() != "NS_ackmsg") {
        env_.world.trace(name(env_.machine.node()), "-> " + summary(message));
    }
    if (watchful) {
        check_truth(message);
    }
    if (!without_additions || as_the_original(message)) {
        env_.network.send(env_.machine.node(), encode_netstring(message, keys_, true));
    }
}

// Who says that it is stable has nothing at work, nor left running, of what it does not name.
void Daemon::check_truth(const hb::wire::Message& message) {
    const bool again = hb::parse_hex(message.get("seq")).value_or(0) < last_seq_;  // a repetition
    if (message.type() != "resource" || message.get("isstable") != "1" || again ||
        env_.machine.misled()) {
        return;
    }
    for (const config::ResourceGroup& group : settings_.resources.groups) {
        const bool local = group.node == name(env_.machine.node());
        const std::string_view hold = message.get("rsc_hold");
        if (hold == "all" || hold == (local ? "local" : "foreign")) {
            continue;
        }
        for (const config::ResourceWord& word : group.words) {
            if (env_.machine.runs(word.text) || env_.machine.works_on(word.text)) {
                env_.world.fail(std::string(name(env_.machine.node())) + " says [stable, " +
                                std::string(hold) + "], but " + word.text + " runs or stops there");
            }
        }
    }
}

void Daemon::check_alarms() {
    constexpr Time kHour = 3600s;
    constexpr std::size_t kMost = 400;  // with a fault every few seconds
    alarmed_at_.push_back(env_.world.now());
    while (env_.world.now() - alarmed_at_.front() > kHour) {
        alarmed_at_.pop_front();
    }
    if (watchful && alarmed_at_.size() > kMost) {
        env_.world.fail(std::string(name(env_.machine.node())) +
                        " raises an alarm every few seconds");
    }
}

// A daemon that goes, or gives everything up, leaves nothing that nobody watches.
void Daemon::check_nothing_left_behind() {
    if (watchful && !env_.machine.running().empty() && !env_.machine.misled()) {
        env_.world.fail(std::string("the daemon of ") + name(env_.machine.node()) +
                        " has gone, and " + *env_.machine.running().begin() + " runs on");
    }
}

void Daemon::perform(const hb::SendPing& effect) {
    env_.network.ping(
        env_.machine.node(), effect.node, encode_netstring(effect.message, keys_, true));
}

void Daemon::perform(const hb::RunAgent& effect) {
    env_.machine.run_agent(effect, [this, incarnation = incarnation_](hb::Event::What what) {
        if (incarnation == incarnation_) {
            deliver(std::move(what));
        }
    });
}

void Daemon::perform(const hb::KillAgent& effect) {
    env_.machine.kill_agent(effect.job);
}

// The device acts whether or not who asked lives to hear of it.
void Daemon::perform(const hb::Fence& effect) {
    ++fencings_;
    env_.world.trace(name(env_.machine.node()), "fences " + effect.node);
    const Node target = other(env_.machine.node());
    const bool works = env_.fence.works;
    const Time delay = env_.world.between(env_.fence.delay_min, env_.fence.delay_max);
    env_.world.after(delay, [this, works, target, effect, incarnation = incarnation_] {
        if (!env_.machine.powered()) {
            return;  // the call died with the machine that made it
        }
        if (works) {
            env_.fence.cut_power(target);
        }
        if (incarnation == incarnation_) {
            deliver(hb::FenceDone{effect.job, effect.node, works, works ? "off" : "no answer"});
        }
    });
}

void Daemon::perform(const hb::CutReplication&) {
    later(env_.world.between(1ms, 20ms), [this] {
        for (const auto& storage : env_.storages) {
            storage->drop_connection(env_.machine.node());
        }
        deliver(hb::ReplicationCut{true, "dropped"});
    });
}

void Daemon::perform(const hb::RunOutdate& effect) {
    later(env_.world.between(5ms, 50ms), [this, effect] {
        for (const auto& storage : env_.storages) {
            if (storage->resource() == effect.resource) {
                deliver(hb::OutdateDone{effect.job, storage->outdate(env_.machine.node())});
                return;
            }
        }
        deliver(hb::OutdateDone{effect.job, 20});
    });
}

void Daemon::perform(const hb::OutdateAnswer& effect) {
    env_.world.trace(name(env_.machine.node()),
                     "fence-peer handler exits " + std::to_string(effect.exit_code));
    outdate_answers_.push_back(effect.exit_code);
    on_outdate_answer(effect.id, effect.exit_code);
}

void Daemon::perform(const hb::Alarm& effect) {
    env_.world.trace(name(env_.machine.node()), "ALARM " + effect.text);
    alarms_.push_back(effect.kind);
    gave_up_ = gave_up_ || effect.text.find(" is given up: ") != std::string::npos;
    check_alarms();
}

void Daemon::perform(const hb::Announce&) {
    ++announcements_;
}

void Daemon::perform(const hb::StartProbe& effect) {
    const std::uint64_t number = ++probe_number_;
    probes_[effect.monitor] = number;
    run_probe(effect.monitor, number);
}

void Daemon::run_probe(std::size_t monitor, std::uint64_t number) {
    later(settings_.policy.monitors.at(monitor).interval, [this, monitor, number] {
        const auto probe = probes_.find(monitor);
        const bool gone = monitor >= settings_.policy.monitors.size();  // the engine stands still
        if (gone || probe == probes_.end() || probe->second != number) {
            return;
        }
        const config::HaMonitor& settings = settings_.policy.monitors.at(monitor);
        bool ok = true;
        for (const config::ResourceWord* word : monitored_words(settings, settings_.resources)) {
            ok = ok && env_.machine.runs(word->text);
        }
        run_probe(monitor, number);
        deliver(hb::ProbeDone{monitor, ok, ok ? "ok" : "no answer"});
    });
}

void Daemon::perform(const hb::StopProbe& effect) {
    probes_.erase(effect.monitor);
}

void Daemon::perform(const hb::StartClient&) {
}

void Daemon::perform(const hb::StopClients&) {
}

// The watchdog is hardware: it acts also when the daemon is killed or stands still.
void Daemon::perform(const hb::TickleWatchdog&) {
    if (!watchdog) {
        return;
    }
    if (watchdog_) {
        env_.world.cancel(*watchdog_);
    }
    watchdog_ = env_.world.after(hb::watchdog_timeout(settings_.ha_cf.deadtime), [this] {
        watchdog_.reset();
        env_.world.trace(name(env_.machine.node()), "the watchdog resets the machine");
        env_.reboot(env_.machine.node());
    });
}

void Daemon::perform(const hb::CloseWatchdog&) {
    if (watchdog_) {
        env_.world.cancel(*watchdog_);
        watchdog_.reset();
    }
}

void Daemon::perform(const hb::Log& effect) {
    if (effect.severity != hb::Severity::debug) {
        env_.world.trace(name(env_.machine.node()), "log: " + effect.text);
    }
}

void Daemon::perform(const hb::Decision& effect) {
    env_.world.trace(name(env_.machine.node()), "DECISION " + effect.text + " | " + effect.facts);
    decisions_.push_back(effect.text);
}

void Daemon::perform(const hb::CommandDone& effect) {
    env_.world.trace(name(env_.machine.node()),
                     "command " + std::to_string(effect.id) + " -> " +
                         std::to_string(effect.exit_code) + " " + effect.text);
    unanswered_.erase(effect.id);
    results_[effect.id] = effect;
}

void Daemon::perform(const hb::RunRcScript&) {
}

void Daemon::perform(const hb::Restart& effect) {
    env_.world.trace(name(env_.machine.node()), "daemon replaces itself");
    ++restarts_;
    if (effect.hold == hb::Hold::none) {
        check_nothing_left_behind();
        env_.machine.life.reset();
    } else {
        keep_life();
    }
    env_.machine.kill_all_agents();
    end();
    later(env_.world.between(100ms, 1s), [this, hold = effect.hold] {
        if (env_.machine.powered() && !running()) {
            start(hold);
        }
    });
}

void Daemon::perform(const hb::Exit&) {
    env_.world.trace(name(env_.machine.node()), "daemon exits");
    check_nothing_left_behind();
    env_.machine.life.reset();
    env_.machine.kill_all_agents();
    end();
    exited_ = true;
}

void Daemon::perform(const hb::Reboot& effect) {
    env_.world.trace(name(env_.machine.node()), "daemon resets the machine: " + effect.why);
    env_.reboot(env_.machine.node());
}

}  // namespace hbsim
