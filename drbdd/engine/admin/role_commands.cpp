// Who may write: promotion and demotion.
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

// In three steps: what we know allows it, the peer agrees, it is on disk.
class PromoteRun final : public Command {
public:
    PromoteRun(Node& node, const Promote& what) : Command(node, {}), what_(what) {}

    bool joins_an_earlier_one() const override { return true; }

    std::optional<Answer> advance() override {
        if (!decided()) {
            if (!asked_all_) {
                if (std::optional<Answer> refusal = prepare(); refusal || !asked_all_) {
                    return refusal;
                }
            }
            if (std::optional<Answer> refusal = decide_with_peer(); refusal || !decided()) {
                return refusal;
            }
        }
        if (!volumes().all(is_primary)) {
            return Answer::of(StateCode::ConcurrentStChg);  // taken back since, by somebody else
        }
        return success_when_stored();
    }

    std::string why_not() const override {
        return !asked() && node().fencer.running() ? "the fence-peer handler is still running"
                                                   : Command::why_not();
    }

private:
    // A volume that was added since the others were promoted is not.
    static bool is_primary(const Device& device) { return device.state().role == Role::Primary; }

    // Whatever can be known without the peer's word.
    std::optional<Answer> prepare() {
        if (volumes().empty()) {
            return Answer::no_such_volume();
        }
        if (volumes().all(is_primary)) {
            return Answer::success();
        }
        if (node().going_down) {
            return Answer::in_transient_state("the resource is being taken down");
        }
        // What the peer sent before it went away is ours first; and a handshake decides first.
        const bool settled = !connection().in_handshake() &&
                             (connection().up() || connection().peer_writes.drained());
        if (!settled) {
            return std::nullopt;
        }
        const StateCode code = check();
        if (code == StateCode::TwoPrimaries && !pinged_) {
            pinged_ = true;
            ping_first();
            return std::nullopt;
        }
        if (must_fence_first(code)) {
            return std::nullopt;
        }
        if (code == StateCode::NoUpToDateDisk && attaching()) {
            return std::nullopt;  // the data may be on the disk that is being read
        }
        if (!succeeded(code)) {
            return refusal(code);
        }
        if (!volumes().any(asks_peer)) {
            ask_peer();
        }
        return std::nullopt;
    }

    // For an earlier command, whose time was over before the peer has answered.
    static bool asks_peer(const Device& device) { return device.peer.request_pending(); }

    void ask_peer() {
        asked_all_ = true;
        set_asked(true);
        for (const auto& device : volumes()) {
            if (!is_primary(*device) && device->state().conn >= ConnState::Connected) {
                StateRequest request{.role = Role::Primary};
                if (promoted(*device).disk != device->state().disk) {
                    request.disk = DiskState::UpToDate;
                }
                device->peer.request(request);
            }
        }
    }

    std::optional<Answer> decide_with_peer() {
        if (volumes().any(asks_peer)) {
            return std::nullopt;
        }
        StateCode worst = StateCode::Success;
        for (const auto& device : volumes()) {
            const StateCode reply = device->peer.take_reply().value_or(StateCode::Success);
            worst = succeeded(reply) ? worst : reply;
        }
        if (!connection().up() && !succeeded(worst)) {
            asked_all_ = false;  // the peer went away while we asked: decide without it
            set_asked(false);
            core().progress = true;
            return std::nullopt;
        }
        if (!succeeded(worst)) {
            return refused_by_peer(worst);
        }
        if (const StateCode code = check(); !succeeded(code)) {
            return refusal(code);
        }
        promote();
        decide();
        return std::nullopt;
    }

    Answer refused_by_peer(StateCode code) {
        for (const auto& device : volumes()) {
            device->peer.announce_state();  // volumes that had agreed see us Secondary again
        }
        core().log(base::LogLevel::Info,
                   base::format("Requested state change failed by peer: %s (%d)",
                                text(code),
                                static_cast<int>(code)));
        return Answer::of(StateCode::CwFailedByPeer);
    }

    // Who has forced one volume hears that another one stands in the way.
    Answer refusal(StateCode code) const {
        Answer answer = Answer::of(code);
        if (what_.force && what_.only && volumes().size() > 1) {
            answer.text += base::format(
                "\nonly volume %u was forced: the others must be UpToDate, or be forced as well",
                what_.only->value);
        }
        return answer;
    }

    VolumeState promoted(const Device& device) const {
        VolumeState next = device.state();
        next.role = Role::Primary;
        const bool raise = what_.forces(device.number()) && next.disk >= DiskState::Inconsistent &&
                           next.disk < DiskState::UpToDate && next.pdsk != DiskState::UpToDate;
        if (raise) {
            next.disk = DiskState::UpToDate;
        }
        return sanitise(next);
    }

