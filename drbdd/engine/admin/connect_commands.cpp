// The connection to the peer is wanted, or not any more; and how the resource goes away.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

class ConnectRun final : public Command {
public:
    ConnectRun(Node& node, const ConnectCommand& what) : Command(node, {}), what_(what) {}

    std::optional<Answer> advance() override {
        if (node().going_down) {
            return Answer::in_transient_state("the resource is being taken down");
        }
        if (connection().conn() != ConnState::StandAlone) {
            return Answer{kErrNetConfigured, "Device has a net-config (use disconnect first)"};
        }
        if (what_.discard_my_data && volumes().role() == Role::Primary) {
            return Answer{kErrDiscardImpossible, "--discard-my-data not allowed when primary."};
        }
        connection().connect(what_.discard_my_data);
        return Answer::success();
    }

private:
    const ConnectCommand what_;
};

// The peer is asked first. With fencing a Primary outdates the peer as it leaves, and a Secondary
// that may not go otherwise outdates itself.
class DisconnectRun final : public Command {
public:
    DisconnectRun(Node& node, const Disconnect& what) : Command(node, {}), what_(what) {}

    std::optional<Answer> advance() override {
        if (decided()) {
            // The peer may count on our data being outdated: it is on disk before the answer.
            return outdate_.own ? success_when_stored() : std::optional(Answer::success());
        }
        if (!connection().up() || what_.force) {
            // Lost while we asked: whether the peer counts on our data being outdated is not known.
            outdate_.peer = false;
            return leave();
        }
        return asked() ? on_reply() : ask();
    }

    std::string why_not() const override {
        return asked() ? "no answer from the peer in time" : Command::why_not();
    }

private:
    std::optional<Answer> ask() {
        for (const auto& device : volumes()) {
            VolumeState next = device->state();
            next.conn = ConnState::Disconnecting;
            StateCode code = node().check(device->state(), sanitise(next));
            if (code == StateCode::PrimaryNop) {
                outdate_.peer = true;
                next.pdsk = DiskState::Outdated;
                code = node().check(device->state(), sanitise(next));
            }
            if (!succeeded(code)) {
                return Answer::of(code);
            }
        }
        StateRequest parting{.conn = ConnState::Disconnecting};
        if (outdate_.peer) {
            parting.pdsk = DiskState::Outdated;
        }
        connection().request_disconnect(parting);
        set_asked(true);
        return std::nullopt;
    }

    std::optional<Answer> on_reply() {
        const std::optional<StateCode> reply = connection().take_disconnect_reply();
        if (!reply) {
            return std::nullopt;
        }
        if (succeeded(*reply)) {
            return leave();
        }
        if (volumes().role() != Role::Primary && !outdate_.own &&
            core().settings.fencing != Fencing::DontCare) {
            outdate_.own = true;  // the Primary lets us go if our data are not used without it
            connection().request_disconnect(
                {.conn = ConnState::Disconnecting, .disk = DiskState::Outdated});
            return std::nullopt;
        }
        return Answer::of(StateCode::CwFailedByPeer);
    }

    std::optional<Answer> leave() {
        connection().disconnect(outdate_);
        decide();
        core().progress = true;
        return std::nullopt;
    }

    const Disconnect what_;
    Outdating outdate_{};
};

class DownRun final : public Command {
public:
    DownRun(Node& node, const Down&) : Command(node, {Scope::Reach::Connection}) {}

    std::optional<Answer> advance() override {
        if (!decided()) {
            if (volumes().role() == Role::Primary) {
                return Answer::of(StateCode::DeviceInUse);
            }
            begin();
        }
        if (!left_ && !leave()) {
            return std::nullopt;
        }
        if (volumes().any([](const Device& device) { return device.disk.is_open(); })) {
            return std::nullopt;
        }
        connection().shut_down();
        node().going_down = false;
        return Answer::success();
    }

    std::string what_is_awaited() const override {
        const auto open = [](const Device& device) { return device.disk.is_open(); };
        return "the local disk of " + volumes().names_where(open) +
               " ('detach --force' does not wait)";
    }

private:
    void begin() {
        decide();
        node().going_down = true;
        if (connection().up() && !connection().in_handshake()) {
            connection().request_disconnect({.conn = ConnState::Disconnecting});
        }
        // A peer that does not answer is left behind after half of the time.
        look_again_at(deadline() - kAnswerWithin / 2);
    }

    bool leave() {
        if (connection().disconnect_requested() && core().now < look_again()) {
            return false;
        }
        connection().disconnect();
        left_ = true;
        for (const auto& device : volumes()) {
            if (device->disk.is_open() && !device->detaching()) {
                device->begin_detach();
            }
        }
        core().progress = true;
        return true;
    }

    bool left_ = false;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const ConnectCommand& what) {
    return std::make_unique<ConnectRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const Disconnect& what) {
    return std::make_unique<DisconnectRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const Down& what) {
    return std::make_unique<DownRun>(node, what);
}

}  // namespace engine
