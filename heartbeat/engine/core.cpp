#include "heartbeat/engine/core.h"

#include "heartbeat/engine/text.h"

#include <algorithm>
#include <type_traits>

namespace hb {

Core::Core(Settings settings_in, Start start_in)
    : settings(std::move(settings_in)), start(start_in), prng(start_in.seed) {
}

void Core::step(const Event& event, Effects& effects) {
    if (ended) {
        return;
    }
    out = &effects;
    now = std::max(now, event.now);
    wall_seconds = event.wall_seconds;
    if (const Time silence = started ? heartbeat.stall() : Time{0}; silence > Time{0}) {
        isolation.on_stall(now - silence);
        partition.on_stall(silence);
    }
    dispatch(event);
    if (started) {
        on_time();
    }
    out = nullptr;
}

void Core::dispatch(const Event& event) {
    const bool first = std::holds_alternative<Started>(event.what);
    if (first == started) {
        return;  // before the start nothing counts, and there is only one
    }
    std::visit(
        [this](const auto& what) {
            using T = std::decay_t<decltype(what)>;
            if constexpr (std::is_same_v<T, Started>) {
                begin();
            } else if constexpr (std::is_same_v<T, Received>) {
                messenger.on_received(what.medium, what.message);
            } else if constexpr (std::is_same_v<T, MediumDown>) {
                members.on_medium_down(what.medium, what.why);
            } else if constexpr (std::is_same_v<T, MediumUp>) {
                journal.info("Medium " + what.medium + " works again.");
            } else if constexpr (std::is_same_v<T, LocalMessage>) {
                on_local_message(what.message);
            } else if constexpr (std::is_same_v<T, AgentDone>) {
                groups.on_agent_done(what);
            } else if constexpr (std::is_same_v<T, AgentStuck>) {
                groups.on_agent_stuck(what.job);
            } else if constexpr (std::is_same_v<T, FenceDone>) {
                takeover.on_fence_done(what);
            } else if constexpr (std::is_same_v<T, ProbeDone>) {
                monitors.on_probe_done(what);
            } else if constexpr (std::is_same_v<T, AddressConflict>) {
                audit.on_address_conflict(what);
            } else if constexpr (std::is_same_v<T, Command>) {
                on_command(what);
            } else if constexpr (std::is_same_v<T, ClientExited>) {
                clients.on_exited(what);
            } else if constexpr (std::is_same_v<T, ReplicationCut>) {
                takeover.on_replication_cut(what);
            } else if constexpr (std::is_same_v<T, OutdateRequest>) {
                outdating.on_request(what);
            } else if constexpr (std::is_same_v<T, OutdateDone>) {
                outdating.on_done(what);
            } else if constexpr (std::is_same_v<T, SettingsChanged>) {
                on_settings(what);
            } else {
                static_assert(std::is_same_v<T, Tick>);
            }
        },
        event.what);
}

void Core::begin() {
    started = true;
    journal.info("Configuration validated. Starting heartbeat, generation " +
                 std::to_string(start.generation));
    if (legacy()) {
        journal.warning(
            "auto_failback legacy: neither standby nor ipfail work; set it to on or off");
    }
    members.start();
    messenger.start();
    groups.start();
    stragglers.start();
    monitors.start();
    ipfail.start();
    heartbeat.start();
    isolation.start();
    holdings.start();
}

// Deaths first: what follows from them is done in the same step.
void Core::on_time() {
    members.on_time();
    joining.on_time();
    messenger.on_time();
    heartbeat.on_time();
    holdings.on_time();
    standby.on_time();
    groups.on_time();
    takeover.on_time();
    isolation.on_time();
    partition.on_time();
    legacy_mode.on_time();
    audit.on_time();
    shutdown.on_time();
    ipfail.on_time();
    outdating.on_time();
}

Time Core::next_wakeup() const {
    const Time soonest = std::min({members.next(),
                                   joining.next(),
                                   messenger.next(),
                                   heartbeat.next(),
                                   holdings.next(),
                                   standby.next(),
                                   groups.next(),
                                   takeover.next(),
                                   isolation.next(),
                                   partition.next(),
                                   legacy_mode.next(),
                                   audit.next(),
                                   shutdown.next(),
                                   ipfail.next(),
                                   outdating.next()});
    return std::max(soonest, now + Time{1});
}

void Core::on_communication_up() {
    journal.info("Comm_now_up(): updating status to active");
    heartbeat.become_active();
    holdings.on_communication_up();
    clients.on_communication_up();
    ipfail.on_communication_up();
    legacy_mode.on_communication_up();
    takeover.on_communication_up();
}

void Core::on_node_dead(Node& node) {
    if (&node == members.partner()) {
        standby.on_partner_gone();
        ipfail.on_partner_gone();
        outdating.on_partner_gone();
        legacy_mode.on_partner_gone();
        partition.on_partner_dead();
        takeover.on_partner_dead(node);
    }
    isolation.on_node_dead();
}

void Core::on_node_returned(Node& node, bool healed) {
    if (&node != members.partner()) {
        return;
    }
    journal.partner_returned();
    takeover.partner_heard();
    const bool pending = takeover.cancel("node " + node.name + " is back", healed);
    isolation.ended();
    groups.on_partner_stable();  // or soon will be
    const bool both_restart = healed && !pending && !node.ours;
    holdings.on_partner_returned(healed, node.state == NodeState::active, both_restart);
    legacy_mode.on_partner_returned(!healed && node.state == NodeState::active);
    if (healed) {
        partition.on_healed(node, pending);
    }
}

void Core::on_node_restarted(Node& node) {
    if (&node != members.partner()) {
        return;
    }
    takeover.forget_refutation();
    takeover.partner_heard();
    takeover.on_partner_restarted();
    standby.on_partner_gone();
    outdating.on_partner_restarted();
    holdings.on_partner_restarted();
    partition.on_partner_restarted();
}

void Core::on_batch_done(const BatchResult& result) {
    switch (result.purpose) {
        case Purpose::look:
            holdings.on_looked();
            break;
        case Purpose::look_again:
            holdings.on_looked_again();
            break;
        case Purpose::own:
            holdings.report(true, "req_our_resources()");
            takeover.on_own_taken(result.ok);
            break;
        case Purpose::takeover:
            holdings.takeover_done();
            takeover.on_foreign_taken(result.ok);
            break;
        case Purpose::standby_give:
            if (!standby.on_given()) {
                holdings.report();
            }
            break;
        case Purpose::standby_take:
            standby.on_taken(result.ok);
            break;
        case Purpose::isolation:
            isolation.on_released();
            holdings.report();
            break;
        case Purpose::adopt:
        case Purpose::conflict:
        case Purpose::take_back:
            holdings.report();
            break;
        case Purpose::legacy_give:
        case Purpose::legacy_take:
        case Purpose::retry:
        case Purpose::monitor:
            break;
        case Purpose::shutdown:
            isolation.on_released();  // it may have begun as one
            shutdown.on_released();
            break;
    }
}

void Core::reboot(const std::string& why) {
    emit(Reboot{why});
    ended = true;
}

}  // namespace hb
