// The disk of a volume has grown, or the volume is to get another size. Wire specification, section
// 3.5.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"

namespace engine {

namespace {

// Looks at the disk, moves internal metadata to its end, and asks the peer. The device itself grows
// with the peer's answer, which says that its disk has the room.
class ResizeRun final : public Command {
public:
    ResizeRun(Node& node, const Resize& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        if (device()->attaching() || connection().in_handshake()) {
            return std::nullopt;
        }
        if (!device()->attached() || device()->detaching()) {
            return Answer{kErrNoDisk, "Device does not have a disk-config"};
        }
        return decided() ? go_on() : begin();
    }

    std::string what_is_awaited() const override {
        return device()->resizer.running() ? "the metadata to move to the new end of the disk"
                                           : "the peer's new size";
    }

private:
    std::optional<Answer> begin() {
        const VolumeState& state = device()->state();
        if (state.conn > ConnState::Connected) {
            return Answer{kErrResizeResync, "Resize not allowed during resync."};
        }
        if (state.role == Role::Secondary && state.peer == Role::Secondary) {
            return Answer{kErrNoPrimary, "Need one Primary node to resize."};
        }
        if (!std::exchange(asked_disk_, true)) {
            device()->resizer.measure();
        }
        const bool rests = !device()->resizer.measuring() && !device()->resizer.running() &&
                           !device()->store.full_sync_running();
        return rests ? change() : std::nullopt;
    }

    std::optional<Answer> change() {
        const std::uint64_t room = device()->resizer.room();
        const std::uint64_t current = device()->size_sectors();
        const std::uint64_t wanted = what_.size_sectors.value_or(0);
        if (wanted > room) {
            return Answer{kErrDiskTooSmall,
                          base::format("Low.dev. smaller than requested DRBD-dev. size.\n"
                                       "%llu sectors are asked for, the disk has room for %llu",
                                       base::ull(wanted),
                                       base::ull(room))};
        }
        const bool shrinks = wanted != 0 && wanted < current;
        if (shrinks && !device()->requests.idle()) {
            return std::nullopt;  // what is under way may lie where the device will have no end
        }
        std::uint64_t next = shrinks ? wanted : current;
        if (device()->state().conn < ConnState::Connected && what_.assume_peer_has_space) {
            device()->log_line(base::LogLevel::Warning,
                               "Resize while not connected was forced by the user!");
            next = wanted != 0 ? wanted : room;
        }
        if (const auto started = device()->resizer.start(next, !what_.assume_clean); !started) {
            return Answer{kErrMdDiskTooSmall, started.error().text};
        }
        device()->want_size(wanted);
        decide();
        return go_on();
    }

    std::optional<Answer> go_on() {
        if (device()->resizer.running()) {
            return std::nullopt;
        }
        if (!std::exchange(asked_peer_, true) && device()->state().conn == ConnState::Connected) {
            device()->peer.ask_for_growth(what_.assume_clean);
        }
        return device()->peer.growing() ? std::nullopt : success_when_stored();
    }

    const Resize what_;
    bool asked_disk_ = false;
    bool asked_peer_ = false;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Resize& what) {
    return std::make_unique<ResizeRun>(node, what);
}

}  // namespace engine
