// Data that are declared bad, and resyncs that wait.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

// Both nodes agree on a full sync in one direction.
class FullSync : public Command {
public:
    FullSync(Node& node, VolumeNumber volume, ConnState conn)
        : Command(node, {Scope::Reach::Volume, volume}), conn_(conn) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        if (begun_) {
            return success_when_stored();
        }
        if (asked()) {
            return on_reply();
        }
        if (device()->state().disk < DiskState::Inconsistent) {
            return Answer{kErrNoDisk, "Device does not have a disk-config"};
        }
        return device()->state().conn >= ConnState::Connected ? ask() : without_peer();
    }

    std::string what_is_awaited() const override {
        return begun_ ? Command::what_is_awaited() : "the peer's answer";
    }

protected:
    virtual std::optional<Answer> without_peer() = 0;

    void begin() {
        begun_ = true;
        decide();
    }

private:
    std::optional<Answer> ask() {
        if (device()->peer.request_pending()) {
            return std::nullopt;
        }
        VolumeState next = device()->state();
        next.conn = conn_;
        if (conn_ == ConnState::StartingSyncT) {
            next.pdsk = std::max(next.pdsk, DiskState::Inconsistent);
        }
        const StateCode code = node().check(device()->state(), sanitise(next));
        if (!succeeded(code)) {
            return Answer::of(code);
        }
        device()->peer.request({.conn = conn_});
        set_asked(true);
        return std::nullopt;
    }

    std::optional<Answer> on_reply() {
        const std::optional<StateCode> reply = device()->peer.take_reply();
        if (!reply) {
            // What the peer may begin by itself from now on is not taken back.
            if (device()->peer.request_pending() && !device()->peer.request_unsent()) {
                decide();
            }
            return std::nullopt;
        }
        if (!succeeded(*reply)) {
            return Answer::of(StateCode::CwFailedByPeer);
        }
        VolumeState next = device()->state();
        next.conn = conn_;
        device()->peer.start_full_sync(next);
        begin();
        return success_when_stored();
    }

    const ConnState conn_;
    bool begun_ = false;
};

class InvalidateRun final : public FullSync {
public:
    InvalidateRun(Node& node, const Invalidate& what)
        : FullSync(node, what.volume, ConnState::StartingSyncT) {}

private:
    std::optional<Answer> without_peer() override {
        if (device()->state().role == Role::Primary) {
            return Answer::of(StateCode::NeedConnection);
        }
        device()->change_disk(DiskState::Inconsistent);
        device()->store.start_full_sync(true);
        begin();
        return std::nullopt;
    }
};

class InvalidateRemoteRun final : public FullSync {
public:
    InvalidateRemoteRun(Node& node, const InvalidateRemote& what)
        : FullSync(node, what.volume, ConnState::StartingSyncS) {}

private:
    std::optional<Answer> without_peer() override { return Answer::of(StateCode::NeedConnection); }
};

class PauseRun final : public Command {
public:
    PauseRun(Node& node, const PauseSync& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        Device* device = volumes().find(what_.volume);
        if (device == nullptr) {
            return Answer::no_such_volume();
        }
        if (!device->peer.set_pause(&VolumeState::user_isp, what_.paused)) {
            return what_.paused ? Answer{kErrPauseIsSet, "Sync-pause flag is already set"}
                                : Answer{kErrPauseIsClear, "Sync-pause flag is already cleared"};
        }
        return Answer::success();
    }

private:
    const PauseSync what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Invalidate& what) {
    return std::make_unique<InvalidateRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const InvalidateRemote& what) {
    return std::make_unique<InvalidateRemoteRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const PauseSync& what) {
    return std::make_unique<PauseRun>(node, what);
}

}  // namespace engine
