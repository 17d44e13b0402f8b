// The administrator takes a volume's backing disk away.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

class DetachRun final : public Command {
public:
    DetachRun(Node& node, const Detach& what)
        : Command(node, {what.force ? Scope::Reach::Nothing : Scope::Reach::Volume, what.volume}),
          what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        if (what_.force && device()->disk.is_open()) {
            device()->force_detach();
        }
        if (!device()->disk.is_open()) {
            if (asked() && !decided()) {
                device()->peer.forget_request();
            }
            return Answer::success();
        }
        if (decided()) {
            // Not detaching any more: the peer has gone away meanwhile.
            return device()->detaching() ? std::nullopt
                                         : std::optional(Answer::of(StateCode::NoUpToDateDisk));
        }
        return begin();
    }

    std::string what_is_awaited() const override {
        return (device()->draining() ? "requests under way, and the local disk of volume "
                                     : "the local disk of volume ") +
               std::to_string(what_.volume.value) + " ('detach --force' does not wait)";
    }

private:
    std::optional<Answer> begin() {
        const std::optional<StateCode> allowed = may_detach();
        if (!allowed) {
            return std::nullopt;
        }
        if (!succeeded(*allowed)) {
            return Answer::of(*allowed);
        }
        decide();
        if (!device()->detaching()) {
            device()->begin_detach();
        }
        return std::nullopt;
    }

    // By the state of things, and where there is a peer by that; nothing while that is asked.
    std::optional<StateCode> may_detach() {
        const bool connected = device()->state().conn >= ConnState::Connected;
        if (asked()) {
            const std::optional<StateCode> reply = device()->peer.take_reply();
            if (!reply || succeeded(*reply) || connected) {
                return reply && !succeeded(*reply) ? StateCode::CwFailedByPeer : reply;
            }
            set_asked(false);  // the peer went away while we asked: decide without it
        }
        VolumeState next = device()->state();
        next.disk = DiskState::Failed;
        const StateCode code = node().check(device()->state(), sanitise(next));
        if (!succeeded(code) || !connected || device()->detaching()) {
            return code;
        }
        if (device()->peer.request_pending()) {
            return std::nullopt;  // for an earlier command
        }
        set_asked(true);
        device()->peer.request({.disk = DiskState::Failed});
        return std::nullopt;
    }

    const Detach what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Detach& what) {
    return std::make_unique<DetachRun>(node, what);
}

}  // namespace engine
