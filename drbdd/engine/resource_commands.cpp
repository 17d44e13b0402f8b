// The order of the administrator's commands, and what becomes of one that takes its time: design
// note "commands and time-outs".
#include "drbdd/engine/resource.h"

#include <algorithm>

namespace engine {

namespace {

constexpr const char* kNotDone = "; nothing was changed";

// What a command touches. Two that share something are begun one after the other.
enum class Reach : std::uint8_t { Nothing, Connection, Volume, Everything };

struct Scope {
    Reach reach = Reach::Everything;
    VolumeNumber volume{};
};

Scope scope_of(const AdminCommand& command) {
    return std::visit(
        [](const auto& c) -> Scope {
            using T = std::decay_t<decltype(c)>;
            if constexpr (std::is_same_v<T, ChangeSettings> || std::is_same_v<T, PeerSuspect>) {
                return {Reach::Nothing, {}};
            } else if constexpr (std::is_same_v<T, PeerDead> || std::is_same_v<T, Down>) {
                return {Reach::Connection, {}};
            } else if constexpr (std::is_same_v<T, Detach>) {
                return {c.force ? Reach::Nothing : Reach::Volume, c.volume};
            } else if constexpr (std::is_same_v<T, Attach> || std::is_same_v<T, Invalidate> ||
                                 std::is_same_v<T, InvalidateRemote> ||
                                 std::is_same_v<T, PauseSync> || std::is_same_v<T, Outdate>) {
                return {Reach::Volume, c.volume};
            } else {
                return {Reach::Everything, {}};
            }
        },
        command);
}

bool overlap(const Scope& a, const Scope& b) {
    if (a.reach == Reach::Nothing || b.reach == Reach::Nothing) {
        return false;
    }
    if (a.reach == Reach::Everything || b.reach == Reach::Everything) {
        return true;
    }
    return a.reach == b.reach && a.volume == b.volume;
}

}  // namespace

void Resource::advance_admin() {
    for (auto it = commands_.begin(); it != commands_.end();) {
        if (!must_wait(*it) && run(*it)) {
            it = commands_.erase(it);
            core_.progress = true;
        } else {
            ++it;
        }
    }
    for (auto it = commands_.begin(); it != commands_.end();) {
        if (it->answered || it->deadline > core_.now) {
            ++it;
        } else if (it->decided) {
            answer_late(*it);
            ++it;
        } else {
            take_back(*it);
            it = commands_.erase(it);
            core_.progress = true;
        }
    }
}

bool Resource::must_wait(const Running& running) const {
    if (running.not_before > core_.now && core_.now < running.deadline) {
        return true;
    }
    const Scope scope = scope_of(running.command);
    for (const Running& earlier : commands_) {
        if (&earlier == &running) {
            return false;
        }
        if (!earlier.answered && overlap(scope_of(earlier.command), scope)) {
            return true;
        }
    }
    REQUIRE(false);  // it is one of them
}

bool Resource::taking_down() const {
    return std::any_of(commands_.begin(), commands_.end(), [](const Running& running) {
        return running.decided && std::holds_alternative<Down>(running.command);
    });
}

// The disk of an attach that has not begun goes back to the runtime.
void Resource::give_back_disk(const Running& running) {
    if (const auto* attach = std::get_if<Attach>(&running.command)) {
        const Device* device = find(attach->volume);
        if (device != nullptr && !device->disk.is_open()) {
            core_.emit(CloseDisk{attach->volume});
        }
    }
}

void Resource::refuse_going_down(const Running& running) {
    give_back_disk(running);
    done(running,
         static_cast<int>(StateCode::InTransientState),
         std::string(text(StateCode::InTransientState)) + "\nthe resource is being taken down");
}

// The deadline has come. An answer is all that changes.
void Resource::answer_late(Running& running) {
    running.answered = true;
    core_.emit(AdminStillRunning{
        running.id,
        "still waiting for " + what_is_awaited(running) + "; it goes on and may still happen"});
    core_.progress = true;  // whoever waited for the answer
}

// The deadline has come before anything was decided: what was asked of the peer is withdrawn, also
// for volumes to which it has agreed.
void Resource::take_back(const Running& running) {
    REQUIRE(!running.decided && !running.answered);
    const std::string why = why_not(running);
    const Scope scope = scope_of(running.command);
    for (const auto& device : devices_) {
        const bool ours = scope.reach == Reach::Everything ||
                          (scope.reach == Reach::Volume && scope.volume == device->number());
        if (ours && running.stage > 0) {
            device->peer.forget_request();
            device->peer.announce_state();
        }
    }
    give_back_disk(running);
    done(running,
         static_cast<int>(StateCode::InTransientState),
         std::string(text(StateCode::InTransientState)) + "\n" + why + kNotDone);
}

// "volume 0", "volumes 0, 2"
std::string Resource::volumes_where(bool (*holds)(const Device&)) const {
    std::string list;
    unsigned count = 0;
    for (const auto& device : devices_) {
        if (holds(*device)) {
            list += (count++ == 0 ? "" : ", ") + std::to_string(device->number().value);
        }
    }
    return (count == 1 ? "volume " : "volumes ") + list;
}

std::string Resource::what_is_awaited(const Running& running) const {
    const std::string disk = "the local disk of ";
    if (const auto* attach = std::get_if<Attach>(&running.command)) {
        const Device* device = find(attach->volume);
        const bool reading = device->attaching();
        const bool handshake = !reading && device->state().disk == DiskState::Attaching &&
                               !device->attacher().failed();
        return handshake ? "the handshake with the peer"
                         : disk + "volume " + std::to_string(attach->volume.value) +
                               (reading ? " (reading its metadata)" : "");
    }
    if (const auto* detach = std::get_if<Detach>(&running.command)) {
        return (find(detach->volume)->draining() ? "requests under way, and " : "") + disk +
               "volume " + std::to_string(detach->volume.value) +
               " ('detach --force' does not wait)";
    }
    if (std::holds_alternative<Down>(running.command)) {
        const auto open = [](const Device& device) { return device.disk.is_open(); };
        return disk + volumes_where(open) + " ('detach --force' does not wait)";
    }
    const auto unstored = [](const Device& device) { return !device.store.clean(); };
    if (std::none_of(devices_.begin(), devices_.end(), [&](const auto& device) {
            return unstored(*device);
        })) {
        return "the peer, which is to begin a new generation";
    }
    return disk + volumes_where(unstored);
}

// What an undecided command was waiting for.
std::string Resource::why_not(const Running& running) const {
    const auto attaching = [](const Device& device) {
        return device.state().disk == DiskState::Attaching;
    };
    const auto busy = [](const Device& device) { return !device.requests.idle(); };
    const auto pending = [](const Device& device) { return device.peer.request_pending(); };
    const auto unsent = [](const Device& device) { return device.peer.request_unsent(); };
    const auto any = [&](bool (*holds)(const Device&)) {
        return std::any_of(
            devices_.begin(), devices_.end(), [&](const auto& device) { return holds(*device); });
    };
    if (running.stage > 0 && any(unsent)) {
        return "the local disk of " + volumes_where(unsent) +
               " has not stored yet what comes before it";
    }
    if (running.stage > 0 &&
        (any(pending) || std::holds_alternative<Disconnect>(running.command))) {
        return "no answer from the peer in time";
    }
    if (must_wait(running)) {
        return "an earlier command is still waiting";
    }
    if (std::holds_alternative<Promote>(running.command) && fencer_.running()) {
        return "the fence-peer handler is still running";
    }
    if (std::holds_alternative<Demote>(running.command)) {
        return "requests on " + volumes_where(busy) +
               " are still waiting for the disk or the peer; try again";
    }
    if (connection_.in_handshake()) {
        return "the handshake with the peer is not over";
    }
    if (any(attaching)) {
        return "still waiting for the local disk of " + volumes_where(attaching) +
               ", which is being attached";
    }
    return "what the peer had sent is not on the local disk yet";
}

}  // namespace engine