    StateCode check() const {
        for (const auto& device : volumes()) {
            if (is_primary(*device)) {
                continue;
            }
            const StateCode code = node().check(device->state(), promoted(*device));
            if (!succeeded(code)) {
                return code;
            }
            if (!what_.forces(device->number()) && would_show_older_data(*device)) {
                return StateCode::NoUpToDateDisk;
            }
        }
        return StateCode::Success;
    }

    // A Secondary without a good disk is connected to whatever data its peer has. With one it is
    // that disk which counts, also where a newer generation was begun and never stored.
    static bool would_show_older_data(const Device& device) {
        const auto& peer_ids = device.peer.peer_ids();
        return device.state().disk != DiskState::UpToDate && device.lineage().lost_newest_data() &&
               peer_ids && device.lineage().other_data_exposed(peer_ids->current);
    }

    bool attaching() const {
        return volumes().any(
            [](const Device& device) { return device.state().disk == DiskState::Attaching; });
    }

    // True while the handler is asked, or has changed what is to be decided.
    bool must_fence_first(StateCode code) {
        constexpr int kMaxCalls = 4;
        const bool only_consistent =
            code == StateCode::NoUpToDateDisk && volumes().any([](const Device& device) {
                return device.state().disk == DiskState::Consistent;
            });
        if (connection().up() || (code != StateCode::PrimaryNop && !only_consistent)) {
            return false;
        }
        Fencer& fencer = node().fencer;
        if (fencer.running()) {
            return true;
        }
        if (fence_calls_++ < kMaxCalls) {
            fencer.call();
            return true;
        }
        const bool all = what_.force && (!what_.only || volumes().size() == 1);
        if (all && code == StateCode::PrimaryNop) {
            fencer.assume_outdated();
            return true;
        }
        return false;
    }

    // Role and, where the data now go their own way, a new generation; both durable before the
    // first write.
    void promote() const {
        for (const auto& device : volumes()) {
            if (is_primary(*device)) {
                continue;
            }
            const VolumeState next = promoted(*device);
            const bool raised = next.disk != device->state().disk;
            if (raised) {
                device->log_line(base::LogLevel::Warning,
                                 "Forced to consider local data as UpToDate!");
            }
            device->change_state(next);
            if (device->attached()) {
                begin_generation(*device, raised);
            } else if (device->peer.peer_ids()) {
                device->go_on_with_peers_data();  // and no others from now on
            }
            device->peer.announce_state();
        }
    }

    static void begin_generation(Device& device, bool raised) {
        const VolumeState& state = device.state();
        const bool alone = state.conn < ConnState::Connected || state.pdsk <= DiskState::Failed;
        if (raised) {
            device.new_current_uuid();
        } else if (alone) {
            device.part_ways();
        }
        GenerationIds ids = device.ids();
        ids.current |= kUuidPrimaryBit;
        device.store.set_ids(ids);
        device.requests.gate.hold_until(device.store.generation());
    }

    const Promote what_;
    bool asked_all_ = false;  // every connected peer's consent
    bool pinged_ = false;
    int fence_calls_ = 0;
};

class DemoteRun final : public Command {
public:
    DemoteRun(Node& node, const Demote&) : Command(node, {}) {}

    bool joins_an_earlier_one() const override { return true; }

    std::optional<Answer> advance() override {
        if (!decided()) {
            if (volumes().role() == Role::Secondary) {
                return Answer::success();
            }
            if (volumes().any(busy)) {
                connection().transfer_log.close_epoch();
                return std::nullopt;
            }
            demote();
            decide();
        }
        if (volumes().role() != Role::Secondary) {
            return Answer::of(StateCode::ConcurrentStChg);
        }
        return success_when_stored();
    }

    std::string why_not() const override {
        const auto suspended = [](const Device& device) {
            return device.state().frozen() && !device.requests.idle();
        };
        if (volumes().any(suspended)) {
            return "I/O on " + volumes().names_where(suspended) +
                   " is suspended ('resume-io' lets it go on)";
        }
        return "requests on " + volumes().names_where(busy) +
               " are still waiting for the disk or the peer; try again";
    }

private:
    static bool busy(const Device& device) { return !device.requests.idle(); }

    void demote() const {
        for (const auto& device : volumes()) {
            device->change_role(Role::Secondary);
            if (device->attached()) {
                GenerationIds ids = device->ids();
                ids.current &= ~kUuidPrimaryBit;
                device->store.set_ids(ids);
            }
            device->peer.announce_state();
        }
    }
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const Promote& what) {
    return std::make_unique<PromoteRun>(node, what);
}

std::unique_ptr<Command> make(Node& node, const Demote& what) {
    return std::make_unique<DemoteRun>(node, what);
}

}  // namespace engine
