// What the parts of the engine share: settings, the present event's time, and each other. Every
// part has one subject; they meet here and in engine.cpp, which hands out the events.
#pragma once

#include "base/prng.h"
#include "heartbeat/engine/audit.h"
#include "heartbeat/engine/clients.h"
#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/heartbeat.h"
#include "heartbeat/engine/holdings.h"
#include "heartbeat/engine/ipfail.h"
#include "heartbeat/engine/isolation.h"
#include "heartbeat/engine/joining.h"
#include "heartbeat/engine/journal.h"
#include "heartbeat/engine/legacy.h"
#include "heartbeat/engine/membership.h"
#include "heartbeat/engine/messenger.h"
#include "heartbeat/engine/monitors.h"
#include "heartbeat/engine/outdating.h"
#include "heartbeat/engine/partition.h"
#include "heartbeat/engine/shutdown.h"
#include "heartbeat/engine/standby.h"
#include "heartbeat/engine/stragglers.h"
#include "heartbeat/engine/takeover.h"

#include <utility>

namespace hb {

struct Core {
    Core(Settings settings_in, Start start_in);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    void step(const Event& event, Effects& effects);
    Time next_wakeup() const;

    // After Restart, Exit or Reboot nothing comes out any more.
    template <typename T>
    void emit(T effect) {
        if (!ended) {
            out->add(std::move(effect));
        }
    }

    JobId new_job() { return ++last_job; }

    bool legacy() const { return settings.ha_cf.auto_failback == config::AutoFailback::Legacy; }

    // A message that was accepted, for us, from another node.
    void deliver(Node& from, const wire::Message& message);
    // All agents of a batch have done their work (or failed to).
    void on_batch_done(const BatchResult& result);
    void on_communication_up();
    void on_node_dead(Node& node);
    // A node that was dead speaks again. `healed`: in the life in which it was declared dead.
    void on_node_returned(Node& node, bool healed);
    void on_node_restarted(Node& node);
    void reboot(const std::string& why);

    Settings settings;
    Start start;
    base::Prng prng;
    Time now{};
    std::int64_t wall_seconds = 0;
    Effects* out = nullptr;  // of the step that runs
    bool started = false;
    bool ended = false;
    JobId last_job = 0;

    Journal journal{*this};
    Membership members{*this};
    Messenger messenger{*this};
    Heartbeat heartbeat{*this};
    Joining joining{*this};
    Groups groups{*this};
    Stragglers stragglers{*this};
    Holdings holdings{*this};
    Standby standby{*this};
    Takeover takeover{*this};
    Isolation isolation{*this};
    Partition partition{*this};
    Legacy legacy_mode{*this};
    Audit audit{*this};
    Shutdown shutdown{*this};
    Ipfail ipfail{*this};
    Monitors monitors{*this};
    Outdating outdating{*this};
    Clients clients{*this};

private:
    void dispatch(const Event& event);
    void begin();
    void on_time();
    bool deliver_to_resources(Node& from, const wire::Message& message);
    bool deliver_to_clients(Node& from, const wire::Message& message);
    void run_script(const wire::Message& message);
    void on_local_message(const wire::Message& message);
    void on_command(const Command& command);
    std::string standby_command(const std::string& arg);
    std::string takeover_command(const std::string& arg);
    std::string begin_handover(const Command& command);
    void on_settings(const SettingsChanged& changed);
};

Snapshot snapshot_of(const Core& core);

}  // namespace hb
