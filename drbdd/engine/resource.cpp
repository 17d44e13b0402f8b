#include "drbdd/engine/resource.h"

#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>

namespace engine {

namespace {

// Everything is answered before the second is over, transport to the administrator and the opening
// of a disk included.
constexpr io::Duration kAnswerWithin = std::chrono::milliseconds(700);
constexpr int kLeaving = 9;           // stage of a disconnect
constexpr int kInvalidatedAlone = 9;  // of an invalidate without a peer
constexpr int kMaxRounds = 100000;    // of one step; more means that two parts chase each other

std::uint32_t bits(Role role) {
    return static_cast<std::uint32_t>(role);
}

}  // namespace

Resource::Resource(ResourceSettings settings,
                   io::BufferPool& pool,
                   base::LogSink& log,
                   io::Challenges& challenges,
                   std::uint64_t seed)
    : core_(std::move(settings), pool, log, challenges, seed),
      connection_(core_, *this),
      fencer_(core_, *this) {
    for (const VolumeSettings& volume : core_.settings.volumes) {
        devices_.push_back(
            std::make_unique<Device>(core_, volume, connection_, connection_.peer_writes));
    }
}

Device* Resource::find(VolumeNumber volume) {
    return const_cast<Device*>(std::as_const(*this).find(volume));
}

const Device* Resource::find(VolumeNumber volume) const {
    const auto found = std::find_if(devices_.begin(), devices_.end(), [volume](const auto& device) {
        return device->number() == volume;
    });
    return found == devices_.end() ? nullptr : found->get();
}

// --- The step ---

void Resource::step(io::Instant now, Event event, Effects& effects) {
    REQUIRE(now >= core_.now);
    core_.now = now;
    core_.effects = &effects;
    core_.work = {};
    dispatch(std::move(event));
    // Every part looks whether it can go on, until none can.
    int rounds = 0;
    do {
        core_.progress = false;
        connection_.handle_drop();
        connection_.advance();
        for (const auto& device : devices_) {
            device->advance();
        }
        fencer_.advance();
        advance_admin();
        connection_.handle_drop();
        core_.work.add();
        REQUIRE(++rounds < kMaxRounds);
    } while (core_.progress);
    core_.effects = nullptr;
}

void Resource::dispatch(Event event) {
    std::visit(
        [this](auto&& e) {
            using T = std::decay_t<decltype(e)>;
            if constexpr (std::is_same_v<T, AppRequest>) {
                Device* device = find(e.volume);
                REQUIRE(device != nullptr);
                device->requests.submit(std::move(e));
            } else if constexpr (std::is_same_v<T, DiskDone>) {
                Device* device = find(e.volume);
                REQUIRE(device != nullptr);
                device->on_disk_done(e);
            } else if constexpr (std::is_same_v<T, SocketConnected>) {
                connection_.on_connected(e.socket);
            } else if constexpr (std::is_same_v<T, SocketAccepted>) {
                connection_.on_accepted(e.socket);
            } else if constexpr (std::is_same_v<T, SocketClosed>) {
                connection_.on_closed(e.socket, e.error);
            } else if constexpr (std::is_same_v<T, ListenFailed>) {
                connection_.on_listen_failed(e);
            } else if constexpr (std::is_same_v<T, PacketArrived>) {
                connection_.on_packet(e.socket, std::move(e.packet));
            } else if constexpr (std::is_same_v<T, StreamBroken>) {
                connection_.on_broken(e.socket, e.text);
            } else if constexpr (std::is_same_v<T, SocketWritten>) {
                connection_.on_written(e.socket, e.bytes_total);
            } else if constexpr (std::is_same_v<T, Admin>) {
                commands_.push_back({.id = e.id,
                                     .command = std::move(e.command),
                                     .deadline = core_.now + kAnswerWithin});
            } else if constexpr (std::is_same_v<T, HandlerDone>) {
                on_handler_done(e);
            }
        },
        std::move(event));
}

void Resource::on_handler_done(const HandlerDone& done) {
    if (done.name != PeerDevice::kBeforeResync) {
        fencer_.on_done(done.exit_code);
    } else if (Device* device = find(done.volume)) {
        device->peer.on_before_resync(done);
    }
}

io::Instant Resource::next_deadline() const {
    io::Instant next = connection_.next_deadline();
    for (const auto& device : devices_) {
        next = std::min(next, device->next_deadline());
    }
    for (const Running& running : commands_) {
        if (running.answered) {
            continue;
        }
        next = std::min(next, running.deadline);
        for (const io::Instant at : {running.not_before, running.look_again}) {
            if (at > core_.now) {
                next = std::min(next, at);
            }
        }
    }
    return next;
}

Role Resource::role() const {
    const bool primary = std::any_of(devices_.begin(), devices_.end(), [](const auto& device) {
        return device->state().role == Role::Primary;
    });
    return primary ? Role::Primary : Role::Secondary;
}

StateCode Resource::check(const VolumeState& from, const VolumeState& to) const {
    return check_change(from, to, connection_.in_handshake(), core_.settings.fencing);
}

// A disk whose data we do not know yet.
bool Resource::attaching() const {
    return std::any_of(devices_.begin(), devices_.end(), [](const auto& device) {
        return device->state().disk == DiskState::Attaching;
    });
}

// All that the volumes' superblocks should say is on disk, here or where the data are.
bool Resource::stored() const {
    return std::all_of(devices_.begin(), devices_.end(), [](const auto& device) {
        return device->store.clean() && !device->awaits_generation();
    });
}

// No success is told of before it is on disk.
bool Resource::done_when_stored(Running& running) {
    if (!stored()) {
        return false;
    }
    done(running, 0);
    return true;
}

ResourceStatus Resource::status(io::Instant now) const {
    ResourceStatus status;
    status.name = core_.settings.name;
    status.role = role();
    status.conn = connection_.conn();
    status.agreed_protocol = connection_.agreed_protocol();
    status.last_error = connection_.last_error();
    for (const auto& device : devices_) {
        status.volumes.push_back(device->status(now));
        const VolumeState& state = device->state();
        if (state.conn >= ConnState::Connected) {
            status.conn = ConnState::Connected;
            if (status.peer_role != Role::Primary) {
                status.peer_role = state.peer;
            }
        }
    }
    return status;
}

// --- Commands ---

bool Resource::run(Running& running) {
    return std::visit([&](const auto& command) { return run(running, command); }, running.command);
}

void Resource::done(const Running& running, int code, std::string text) {
    core_.emit(AdminDone{running.id, code, std::move(text)});
}

void Resource::done(const Running& running, StateCode code) {
    const bool good = succeeded(code);
    done(running, good ? 0 : static_cast<int>(code), good ? "" : text(code));
}

bool Resource::run(Running& running, const ConnectCommand& command) {
    if (taking_down()) {
        refuse_going_down(running);
    } else if (connection_.conn() != ConnState::StandAlone) {
        done(running, kErrNetConfigured, "Device has a net-config (use disconnect first)");
    } else if (command.discard_my_data && role() == Role::Primary) {
        done(running, kErrDiscardImpossible, "--discard-my-data not allowed when primary.");
    } else {
        connection_.connect(command.discard_my_data);
        done(running, 0);
    }
    return true;
}

// The last step of a disconnect. The peer may count on our data being outdated: it is on disk
// before the command is answered.
bool Resource::leave(Running& running, Outdating outdate) {
    connection_.disconnect(outdate);
    running.stage = kLeaving;
    running.decided = true;
    core_.progress = true;
    return false;
}

bool Resource::run(Running& running, const Disconnect& command) {
    if (running.stage == kLeaving) {
        if (running.outdate.own && !stored()) {
            return false;
        }
        done(running, 0);
        return true;
    }
    if (!connection_.up() || command.force) {
        // Lost while we asked: whether the peer counts on our data being outdated is not known.
        return leave(running, {.own = running.outdate.own, .peer = false});
    }
    // Bits 9 and 13 of the word: our disk and the peer's, to become Outdated.
    constexpr std::uint32_t kOutdateOwn = 0xa00;
    constexpr std::uint32_t kOutdatePeer = 0xa000;
    if (running.stage == 0) {
        bool fence = false;
        for (const auto& device : devices_) {
            VolumeState next = device->state();
            next.conn = ConnState::Disconnecting;
            StateCode code = check(device->state(), sanitise(next));
            if (code == StateCode::PrimaryNop) {
                fence = true;  // with fencing a Primary outdates the peer as it leaves
                next.pdsk = DiskState::Outdated;
                code = check(device->state(), sanitise(next));
            }
            if (!succeeded(code)) {
                done(running, code);
                return true;
            }
        }
        running.outdate.peer = fence;
        connection_.request_disconnect(0x1f0 | (fence ? 0x1e000u : 0u),
                                       0x010 | (fence ? kOutdatePeer : 0u));
        running.stage = 1;
        return false;
    }
    const std::optional<StateCode> reply = connection_.take_disconnect_reply();
    if (!reply) {
        return false;
    }
    if (!succeeded(*reply) && role() != Role::Primary && !running.outdate.own &&
        core_.settings.fencing != Fencing::DontCare) {
        running.outdate.own = true;  // the Primary lets us go if our data are not used without it
        connection_.request_disconnect(0x1f0 | 0x1e00, 0x010 | kOutdateOwn);
        return false;
    }
    if (!succeeded(*reply)) {
        done(running, StateCode::CwFailedByPeer);
        return true;
    }
    return leave(running, running.outdate);
}

// --- Promotion and demotion ---

VolumeState Resource::promoted(const Device& device, bool force) const {
    VolumeState next = device.state();
    next.role = Role::Primary;
    const bool raise = force && next.disk >= DiskState::Inconsistent &&
                       next.disk < DiskState::UpToDate && next.pdsk != DiskState::UpToDate;
    if (raise) {
        next.disk = DiskState::UpToDate;
    }
    return sanitise(next);
}

StateCode Resource::check_promotion(const Promote& command) const {
    for (const auto& device : devices_) {
        const bool force = command.forces(device->number());
        const StateCode code = check(device->state(), promoted(*device, force));
        if (!succeeded(code)) {
            return code;
        }
        // A Secondary without a disk is connected to whatever data its peer has.
        const auto& peer_ids = device->peer.peer_ids();
        if (!force && device->lost_newest_data() && peer_ids &&
            device->other_data_exposed(peer_ids->current)) {
            return StateCode::NoUpToDateDisk;
        }
    }
    return StateCode::Success;
}

bool Resource::run(Running& running, const Promote& command) {
    if (running.stage == 0) {
        if (role() == Role::Primary) {
            if (still_running<Promote>(running)) {
                return false;  // that one has answered late: it is done when that one is
            }
            done(running, 0);
            return true;
        }
        if (taking_down()) {
            refuse_going_down(running);
            return true;
        }
        // What the peer sent before it went away is ours first; and a handshake decides first.
        const bool settled =
            !connection_.in_handshake() && (connection_.up() || connection_.peer_writes.drained());
        if (!settled) {
            return false;
        }
        const StateCode code = check_promotion(command);
        if (code == StateCode::TwoPrimaries && !running.retried) {
            // It may be dead and we do not know yet: ask, and look again.
            running.retried = true;
            connection_.request_ping();
            running.not_before = std::min(
                core_.now + core_.settings.net.ping_timeout + std::chrono::milliseconds(100),
                running.deadline);
            core_.progress = true;
            return false;
        }
        if (fence_before_promotion(running, code, command)) {
            return false;
        }
        if (code == StateCode::NoUpToDateDisk && attaching()) {
            return false;  // the data may be on the disk that is being read
        }
        if (!succeeded(code)) {
            refuse_promotion(running, code, command);
            return true;
        }
        running.stage = 1;
        for (const auto& device : devices_) {
            if (device->state().conn >= ConnState::Connected) {
                const bool raise = promoted(*device, command.forces(device->number())).disk !=
                                   device->state().disk;
                device->peer.request(raise ? 0x1e03 : 0x3,
                                     bits(Role::Primary) | (raise ? 0x1000u : 0u));
            }
        }
    }
    if (running.stage == 1) {
        const auto pending = [](const auto& device) { return device->peer.request_pending(); };
        if (std::any_of(devices_.begin(), devices_.end(), pending)) {
            return false;
        }
        StateCode worst = StateCode::Success;
        for (const auto& device : devices_) {
            const StateCode reply = device->peer.take_reply().value_or(StateCode::Success);
            worst = succeeded(reply) ? worst : reply;
        }
        if (!connection_.up() && !succeeded(worst)) {
            running.stage = 0;  // the peer went away while we asked: decide without it
            core_.progress = true;
            return false;
        }
        if (!succeeded(worst)) {
            for (const auto& device : devices_) {
                device->peer.announce_state();  // volumes that had agreed see us Secondary again
            }
            core_.log(base::LogLevel::Info,
                      base::format("Requested state change failed by peer: %s (%d)",
                                   text(worst),
                                   static_cast<int>(worst)));
            done(running, StateCode::CwFailedByPeer);
            return true;
        }
        const StateCode code = check_promotion(command);
        if (!succeeded(code)) {
            refuse_promotion(running, code, command);
            return true;
        }
        finish_promotion(command);
        running.stage = 2;
        running.decided = true;
    }
    if (role() != Role::Primary) {
        done(running, StateCode::ConcurrentStChg);  // taken back since, by somebody else
        return true;
    }
    return done_when_stored(running);
}

// Who has forced one volume hears that another one stands in the way.
void Resource::refuse_promotion(const Running& running, StateCode code, const Promote& command) {
    std::string words = text(code);
    if (command.force && command.only && devices_.size() > 1) {
        words += base::format(
            "\nonly volume %u was forced: the others must be UpToDate, or be forced as well",
            command.only->value);
    }
    done(running, static_cast<int>(code), words);
}

// True while the handler is asked, or has changed what is to be decided.
bool Resource::fence_before_promotion(Running& running, StateCode code, const Promote& command) {
    constexpr int kMaxCalls = 4;
    const bool only_consistent =
        code == StateCode::NoUpToDateDisk &&
        std::any_of(devices_.begin(), devices_.end(), [](const auto& device) {
            return device->state().disk == DiskState::Consistent;
        });
    if (connection_.up() || (code != StateCode::PrimaryNop && !only_consistent)) {
        return false;
    }
    if (fencer_.running()) {
        return true;
    }
    if (running.fence_calls++ < kMaxCalls) {
        fencer_.call();
        return true;
    }
    const bool all = command.force && (!command.only || devices_.size() == 1);
    if (all && code == StateCode::PrimaryNop) {
        fencer_.assume_outdated();
        return true;
    }
    return false;
}

// Role and, where the data now go their own way, a new generation; both durable before the first
// write.
void Resource::finish_promotion(const Promote& command) {
    for (const auto& device : devices_) {
        const VolumeState next = promoted(*device, command.forces(device->number()));
        const bool raised = next.disk != device->state().disk;
        if (raised) {
            device->log_line(base::LogLevel::Warning, "Forced to consider local data as UpToDate!");
        }
        device->change_state(next);
        if (device->attached()) {
            const bool alone = next.conn < ConnState::Connected || next.pdsk <= DiskState::Failed;
            if (raised) {
                device->new_current_uuid();
            } else if (alone) {
                device->part_ways();
            }
            GenerationIds ids = device->ids();
            ids.current |= kUuidPrimaryBit;
            device->store.set_ids(ids);
            device->requests.hold_until(device->store.generation());
        } else if (device->peer.peer_ids()) {
            device->go_on_with_peers_data();  // and no others from now on
        }
        device->peer.announce_state();
    }
}

bool Resource::run(Running& running, const Demote&) {
    if (running.stage == 0) {
        if (role() == Role::Secondary) {
            if (still_running<Demote>(running)) {
                return false;
            }
            done(running, 0);
            return true;
        }
        const bool idle = std::all_of(devices_.begin(), devices_.end(), [](const auto& device) {
            return device->requests.idle();
        });
        if (!idle) {
            connection_.transfer_log.close_epoch();
            return false;
        }
        for (const auto& device : devices_) {
            device->change_role(Role::Secondary);
            if (device->attached()) {
                GenerationIds ids = device->ids();
                ids.current &= ~kUuidPrimaryBit;
                device->store.set_ids(ids);
            }
            device->peer.announce_state();
        }
        running.stage = 1;
        running.decided = true;
    }
    if (role() != Role::Secondary) {
        done(running, StateCode::ConcurrentStChg);
        return true;
    }
    return done_when_stored(running);
}

// --- Invalidate ---

bool Resource::full_sync(Running& running, Device& device, ConnState conn) {
    if (running.stage == 0) {
        VolumeState next = device.state();
        next.conn = conn;
        if (conn == ConnState::StartingSyncT) {
            next.pdsk = std::max(next.pdsk, DiskState::Inconsistent);
        }
        const StateCode code = check(device.state(), sanitise(next));
        if (!succeeded(code)) {
            done(running, code);
            return true;
        }
        device.peer.request(0x1f0, static_cast<std::uint32_t>(conn) << 4);
        running.stage = 1;
        return false;
    }
    if (running.stage == 1) {
        const std::optional<StateCode> reply = device.peer.take_reply();
        if (!reply) {
            return false;
        }
        if (!succeeded(*reply)) {
            done(running, StateCode::CwFailedByPeer);
            return true;
        }
        VolumeState next = device.state();
        next.conn = conn;
        device.peer.start_full_sync(next);
        running.stage = 2;
        running.decided = true;
    }
    return done_when_stored(running);
}

bool Resource::run(Running& running, const Invalidate& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    const VolumeState& state = device->state();
    if (running.stage == kInvalidatedAlone) {
        return done_when_stored(running);
    }
    if (state.conn >= ConnState::Connected || running.stage > 0) {
        return full_sync(running, *device, ConnState::StartingSyncT);
    }
    if (state.disk < DiskState::Inconsistent) {
        done(running, StateCode::NoLocalDisk);
    } else if (state.role == Role::Primary) {
        done(running, StateCode::NeedConnection);
    } else {
        device->change_disk(DiskState::Inconsistent);
        device->store.start_full_sync(true);
        running.stage = kInvalidatedAlone;
        running.decided = true;
        return false;
    }
    return true;
}

bool Resource::run(Running& running, const InvalidateRemote& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    if (device->state().conn < ConnState::Connected && running.stage == 0) {
        done(running, StateCode::NeedConnection);
        return true;
    }
    return full_sync(running, *device, ConnState::StartingSyncS);
}

// --- The rest ---

bool Resource::run(Running& running, const PauseSync& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    VolumeState next = device->state();
    if (next.user_isp == command.paused) {
        done(running,
             command.paused ? kErrPauseIsSet : kErrPauseIsClear,
             command.paused ? "Sync-pause flag is already set"
                            : "Sync-pause flag is already cleared");
        return true;
    }
    next.user_isp = command.paused;
    device->change_state(next);
    device->peer.announce_state();
    done(running, 0);
    return true;
}

bool Resource::run(Running& running, const Down&) {
    if (running.stage == 0) {
        if (role() == Role::Primary) {
            done(running, StateCode::DeviceInUse);
            return true;
        }
        running.stage = 1;
        running.decided = true;
        if (connection_.up() && !connection_.in_handshake()) {
            connection_.request_disconnect(0x1f0, 0x010);
        }
        // A peer that does not answer is left behind after half of the time.
        running.look_again = running.deadline - kAnswerWithin / 2;
    }
    if (running.stage == 1) {
        if (connection_.disconnect_requested() && core_.now < running.look_again) {
            return false;
        }
        connection_.disconnect();
        running.stage = 2;
        for (const auto& device : devices_) {
            if (device->disk.is_open() && !device->detaching()) {
                device->begin_detach();
            }
        }
        core_.progress = true;
    }
    const bool gone = std::none_of(devices_.begin(), devices_.end(), [](const auto& device) {
        return device->disk.is_open();
    });
    if (!gone) {
        return false;
    }
    connection_.shut_down();
    done(running, 0);
    return true;
}

bool Resource::run(Running& running, const ChangeSettings& command) {
    connection_.change_settings(command.settings.net);
    core_.settings.fencing = command.settings.fencing;
    for (const VolumeSettings& volume : command.settings.volumes) {
        if (Device* device = find(volume.number)) {
            device->change_settings(volume);
        }
    }
    done(running, 0);
    return true;
}

}  // namespace engine
