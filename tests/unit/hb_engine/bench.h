// One engine on a bench: time by hand, agents that answer as they are told, and a partner whose
// messages the test writes.
#pragma once

#include "heartbeat/engine/engine.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace test {

inline constexpr const char* kVip = "IPaddr::10.77.0.100/24/eth0:1";

hb::Settings settings_for(
    const std::string& node,
    const std::string& ha_cf_lines = "auto_failback on\n",
    const std::string& haresources = "node-a IPaddr::10.77.0.100/24/eth0:1 mysqld\n",
    const std::string& policy = "");
hb::Start start_of(std::uint64_t generation = 100);

// The name of an operation on a resource, as the bench's books have it: "start mysqld".
std::string call(hb::AgentOperation operation, const std::string& resource);

class Bench {
public:
    explicit Bench(hb::Settings settings, hb::Start start = start_of());

    void start();
    void step(hb::Event::What what);
    // Lets time pass, waking the engine when it wants to be woken. The partner sends its status
    // each second while `partner_beats` is set.
    void pass(hb::Time time);

    // Time passes, and nobody wakes the engine.
    void stand_still(hb::Time time) { now += time; }

    // A message of the partner, numbered and signed off like a real node's.
    void hear(hb::wire::Message message);
    void partner_status(const std::string& state, const std::string& dt = "834");
    void resource(const std::string& hold, const std::string& stable);
    void ask(const std::string& hold, const std::string& info);
    // From the first heartbeat to "both are stable"; the partner holds what is said.
    void bring_up(const std::string& partner_hold = "none");
    // The partner has restarted: new generation, numbers from one.
    void partner_restarts();
    void partner_restarts_unheard();  // its first status that we hear is "active"

    // What was sent since the last call, without heartbeats and acknowledgements: "resource local
    // 1", "ask_resources all me" (type, rsc_hold, isstable, info; what is absent is left out).
    std::vector<std::string> said();
    bool has_said(const std::string& text);
    std::vector<hb::wire::Message> take_sent();

    template <typename T>
    std::vector<T> take() {
        std::vector<T> found;
        std::vector<hb::Effect> rest;
        for (hb::Effect& effect : kept) {
            if (T* wanted = std::get_if<T>(&effect)) {
                found.push_back(std::move(*wanted));
            } else {
                rest.push_back(std::move(effect));
            }
        }
        kept = std::move(rest);
        return found;
    }

    bool runs(const std::string& resource) const { return running.count(resource) > 0; }

    bool alarmed(hb::AlarmKind kind);

    std::string group_state(std::size_t index = 0) { return engine.status().groups[index].state; }

    hb::Engine engine;
    hb::Time now{1000};
    std::int64_t wall = 1'800'000'000;
    bool partner_beats = true;
    std::string partner_state = "active";
    bool answer_pings = false;
    bool answer_cut = true;

    std::set<std::string> running;               // resources that run on this machine
    std::map<std::string, hb::AgentDone> wrong;  // call() -> how it ends instead of well
    std::set<std::string> hanging;               // calls that do not end
    std::vector<std::string> calls;              // all calls of agents, in order
    hb::JobId last_job = 0;                      // of the last call
    std::vector<hb::Effect> kept;                // all effects but sent messages and logs
    std::vector<hb::wire::Message> sent;

private:
    void carry_out(hb::Effects effects);
    std::optional<hb::AgentDone> run_agent(const hb::RunAgent& run);

    std::uint64_t partner_seq_ = 0;
    std::uint64_t partner_generation_ = 50;
    hb::Time next_beat_{};
    std::vector<hb::SendPing> pings_;
};

}  // namespace test
