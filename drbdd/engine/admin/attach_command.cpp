// The administrator gives a volume its backing disk.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"

namespace engine {

namespace {

// It takes as long as the disk takes. The disk is the engine's until the end of it, whatever has
// been answered meanwhile.
class AttachRun final : public Command {
public:
    AttachRun(Node& node, const Attach& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        return decided() ? outcome() : begin();
    }

    std::string what_is_awaited() const override {
        const bool handshake = !device()->attaching() && waits_for_handshake();
        return handshake ? "the handshake with the peer"
                         : "the local disk of volume " + std::to_string(what_.volume.value) +
                               (device()->attaching() ? " (reading its metadata)" : "");
    }

    void withdraw() override {
        Command::withdraw();
        give_back_disk();
    }

private:
    std::optional<Answer> begin() {
        if (node().going_down) {
            give_back_disk();
            return Answer::in_transient_state("the resource is being taken down");
        }
        if (device()->state().disk != DiskState::Diskless || device()->disk.is_open()) {
            return Answer{kErrDiskConfigured, "Device is attached to a disk (use detach first)"};
        }
        decide();
        device()->attach(what_.geometry);
        return std::nullopt;
    }

    std::optional<Answer> outcome() const {
        if (device()->attaching() || waits_for_handshake()) {
            return std::nullopt;
        }
        if (device()->state().disk > DiskState::Failed) {
            return device()->store.clean() ? std::optional(Answer::success()) : std::nullopt;
        }
        if (device()->disk.is_open()) {
            return std::nullopt;  // answered once the device may be opened by others again
        }
        const Attacher& attacher = device()->attacher();
        return attacher.failed()
                   ? Answer{attacher.error_code(), attacher.error()}
                   : Answer{kErrIoMdDisk,
                            "the disk was lost or taken away before the attach ended"};
    }

    bool waits_for_handshake() const {
        return device()->state().disk == DiskState::Attaching && !device()->attacher().failed();
    }

    // One that was never ours to use goes back to the runtime.
    void give_back_disk() const {
        if (device() != nullptr && !device()->disk.is_open()) {
            core().emit(CloseDisk{what_.volume});
        }
    }

    const Attach what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Attach& what) {
    return std::make_unique<AttachRun>(node, what);
}

}  // namespace engine
