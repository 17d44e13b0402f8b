// What comes out of the engine. Effects start in list order; "A only after B is durable" is never
// expressed by order: the engine emits A when B's completion event has come back.
#pragma once

#include "base/log.h"
#include "drbdd/engine/events.h"
#include "drbdd/engine/rules/state.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace engine {

struct SubmitDisk {
    VolumeNumber volume;
    io::DiskOp op;
};

// The device of the volume may be closed: no I/O is outstanding, none will be submitted.
struct CloseDisk {
    VolumeNumber volume;
};

// The engine has done with the device although I/O is outstanding, and wants to hear no more of it.
// What that still does to the device counts for nobody: until it has ended, buffers and device are
// kept, and nobody else gets the device.
struct AbandonDisk {
    VolumeNumber volume;
};

// Looks at the size of the device again; answered by DiskMeasured, unless the device is closed or
// abandoned first.
struct MeasureDisk {
    VolumeNumber volume;
};

struct CompleteApp {
    RequestId id;
    int error = 0;   // 0 or errno
    io::Slice data;  // Read: the bytes (not always the slice of the request)
};

struct StartListening {};

struct StopListening {};

struct Connect {  // to the peer's configured address; answered by SocketConnected or SocketClosed
    SocketId socket;
};

struct CloseSocket {  // at once; what is queued is dropped. No event follows for this socket.
    SocketId socket;
    // Give queued bytes a moment to leave (at most 1 s) before closing: after a reply that the peer
    // waits for.
    bool after_sending = false;
};

// Header and body, then the payload, in one piece of the stream. Never blocks, never fails: trouble
// comes back as SocketClosed. The payload is kept alive until written.
struct Send {
    SocketId socket;
    std::vector<std::uint8_t> head;
    io::Slice payload;
};

// Back-pressure: read no more from the socket, or go on. Packets that were already read may still
// arrive.
struct PauseReading {
    SocketId socket;
    bool paused = false;
};

struct AdminDone {
    AdminId id;
    int code = 0;      // 0: done; negative: a StateCode; positive: an ERR_* number of drbdsetup
    std::string text;  // the reason in words when code is not 0
};

// The command takes longer than an administrator waits. It goes on to its end, and AdminDone tells
// of that.
struct AdminStillRunning {
    AdminId id;
    std::string text;  // what is waited for
};

// Runs `drbdadm NAME minor-N` (or the configured command) outside the engine.
struct RunHandler {
    VolumeNumber volume;
    std::string name;
    bool report = false;  // answered by one HandlerDone; else nobody waits for it
    // Tells the answers to several runs apart: one may come when nobody waits for it any more.
    std::uint64_t run = 0;
};

// The peer has changed what both nodes must have alike: these are in force here, too.
struct SettingsAdopted {
    ReplicationProtocol protocol = ReplicationProtocol::C;
    AfterSplitBrain after_sb_0p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_1p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_2p = AfterSplitBrain::Disconnect;
    std::string integrity_alg{};
    std::string verify_alg{};
    std::string csums_alg{};
};

// A volume's size, role or usability changed: front ends look at Engine::status().
struct VolumeChanged {
    VolumeNumber volume;
};

// Something that Engine::status() shows has changed (state changes, not counters).
struct StatusChanged {};

using Effect = std::variant<SubmitDisk,
                            CloseDisk,
                            AbandonDisk,
                            MeasureDisk,
                            CompleteApp,
                            StartListening,
                            StopListening,
                            Connect,
                            CloseSocket,
                            Send,
                            PauseReading,
                            AdminDone,
                            AdminStillRunning,
                            RunHandler,
                            SettingsAdopted,
                            VolumeChanged,
                            StatusChanged>;

class Effects {
public:
    template <typename T>
    void add(T effect) {
        list_.emplace_back(std::move(effect));
    }

    std::vector<Effect>& list() { return list_; }

    void clear() { list_.clear(); }

private:
    std::vector<Effect> list_;
};

}  // namespace engine
