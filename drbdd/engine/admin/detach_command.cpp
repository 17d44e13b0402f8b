// The administrator takes a volume's backing disk away.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

class DetachRun final : public Command {
public:
    DetachRun(Node& node, const Detach& what)
        : Command(node, {what.force ? Scope::Reach::Nothing : Scope::Reach::Volume, what.volume}),
          what_(what),
          device_(node.volumes.find(what.volume)) {}

    std::optional<Answer> advance() override {
        if (device_ == nullptr) {
            return Answer::no_such_volume();
        }
        if (what_.force && device_->disk.is_open()) {
            device_->force_detach();
        }
        if (!device_->disk.is_open()) {
            if (asked() && !decided()) {
                device_->peer.forget_request();
            }
            return Answer::success();
        }
        if (decided()) {
            // Not detaching any more: the peer has gone away meanwhile.
            return device_->detaching() ? std::nullopt
                                        : std::optional(Answer::of(StateCode::NoUpToDateDisk));
        }
        return begin();
    }

    std::string what_is_awaited() const override {
        return (device_->draining() ? "requests under way, and the local disk of volume "
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
        if (!device_->detaching()) {
            device_->begin_detach();
        }
        return std::nullopt;
    }

    // By the state of things, and where there is a peer by that; nothing while that is asked.
    std::optional<StateCode> may_detach() {
        const bool connected = device_->state().conn >= ConnState::Connected;
        if (asked()) {
            const std::optional<StateCode> reply = device_->peer.take_reply();
            if (!reply || succeeded(*reply) || connected) {
                return reply && !succeeded(*reply) ? StateCode::CwFailedByPeer : reply;
            }
            set_asked(false);  // the peer went away while we asked: decide without it
        }
        VolumeState next = device_->state();
        next.disk = DiskState::Failed;
        const StateCode code = node().check(device_->state(), sanitise(next));
        if (!succeeded(code) || !connected || device_->detaching()) {
            return code;
        }
        if (device_->peer.request_pending()) {
            return std::nullopt;  // for an earlier command
        }
        set_asked(true);
        device_->peer.request({.disk = DiskState::Failed});
        return std::nullopt;
    }

    const Detach what_;
    Device* const device_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Detach& what) {
    return std::make_unique<DetachRun>(node, what);
}

}  // namespace engine
