// What our cluster manager says of the peer, and the peer's of us.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

// A peer that was declared dead may answer for so long. One that does is alive, whatever the
// cluster manager hears of it: without the connection nothing would keep both from being Primary.
constexpr io::Duration kLastChance = std::chrono::milliseconds(200);

// Asked for by whoever fences us for the peer. As in DRBD a connected node just agrees, since it is
// as good as the Primary; but whoever asks has lost the connection, so we look whether it still is
// one.
class OutdateRun final : public Command {
public:
    OutdateRun(Node& node, const Outdate& what)
        : Command(node, {Scope::Reach::Volume, what.volume}) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        if (volumes().role() == Role::Primary) {
            return Answer::of(StateCode::NoUpToDateDisk);  // whatever its disk, and whoever asks
        }
        if (device()->attaching()) {
            return std::nullopt;
        }
        return decided() ? success_when_stored() : outdate();
    }

private:
    std::optional<Answer> outdate() {
        const VolumeState& own = device()->state();
        // "Worse than outdated" is a word on data that were looked at. Without a disk nobody knows
        // what is on it, and the caller must not take its own for the newest on our account; but
        // for one that we can hear, and whose data are UpToDate.
        const bool peer_has_it =
            own.conn >= ConnState::Connected && own.pdsk == DiskState::UpToDate;
        if (!device()->attached() && !peer_has_it) {
            return Answer::of(StateCode::IsDiskless);
        }
        if (connection().up() && !pinged_) {
            pinged_ = true;
            ping_first();
            return std::nullopt;
        }
        if (device()->has_newest_data() || device()->lineage().lost_newest_data()) {
            return Answer::of(StateCode::NoUpToDateDisk);
        }
        if (own.conn >= ConnState::Connected) {
            // Connected data are as good as the peer's; and worse ones must not become Outdated,
            // which a connection would make UpToDate.
            return Answer::of(own.disk < DiskState::Outdated ? StateCode::LowerThanOutdated
                                                             : StateCode::Success);
        }
        VolumeState next = own;
        next.disk = DiskState::Outdated;
        next = sanitise(next);
        const StateCode code = node().check(own, next);
        if (!succeeded(code)) {
            return Answer::of(code);
        }
        device()->change_state(next);
        decide();
        return success_when_stored();
    }

    bool pinged_ = false;
};

// The question is put now, so that its time is over when the peer should be declared dead.
class PeerSuspectRun final : public Command {
public:
    explicit PeerSuspectRun(Node& node) : Command(node, {Scope::Reach::Nothing}) {}

    std::optional<Answer> advance() override {
        if (connection().up()) {
            connection().ping();
        }
        return Answer::success();
    }
};

class PeerDeadRun final : public Command {
public:
    explicit PeerDeadRun(Node& node) : Command(node, {Scope::Reach::Connection}) {}

    std::optional<Answer> advance() override {
        if (!connection().up()) {
            return Answer::success();
        }
        if (!ping_) {
            look_again_at(connection().liveness().unanswered_since().value_or(core().now) +
                          kLastChance);
            ping_ = connection().ping();
        }
        if (connection().liveness().answered(*ping_)) {
            return Answer{static_cast<int>(StateCode::CwFailedByPeer),
                          "the peer is alive: it answers on the replication link"};
        }
        if (core().now >= look_again()) {
            // It takes effect at the end of the round.
            connection().drop(ConnState::NetworkFailure,
                              "The cluster manager declared the peer dead");
        }
        return std::nullopt;
    }

private:
    std::optional<std::uint64_t> ping_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Outdate& what) {
    return std::make_unique<OutdateRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const PeerSuspect&) {
    return std::make_unique<PeerSuspectRun>(node);
}

std::unique_ptr<Command> make(Node& node, const PeerDead&) {
    return std::make_unique<PeerDeadRun>(node);
}

}  // namespace engine
