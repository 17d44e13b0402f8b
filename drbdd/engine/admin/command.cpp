#include "drbdd/engine/admin/command.h"

#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>

namespace engine {

StateCode Node::check(const VolumeState& from, const VolumeState& to) const {
    return check_change(from, to, connection.in_handshake(), core.settings.state_policy());
}

bool Scope::overlaps(const Scope& other) const {
    if (reach == Reach::Nothing || other.reach == Reach::Nothing) {
        return false;
    }
    if (reach == Reach::Everything || other.reach == Reach::Everything) {
        return true;
    }
    return reach == other.reach && volume == other.volume;
}

bool Scope::covers(VolumeNumber number) const {
    return reach == Reach::Everything || (reach == Reach::Volume && volume == number);
}

Answer Answer::of(StateCode code) {
    return succeeded(code) ? success() : Answer{static_cast<int>(code), engine::text(code)};
}

Answer Answer::no_such_volume() {
    return {kErrMinorInvalid, "Device minor not allocated"};
}

Answer Answer::in_transient_state(const std::string& why) {
    return {static_cast<int>(StateCode::InTransientState),
            std::string(engine::text(StateCode::InTransientState)) + "\n" + why};
}

std::unique_ptr<Command> make_command(Node& node, const AdminCommand& command) {
    return std::visit([&](const auto& what) { return make(node, what); }, command);
}

void Command::ping_first() {
    connection().request_ping();
    not_before_ = std::min(
        core().now + core().settings.net.ping_timeout + std::chrono::milliseconds(100), deadline_);
    core().progress = true;
}

std::optional<Answer> Command::success_when_stored() const {
    return volumes().stored() ? std::optional(Answer::success()) : std::nullopt;
}

void Command::withdraw() {
    REQUIRE(!decided_);
    for (const auto& device : volumes()) {
        if (asked_ && scope_.covers(device->number())) {
            device->peer.forget_request();
            device->peer.announce_state();
        }
    }
}

std::string Command::what_is_awaited() const {
    const auto unstored = [](const Device& device) { return !device.store.clean(); };
    return volumes().any(unstored) ? "the local disk of " + volumes().names_where(unstored)
                                   : "the peer, which is to begin a new generation";
}

std::string Command::why_not() const {
    const auto attaching = [](const Device& device) {
        return device.state().disk == DiskState::Attaching;
    };
    const auto pending = [](const Device& device) { return device.peer.request_pending(); };
    const auto unsent = [](const Device& device) { return device.peer.request_unsent(); };
    if (asked_ && volumes().any(unsent)) {
        return "the local disk of " + volumes().names_where(unsent) +
               " has not stored yet what comes before it";
    }
    if (asked_ && volumes().any(pending)) {
        return "no answer from the peer in time";
    }
    if (connection().in_handshake()) {
        return "the handshake with the peer is not over";
    }
    if (volumes().any(attaching)) {
        return "still waiting for the local disk of " + volumes().names_where(attaching) +
               ", which is being attached";
    }
    return "what the peer had sent is not on the local disk yet";
}

}  // namespace engine
