// A resource gets a volume more, or loses one.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"

namespace engine {

namespace {

class AddVolumeRun final : public Command {
public:
    AddVolumeRun(Node& node, const AddVolume& what)
        : Command(node, {Scope::Reach::Volume, what.settings.number}), what_(what) {}

    std::optional<Answer> advance() override {
        if (node().going_down) {
            return Answer::in_transient_state("the resource is being taken down");
        }
        if (device() != nullptr) {
            return Answer{kErrMinorOrVolumeExists, "Minor or volume exists already"};
        }
        decide();
        connection().join(volumes().add(std::make_unique<Device>(
            core(), what_.settings, connection(), connection().peer_writes)));
        core().emit(StatusChanged{});
        return Answer::success();
    }

private:
    const AddVolume what_;
};

// Nothing of it may be under way: not of the application's, not of the peer's.
class RemoveVolumeRun final : public Command {
public:
    RemoveVolumeRun(Node& node, const RemoveVolume& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        const VolumeState& state = device()->state();
        if (state.role == Role::Primary || state.disk != DiskState::Diskless ||
            device()->disk.is_open()) {
            return Answer{kErrMinorConfigured, "Minor still has a disk, or is Primary"};
        }
        if (!connection().rests(*device())) {
            return std::nullopt;
        }
        decide();
        connection().leave(*device());
        volumes().remove(what_.volume);
        core().emit(StatusChanged{});
        core().progress = true;
        return Answer::success();
    }

    std::string why_not() const override {
        return "requests of the peer for " +
               base::format("volume %u are still under way", what_.volume.value);
    }

private:
    const RemoveVolume what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const AddVolume& what) {
    return std::make_unique<AddVolumeRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const RemoveVolume& what) {
    return std::make_unique<RemoveVolumeRun>(node, what);
}

}  // namespace engine
