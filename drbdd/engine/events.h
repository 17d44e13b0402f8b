// What goes into the engine. Plain values with ids; the time is handed in with each.
#pragma once

#include "base/units.h"
#include "drbdd/engine/settings.h"
#include "drbdd/io/buffer.h"
#include "drbdd/io/disk.h"
#include "proto/packets.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace engine {

// A TCP connection. Ids of outgoing ones are chosen by the engine (Connect effect), ids of accepted
// ones by the runtime with kAcceptedSocket set. An id is never used twice in the life of an engine.
struct SocketId {
    std::uint32_t value = 0;
    auto operator<=>(const SocketId&) const = default;
};

inline constexpr std::uint32_t kAcceptedSocket = 1u << 31;

struct RequestId {  // of an application request, chosen by the runtime
    std::uint64_t value = 0;
    auto operator<=>(const RequestId&) const = default;
};

struct AdminId {  // of an administrator's command, chosen by the runtime
    std::uint64_t value = 0;
    auto operator<=>(const AdminId&) const = default;
};

// At most kMaxAppBytes per request (Discard: kMaxAppDiscardBytes), sector-aligned,
// within the device: the runtime splits and checks.
inline constexpr std::uint64_t kMaxAppBytes = 1u << 20;
inline constexpr std::uint64_t kMaxAppDiscardBytes = 4u << 20;

struct AppRequest {
    enum class Op : std::uint8_t { Read, Write, Flush, Discard, WriteZeroes };
    RequestId id;
    VolumeNumber volume;
    Op op = Op::Read;
    bool fua = false;
    bool may_unmap = true;
    base::Sector sector;
    std::uint64_t length = 0;  // bytes
    io::Slice payload;         // Write: the data. Read: room for it
};

struct DiskDone {  // exactly one for each SubmitDisk, unless AbandonDisk comes first
    VolumeNumber volume;
    io::IoId id;
    int error = 0;  // errno
};

struct SocketConnected {  // a Connect succeeded
    SocketId socket;
};

struct SocketAccepted {
    SocketId socket;
};

struct SocketClosed {  // failed to connect, or reset, or end of stream. Nothing more comes from it.
    SocketId socket;
    int error = 0;  // errno; 0: orderly end of stream
};

struct ListenFailed {
    std::string text;
    bool may_pass = false;  // the local address is not there yet; false: the port is taken
};

// One whole packet, cut from the byte stream by PacketStream.
struct Packet {
    proto::Header header;
    std::vector<std::uint8_t> body;  // all of it, or the fixed part when the rest is bulk payload
    io::Slice payload;
};

struct PacketArrived {
    SocketId socket;
    Packet packet;
};

struct StreamBroken {  // the peer's bytes are not a packet; nothing more is read from the socket
    SocketId socket;
    std::string text;
};

// How many bytes of what was given to Send the operating system has taken, in total since the
// connect. Told after every write that took some.
struct SocketWritten {
    SocketId socket;
    std::uint64_t bytes_total = 0;
};

// --- Administrator's commands: each ends with exactly one AdminDone. One that takes longer than
// about a second is answered before, by AdminStillRunning, or is taken back. ---

// The runtime has opened and claimed the device. It is the engine's from now on: given back by
// CloseDisk or AbandonDisk, also where the command is refused.
struct Attach {
    VolumeNumber volume;
    io::DiskGeometry geometry;
};

struct Detach {
    VolumeNumber volume;
    bool force = false;  // at once, whatever the disk still has to answer
};

struct ConnectCommand {
    bool discard_my_data = false;
};

struct Disconnect {
    bool force = false;
};

// The role is that of the whole resource. `force` is for `only`, if there is one: the others must
// be fit to be Primary by themselves.
struct Promote {
    bool force = false;
    std::optional<VolumeNumber> only{};

    bool forces(VolumeNumber volume) const { return force && (!only || *only == volume); }
};

struct Demote {};  // the runtime has checked that no front end is in use

struct Invalidate {
    VolumeNumber volume;
};

struct InvalidateRemote {
    VolumeNumber volume;
};

// A new data generation. Of a pair of disks that were just created, with `clear_bitmap`: both are
// taken for equal, and their first resync is skipped. Else the node is StandAlone; then with
// `clear_bitmap` the peer's disk is one that will be brought up to date by other means.
struct NewCurrentUuid {
    VolumeNumber volume;
    bool clear_bitmap = false;
};

