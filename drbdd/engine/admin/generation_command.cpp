// A new data generation on request, and the first resync that is skipped by it.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"

namespace engine {

namespace {

class NewCurrentUuidRun final : public Command {
public:
    NewCurrentUuidRun(Node& node, const NewCurrentUuid& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        if (decided()) {
            return clears_alone_ ? clear() : success_when_stored();
        }
        if (device()->attaching() || connection().in_handshake()) {
            return std::nullopt;
        }
        if (!device()->attached()) {
            return Answer{kErrNoDisk, "Device does not have a disk-config"};
        }
        // A word that is still under way would take back what is agreed on without an answer.
        if (device()->state().conn == ConnState::Connected && !device()->peer.told_connected()) {
            return std::nullopt;
        }
        if (what_.clear_bitmap && device()->peer.may_skip_initial_sync()) {
            return skip();
        }
        return device()->state().conn == ConnState::StandAlone
                   ? begin_alone()
                   : Answer{kErrNeedStandAlone, "Need to be StandAlone"};
    }

private:
    std::optional<Answer> skip() {
        if (!device()->store.full_sync_running()) {
            device()->peer.skip_initial_sync();
            decide();
        }
        return std::nullopt;
    }

    std::optional<Answer> begin_alone() {
        const VolumeState& state = device()->state();
        const bool just_created = device()->ids().current == kUuidJustCreated;
        // A generation of its own says that these are data; what a resync has left half is none.
        if (state.disk < DiskState::Consistent && !just_created) {
            return Answer::of(StateCode::NoUpToDateDisk);
        }
        if (what_.clear_bitmap && state.role == Role::Primary) {
            return Answer{kErrInvalidRequest,
                          "Invalid configuration request\n"
                          "a Primary writes meanwhile: make it Secondary, then clear the bitmap"};
        }
        GenerationIds ids = device()->ids();
        ids.clear_bitmap();
        device()->store.set_ids(ids);
        device()->new_current_uuid();
        clears_alone_ = what_.clear_bitmap;
        decide();
        return std::nullopt;
    }

    // Only once the old identifiers are history: whoever bears them gets everything, whatever the
    // bitmap says. A crash in between leaves too many bits.
    std::optional<Answer> clear() {
        if (!volumes().stored()) {
            return std::nullopt;
        }
        if (!ticket_) {
            const VolumeState& state = device()->state();
            if (!device()->attached() || state.conn != ConnState::StandAlone ||
                state.role == Role::Primary) {
                return Answer::of(StateCode::ConcurrentStChg);
            }
            device()->bitmap.clear_all();
            ticket_ = device()->store.write_bitmap();
        }
        return device()->store.bitmap_written(*ticket_) ? std::optional(Answer::success())
                                                        : std::nullopt;
    }

    const NewCurrentUuid what_;
    bool clears_alone_ = false;
    std::optional<MetaStore::Ticket> ticket_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const NewCurrentUuid& what) {
    return std::make_unique<NewCurrentUuidRun>(node, what);
}

}  // namespace engine
