// The administrator gives a volume its backing disk, and takes it away.
#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/resource.h"
#include "drbdd/engine/rules/state_rules.h"

namespace engine {

namespace {

// The word's bits of a disk that becomes Diskless, as the peer is asked for it.
constexpr std::uint32_t kDetachMask = 0x1e00;
constexpr std::uint32_t kDetachValue = 0x400;

}  // namespace

// It takes as long as the disk takes. The disk is the engine's until the end of it, whatever has
// been answered meanwhile.
bool Resource::run(Running& running, const Attach& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    if (running.stage == 0) {
        if (taking_down()) {
            refuse_going_down(running);
            return true;
        }
        if (device->state().disk != DiskState::Diskless || device->disk.is_open()) {
            done(running, kErrDiskConfigured, "Device is attached to a disk (use detach first)");
            return true;
        }
        running.stage = 1;
        running.decided = true;
        device->attach(command.geometry);
        return false;
    }
    const DiskState disk = device->state().disk;
    const Attacher& attacher = device->attacher();
    const bool waits_for_handshake = disk == DiskState::Attaching && !attacher.failed();
    if (device->attaching() || waits_for_handshake) {
        return false;
    }
    if (disk <= DiskState::Failed) {
        if (device->disk.is_open()) {
            return false;  // answered once the device may be opened by others again
        }
        const bool known = attacher.failed();
        done(running,
             known ? attacher.error_code() : kErrIoMdDisk,
             known ? attacher.error() : "the disk was lost or taken away before the attach ended");
        return true;
    }
    if (!device->store.clean()) {
        return false;
    }
    done(running, 0);
    return true;
}

bool Resource::run(Running& running, const Detach& command) {
    Device* device = find(command.volume);
    if (device == nullptr) {
        done(running, kErrMinorInvalid, "Device minor not allocated");
        return true;
    }
    if (command.force && device->disk.is_open()) {
        device->force_detach();
    }
    if (!device->disk.is_open()) {
        if (running.stage == 1 && !running.decided) {
            device->peer.forget_request();
        }
        done(running, 0);
        return true;
    }
    if (running.decided && !device->detaching()) {
        done(running, StateCode::NoUpToDateDisk);  // the peer has gone away meanwhile
        return true;
    }
    const std::optional<StateCode> allowed =
        running.decided ? std::nullopt : may_detach(running, *device);
    if (!allowed) {
        return false;
    }
    if (!succeeded(*allowed)) {
        done(running, *allowed);
        return true;
    }
    running.decided = true;
    if (!device->detaching()) {
        device->begin_detach();
    }
    return false;
}

// By the state of things, and where there is a peer by that; nothing while that is asked.
std::optional<StateCode> Resource::may_detach(Running& running, Device& device) {
    const bool connected = device.state().conn >= ConnState::Connected;
    if (running.stage == 1) {
        const std::optional<StateCode> reply = device.peer.take_reply();
        if (!reply || succeeded(*reply) || connected) {
            return reply && !succeeded(*reply) ? StateCode::CwFailedByPeer : reply;
        }
        running.stage = 0;  // the peer went away while we asked: decide without it
    }
    VolumeState next = device.state();
    next.disk = DiskState::Failed;
    const StateCode code = check(device.state(), sanitise(next));
    if (!succeeded(code) || !connected || device.detaching()) {
        return code;
    }
    running.stage = 1;
    device.peer.request(kDetachMask, kDetachValue);
    return std::nullopt;
}

}  // namespace engine