// The data of both nodes are compared, from one sector up to another one, in the background: at
// most to the end of the device, and from where an earlier verify was broken off.
struct StartVerify {
    VolumeNumber volume;
    std::optional<std::uint64_t> start{};  // sectors
    std::optional<std::uint64_t> stop{};   // the first one that is not compared
    bool repair = false;                   // a Primary brings the peer what differs, when it ends
};

// A resync, now or later, waits until the pause of either node ends. Kept until it is taken back or
// the process ends.
struct PauseSync {
    VolumeNumber volume;
    bool paused = true;
};

// The application's requests on a volume wait: none is started and none is completed until this is
// taken back. What is under way goes on at the disks and is told afterwards; contact to the peer
// may be lost and made meanwhile. Kept until it is taken back or the process ends.
struct SuspendIo {
    VolumeNumber volume;
    bool suspended = true;
};

// The data of a volume shall not be used before a resync: somebody else uses the peer's. Durable
// when it is answered. Changes nothing while the peer is connected.
struct Outdate {
    VolumeNumber volume;
};

// The cluster manager has not heard the peer for a while: the peer is pinged. Whether it answers
// counts when it is declared dead.
struct PeerSuspect {};

// The cluster manager has declared the peer dead: the connection is given up without waiting for
// its timeouts, and refused if the peer still answers a ping. A ping that it has not answered for
// 200 ms is enough.
struct PeerDead {};

// Takes into use what the disk has gained (MeasureDisk tells how much), and asks the peer to do the
// same: the device grows to what both have. Without a peer it does so only where it may be assumed
// that the peer's disk has the room.
struct Resize {
    VolumeNumber volume;
    std::optional<std::uint64_t> size_sectors{};  // of the device from now on; 0: what there is
    bool assume_peer_has_space = false;
    bool assume_clean = false;  // what is added is the same on both, or nobody's
};

struct Down {};  // disconnect and detach everything; the answer comes when all disks are closed

// In force at once: what the peer has to know of them is told to it. Authentication counts from the
// next connection on.
struct ChangeSettings {
    ResourceSettings settings;
};

// A volume more, without a disk and Secondary; one that is connected is a new matter of the
// connection at once. The next ChangeSettings has it as well.
struct AddVolume {
    VolumeSettings settings;
};

// Only one without a disk, and Secondary; the runtime has seen to it that nobody uses it. The
// engine speaks of it no more when it has answered.
struct RemoveVolume {
    VolumeNumber volume;
};

using AdminCommand = std::variant<Attach,
                                  Detach,
                                  ConnectCommand,
                                  Disconnect,
                                  Promote,
                                  Demote,
                                  Invalidate,
                                  InvalidateRemote,
                                  NewCurrentUuid,
                                  StartVerify,
                                  PauseSync,
                                  SuspendIo,
                                  Outdate,
                                  PeerSuspect,
                                  PeerDead,
                                  Down,
                                  ChangeSettings,
                                  Resize,
                                  AddVolume,
                                  RemoveVolume>;

struct Admin {
    AdminId id;
    AdminCommand command;
};

// The answer to MeasureDisk.
struct DiskMeasured {
    VolumeNumber volume;
    io::DiskGeometry geometry;
};

// resync-after: another volume of this node resyncs first, or does so no more.
struct ResyncTurn {
    VolumeNumber volume;
    bool waits = false;

    bool operator==(const ResyncTurn&) const = default;
};

// A handler that was started with `report` has ended; without a configured handler at once, with 0.
struct HandlerDone {
    VolumeNumber volume;
    int exit_code = 0;  // -1: it could not be started, was killed or took too long
    std::string name;   // these two as in RunHandler
    std::uint64_t run = 0;
};

struct Tick {};  // time has passed; due when next_deadline() is reached, allowed at any time

using Event = std::variant<AppRequest,
                           DiskDone,
                           DiskMeasured,
                           SocketConnected,
                           SocketAccepted,
                           SocketClosed,
                           ListenFailed,
                           PacketArrived,
                           StreamBroken,
                           SocketWritten,
                           Admin,
                           HandlerDone,
                           ResyncTurn,
                           Tick>;

}  // namespace engine
