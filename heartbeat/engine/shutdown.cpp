#include "heartbeat/engine/shutdown.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kLookAgain{200};
constexpr Time kPatience{60'000};
constexpr Time kLeave{1000};  // for the partner to hear the last word
constexpr Time kStopClients{1000};
constexpr Time kRestartPause{30'000};  // added to the deadtime announced before a restart
constexpr Time kEmergencyExit{3'600'000};

}  // namespace

Time Shutdown::patience() const {
    return kPatience;
}

void Shutdown::begin(std::optional<CommandId> command) {
    if (command) {
        core_.emit(CommandDone{*command, 0, "shutdown begins"});
    }
    restart_ = false;  // also of a restart that is under way
    if (step_ != Step::none) {
        return;
    }
    core_.journal.info("Heartbeat shutdown in progress.");
    core_.journal.decide("Shutdown", fact("hold", word_of(core_.holdings.hold())));
    requested_at_ = core_.now;
    core_.takeover.cancel("this node shuts down");
    step_ = Step::delayed;
    if (!can_release()) {
        core_.journal.info("Shutdown delayed until current resource activity finishes.");
        timer_.set(core_.now + kLookAgain);
        return;
    }
    release();
}

// A stopped life must not wait: the partner may run the same resources already.
void Shutdown::begin_restart() {
    if (step_ == Step::none) {
        restart_ = true;  // else it is to end anyway
    }
    core_.takeover.cancel("this node restarts");
    if (!running()) {
        release();
    }
}

std::string Shutdown::refusal_to_restart() const {
    if (requested()) {
        return "the node is shutting down";
    }
    if (const std::string promised = core_.groups.promised(); !promised.empty()) {
        return promised;  // a new life would not know what still runs
    }
    if (core_.groups.busy() || !core_.standby.idle() || core_.takeover.pending() ||
        core_.partition.unsettled() || !core_.holdings.settled_in()) {
        return "resources are in transition: try again";
    }
    return {};
}

void Shutdown::keep_and_restart(CommandId command) {
    const std::string refusal = refusal_to_restart();
    if (!refusal.empty()) {
        core_.emit(CommandDone{command, 1, refusal});
        return;
    }
    core_.emit(CommandDone{command, 0, "restart begins"});
    core_.journal.decide("Restart; the resources go on running",
                         fact("hold", word_of(core_.holdings.hold())));
    core_.heartbeat.announce_pause(kRestartPause);
    core_.heartbeat.send_status();
    core_.heartbeat.close_watchdog();
    core_.emit(StopClients{});
    core_.emit(Restart{core_.holdings.hold()});
    core_.ended = true;
}

bool Shutdown::can_release() const {
    const bool moving =
        core_.groups.busy() || !core_.standby.idle() || core_.holdings.taking_over();
    return !moving || core_.now - requested_at_ >= kPatience;
}

void Shutdown::release() {
    step_ = Step::releasing;
    timer_.set(core_.now + kEmergencyExit);
    core_.takeover.on_given_up();
    core_.standby.on_partner_gone();
    core_.monitors.stop_all();
    core_.groups.abandon();
    core_.groups.kill_agent();
    core_.holdings.begin_shutdown();
    if (!core_.legacy()) {
        core_.holdings.report(false, "shutdown");
    }
    core_.groups.give(Purpose::shutdown, core_.groups.indexes(Hold::all));
}

void Shutdown::on_released() {
    if (step_ != Step::releasing) {
        return;
    }
    core_.journal.info("All HA resources relinquished.");
    wire::Message message("shutdone");
    message.set("st", "dead");
    core_.messenger.send(std::move(message));
    if (restart_) {
        core_.heartbeat.announce_pause(kRestartPause);
        core_.heartbeat.send_status();
    }
    core_.heartbeat.close_watchdog();
    step_ = Step::leaving;
    timer_.set(core_.now + kLeave);
}

void Shutdown::on_time() {
    if (!timer_.take(core_.now)) {
        return;
    }
    switch (step_) {
        case Step::none:
            break;
        case Step::delayed:
            if (can_release()) {
                release();
            } else {
                timer_.set(core_.now + kLookAgain);
            }
            break;
        case Step::releasing:
            core_.journal.critical("Resources were not released within an hour: leaving anyway");
            core_.reboot("resources could not be released");
            break;
        case Step::leaving:
            step_ = Step::stopping_clients;
            core_.emit(StopClients{});
            timer_.set(core_.now + kStopClients);
            break;
        case Step::stopping_clients:
            core_.journal.info(restart_ ? "Restarting heartbeat." : "Heartbeat shutdown complete.");
            if (restart_) {
                core_.emit(Restart{Hold::none});
            } else {
                core_.emit(Exit{});
            }
            core_.ended = true;
            break;
    }
}

}  // namespace hb
