#include "tests/unit/hb_engine/bench.h"

#include "heartbeat/engine/text.h"

#include <gtest/gtest.h>

namespace test {

using hb::Time;
using hb::wire::Message;

hb::Settings settings_for(const std::string& node,
                          const std::string& ha_cf_lines,
                          const std::string& haresources,
                          const std::string& policy) {
    hb::Settings settings;
    settings.node = node;
    auto conf = config::parse_ha_cf("ha.cf",
                                    "keepalive 1\ndeadtime 2100ms\nwarntime 1500ms\ninitdead 12\n"
                                    "ucast eth1 10.77.1.2\nnode node-a node-b\n" +
                                        ha_cf_lines);
    EXPECT_TRUE(conf.ok()) << conf.findings.errors.front();
    settings.ha_cf = conf.value;
    auto resources = config::parse_haresources("haresources", haresources);
    EXPECT_TRUE(resources.ok()) << resources.findings.errors.front();
    settings.resources = resources.value;
    auto parsed = config::parse_ha_policy("ha_policy.cf", policy);
    EXPECT_TRUE(parsed.ok()) << parsed.findings.errors.front();
    settings.policy = parsed.value;
    return settings;
}

hb::Start start_of(std::uint64_t generation) {
    hb::Start start;
    start.generation = generation;
    start.uuid.fill('A');
    start.seed = 7;
    return start;
}

std::string call(hb::AgentOperation operation, const std::string& resource) {
    switch (operation) {
        case hb::AgentOperation::start:
            return "start " + resource;
        case hb::AgentOperation::stop:
            return "stop " + resource;
        case hb::AgentOperation::status:
            return "status " + resource;
    }
    return {};
}

Bench::Bench(hb::Settings settings, hb::Start start) : engine(std::move(settings), start) {
}

void Bench::start() {
    step(hb::Started{});
}

void Bench::step(hb::Event::What what) {
    hb::Effects effects;
    engine.step(hb::Event{now, wall + now.count() / 1000, std::move(what)}, effects);
    carry_out(std::move(effects));
}

std::optional<hb::AgentDone> Bench::run_agent(const hb::RunAgent& run) {
    const std::string what = call(run.operation, run.resource.text);
    calls.push_back(what);
    last_job = run.job;
    if (hanging.count(what) > 0) {
        return std::nullopt;
    }
    hb::AgentDone done;
    if (const auto bad = wrong.find(what); bad != wrong.end()) {
        done = bad->second;
    } else if (run.operation == hb::AgentOperation::start) {
        running.insert(run.resource.text);
    } else if (run.operation == hb::AgentOperation::stop) {
        running.erase(run.resource.text);
    } else {
        done.output = runs(run.resource.text) ? "running\n" : "stopped\n";
        done.exit_code = runs(run.resource.text) ? 0 : 3;
    }
    done.job = run.job;
    return done;
}

void Bench::carry_out(hb::Effects effects) {
    std::vector<hb::Event::What> next;
    for (hb::Effect& effect : effects.list()) {
        if (auto* send = std::get_if<hb::Send>(&effect)) {
            sent.push_back(std::move(send->message));
        } else if (auto* ping = std::get_if<hb::SendPing>(&effect)) {
            if (answer_pings) {
                next.push_back(hb::Received{ping->node, ping->message});
            }
        } else if (auto* run = std::get_if<hb::RunAgent>(&effect)) {
            if (const auto done = run_agent(*run)) {
                next.push_back(*done);
            }
        } else if (std::holds_alternative<hb::CutReplication>(effect)) {
            kept.push_back(effect);
            if (answer_cut) {
                next.push_back(hb::ReplicationCut{true, ""});
            }
        } else if (!std::holds_alternative<hb::Log>(effect)) {
            kept.push_back(std::move(effect));
        }
    }
    for (hb::Event::What& what : next) {
        step(std::move(what));
    }
}

void Bench::pass(Time time) {
    const Time end = now + time;
    while (now < end) {
        Time next = engine.next_wakeup().value_or(end);
        if (partner_beats) {
            next = std::min(next, next_beat_);
        }
        now = std::clamp(next, now, end);
        if (partner_beats && now >= next_beat_) {
            next_beat_ = now + Time{1000};
            partner_status(partner_state);
        }
        step(hb::Tick{});
    }
}

void Bench::hear(Message message) {
    message.set("src", "node-b").set_binary("srcuuid", "BBBBBBBBBBBBBBBB");
    if (!message.type().starts_with("NS_")) {
        message.set("seq", hb::to_hex(++partner_seq_));
    }
    message.set("hg", hb::to_hex(partner_generation_)).set("ts", "6b006770").set("ttl", "3");
    step(hb::Received{"eth1", std::move(message)});
}

void Bench::partner_status(const std::string& state, const std::string& dt) {
    partner_state = state;
    next_beat_ = now + Time{1000};
    Message message("status");
    message.set("st", state).set("dt", dt).set("protocol", "1");
    hear(std::move(message));
}

void Bench::resource(const std::string& hold, const std::string& stable) {
    Message message("resource");
    message.set("rsc_hold", hold).set("rtype", "full").set("isstable", stable);
    hear(std::move(message));
}

void Bench::ask(const std::string& hold, const std::string& info) {
    Message message("ask_resources");
    message.set("rsc_hold", hold).set("info", info);
    hear(std::move(message));
}

void Bench::bring_up(const std::string& partner_hold) {
    start();
    partner_status("up");
    Message answer("repnodes");
    answer.set("dest", "node-a").set("nodelist", "node-a node-b ").set("delnodelist", " ");
    hear(std::move(answer));
    partner_status("active");
    hear(Message("starting"));
    resource(partner_hold, "1");
    pass(Time{1000});
    resource(partner_hold, "1");
    pass(Time{11'000});
    take_sent();
    kept.clear();
    calls.clear();
}

void Bench::partner_restarts() {
    ++partner_generation_;
    partner_seq_ = 0;
    partner_status("init");
    partner_status("up");
}

void Bench::partner_restarts_unheard() {
    ++partner_generation_;
    partner_seq_ = 40;
    partner_status("active");
}

std::vector<Message> Bench::take_sent() {
    return std::exchange(sent, {});
}

std::vector<std::string> Bench::said() {
    std::vector<std::string> list;
    for (const Message& message : take_sent()) {
        if (message.type() == "status" || message.type().starts_with("NS_")) {
            continue;
        }
        std::string text(message.type());
        for (const char* field : {"rsc_hold", "isstable", "info", "result", "num_ping"}) {
            if (message.has(field)) {
                text += " " + std::string(message.get(field));
            }
        }
        list.push_back(text);
    }
    return list;
}

bool Bench::has_said(const std::string& text) {
    const auto list = said();
    return std::find(list.begin(), list.end(), text) != list.end();
}

bool Bench::alarmed(hb::AlarmKind kind) {
    const auto alarms = take<hb::Alarm>();
    return std::any_of(
        alarms.begin(), alarms.end(), [&](const hb::Alarm& alarm) { return alarm.kind == kind; });
}

}  // namespace test
