// The administrator holds the application's requests back, and lets them go on.
#include "drbdd/engine/admin/command.h"

namespace engine {

namespace {

// As in DRBD, what is so already is no error.
class SuspendRun final : public Command {
public:
    SuspendRun(Node& node, const SuspendIo& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        Device* device = volumes().find(what_.volume);
        if (device == nullptr) {
            return Answer::no_such_volume();
        }
        VolumeState next = device->state();
        next.susp = what_.suspended;
        if (!what_.suspended) {
            next.susp_nod = next.susp_fen = false;  // whatever it waits for
        }
        device->change_state(next);
        return Answer::success();
    }

private:
    const SuspendIo what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const SuspendIo& what) {
    return std::make_unique<SuspendRun>(node, what);
}

}  // namespace engine
