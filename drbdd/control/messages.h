// What the tools and the daemon say to each other on the admin socket (RUNDIR/drbdd.sock, stream).
//
// One JSON object per line, at most ipc::kMaxLineBytes with the newline. The client sends requests
//     {"id": 1, "command": "primary", "resource": "r0", "volume": 0, "options": {"force": true}}
// and gets exactly one reply for each, in the order in which they finish:
//     {"id": 1, "code": -2, "text": "Need access to UpToDate data", "data": {}}
// "resource", "volume" and "options" may be missing. `code` is 0 (done), a negative SS_* or a
// positive ERR_* number with the original's text (section 11 of the configuration specification);
// further lines of `text` are the original's "additional info from kernel". Every command is
// answered within a second, whatever is broken: one that takes longer and goes on to its end is
// answered with -18 and {"still-running": true}; all else that is answered with a failure has not
// happened.
//
// command       resource  volume   options                       data of the reply
// version       -         -        -                             Version
// new-resource  yes       -        settings: ResourceSettings    -
// up            yes       -        settings: ResourceSettings    {"failures": [Failure...]}
// attach        yes       yes      settings: ResourceSettings    -
// detach        yes       yes      force: bool                   -
// connect       yes       -        settings, discard-my-data     -
// disconnect    yes       -        force: bool                   -
// primary       yes       ignored  force: bool                   -
// secondary     yes       ignored  -                             -
// invalidate    yes       yes      -                             -
// invalidate-remote, pause-sync, resume-sync, suspend-io, resume-io: as invalidate
// new-current-uuid yes    yes      clear-bitmap: bool            -
// resize        yes       yes      size (sectors, 0: all there is), assume-peer-has-space: bool,
//                                  assume-clean: bool            -
// verify        yes       yes      start, stop: sectors,         -
//                                  repair: bool
// options       yes       -        settings                      -
// show          yes       -        -                             ResourceSettings
// down          yes       -        -                             -
// status        or all    -        -                             Snapshot
// events2       or all    -        now: bool                     - ; then events, see below
// quit          -         -        force: bool                   -   (without force refused with
// 159
//                                                                    while a resource is
//                                                                    configured)
//
// new-resource creates the resource with these volumes, which may be none, without a disk and
// without a connection. One that is there is given these volumes if it has neither disk nor
// connection and nobody uses it (160 otherwise); with the same volumes nothing is to be done.
//
// up creates the resource and all its devices, attaches each volume and connects. It does as much
// as it can; `code` and `text` are those of the first failure, all are in data. An up of a resource
// that is configured fails with 124 for each attached volume and with 102 for its connection, as
// the original does. attach takes the settings of its volume anew, connect the addresses and the
// settings of the connection, options all settings but addresses and disks: so a changed file is
// honoured. A command that is refused changes nothing. show tells what is in force, with the shared
// secret. The resource must exist (158). Waiting (wait-connect, wait-sync) is the client's
// business, on top of events2.
//
// After the reply to events2 the connection belongs to the event stream:
//     {"id": 1, "event": {...Event...}}
// first the existing objects, then "exists -", then (without `now`) what changes. A client that
// does not read is dropped when ipc::kMaxQueuedBytes wait for it.
//
// Words are those of the 8.4 tools: roles, disk states and connection states as in /proc/drbd
// (section 9.1); whoever prints the 9 forms translates: connection_word() and replication_word().
//
// All of this is the library drbdd_messages, which the tools link without the rest of the daemon.
#pragma once

#include "base/result.h"
#include "config/settings.h"
#include "ipc/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace control {

using ipc::Json;

inline constexpr const char* kSocketName = "drbdd.sock";  // below the run directory

enum class Command {
    Version,
    NewResource,
    Up,
    Attach,
    Detach,
    Connect,
    Disconnect,
    Primary,
    Secondary,
    Invalidate,
    InvalidateRemote,
    NewCurrentUuid,
    Resize,
    Verify,
    PauseSync,
    ResumeSync,
    SuspendIo,
    ResumeIo,
    Outdate,
    PeerSuspect,
    PeerDead,
    Options,
    Show,
    Down,
    Status,
    Events2,
    Quit,
};

std::string_view to_string(Command command);  // "primary"

// ERR_* numbers of drbdsetup that the daemon itself answers with; error_text() has the words of
// all.
namespace err {
inline constexpr int kOk = 0;
inline constexpr int kLocalAddress = 102;
inline constexpr int kOpenBackingDevice = 104;
inline constexpr int kDiskInUse = 106;
inline constexpr int kDeviceTooSmall = 111;
inline constexpr int kMdIndexInvalid = 116;
inline constexpr int kNoMetaData = 119;
inline constexpr int kAuthAlg = 120;
inline constexpr int kDiscardWhenPrimary = 123;
inline constexpr int kDiskConfigured = 124;
inline constexpr int kNetConfigured = 125;
inline constexpr int kMinorInvalid = 127;
inline constexpr int kNoDisk = 138;
inline constexpr int kCpuMask = 143;
inline constexpr int kPermission = 152;
inline constexpr int kResourceNotKnown = 158;
inline constexpr int kResourceInUse = 159;
inline constexpr int kMinorConfigured = 160;
inline constexpr int kMinorOrVolumeExists = 161;
inline constexpr int kInvalidRequest = 162;
}  // namespace err

// The original's text of an ERR_* (101...) or SS_* (negative) number, "" if it has none.
std::string_view error_text(int code);

struct Request {
    std::uint64_t id = 0;
    Command command = Command::Version;
    std::string resource;                 // empty: not given
    std::optional<std::uint16_t> volume;  // its number in the resource
    bool force = false;
    bool discard_my_data = false;
    bool clear_bitmap = false;
    bool assume_peer_has_space = false;
    bool assume_clean = false;
    std::uint64_t size_sectors = 0;
    bool now = false;
    std::optional<std::uint64_t> start;  // of verify, as the next two
    std::optional<std::uint64_t> stop;
    bool repair = false;
    std::optional<config::ResourceSettings> settings;
};

struct Reply {
    std::uint64_t id = 0;
    int code = 0;
    std::string text;
    Json data = Json::object();
};

struct Version {
    std::string version;  // of the daemon, "0.1.0"
    std::string node;     // its node name
    std::int64_t pid = 0;
};

struct Failure {         // of one step of `up`
    std::string object;  // as drbdsetup names it: the minor, or the resource
    int code = 0;
    std::string text;
};

// --- The state of everything. Amounts are KiB, unless the name says otherwise.
// -----------------------

struct DoneSince {
    std::uint64_t ms = 0;
    std::uint64_t sectors = 0;

    double mib_per_second() const;
};

struct VerifiedRange {  // sectors
    std::uint64_t start = 0;
    std::uint64_t stop = 0;
    std::uint64_t position = 0;
};

struct SyncProgress {  // of a running or paused resync or verify
    std::uint64_t total_kib = 0;
    std::uint64_t left_kib = 0;
    std::uint64_t failed_kib = 0;
    std::uint64_t equal_kib = 0;  // not transferred, by csums-alg
    std::uint64_t ms = 0;         // since the start
    std::uint64_t paused_ms = 0;
    DoneSince last;    // seconds: "dt0/db0"
    DoneSince oldest;  // up to half a minute: "dt1/db1"
    std::optional<VerifiedRange> verified;

    double percent_done() const;    // 0 to 100
    double mib_per_second() const;  // from the start, without pauses
    std::optional<std::uint64_t> eta_seconds()
        const;  // by the speed since the oldest; unset: it stands still
};

struct DeviceStatus {
    std::uint16_t volume = 0;
    std::uint32_t minor = 0;
    std::string disk;           // "UpToDate"
    std::string device;         // "/dev/drbd0"
    std::string backing_dev;    // "" while diskless
    std::string frontend;       // what carries the device: "fuse", "nbd", "none"
    std::string frontend_note;  // why not a better one
    bool open = false;
    std::uint64_t size = 0;
    std::uint64_t read = 0;
    std::uint64_t written = 0;
    std::uint64_t al_writes = 0;  // from here to lower_pending: numbers
    std::uint64_t bm_writes = 0;
    std::uint64_t upper_pending = 0;
    std::uint64_t lower_pending = 0;
    bool al_suspended = false;
    std::string blocked = "no";  // "no", "upper", "lower", "upper,lower"
    std::string held_back_by;    // "suspended": why new writes wait; "" where none waits
    std::string current_uuid;    // 16 hexadecimal digits
    std::string generations;     // the line of get-gi; "" without a disk
    std::uint64_t agreed_max_bio_bytes = 0;
};

struct PeerDeviceStatus {
    std::uint16_t volume = 0;
    std::string cstate;  // of this volume: "StandAlone"... "SyncTarget"
    std::string peer_disk = "DUnknown";
    std::string resync_suspended = "no";  // or a comma list of user, peer, dependency
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    std::uint64_t out_of_sync = 0;
    std::uint64_t pending = 0;
    std::uint64_t unacked = 0;
    std::optional<SyncProgress> sync;
};

struct ConnectionStatus {
    std::string peer;    // the peer's name in the configuration
    std::string cstate;  // of the connection: "StandAlone"... "WFReportParams", "Connected"
    std::string peer_role = "Unknown";
    std::string protocol;    // "C"; "" while StandAlone
    std::string last_error;  // why it last ended or was refused, "" if it never did
    bool congested = false;
    std::uint64_t ap_in_flight_sectors = 0;
    std::uint64_t rs_in_flight_sectors = 0;
    std::vector<PeerDeviceStatus> peer_devices;  // ascending by volume
};

struct ResourceStatus {
    std::string name;
    std::string role = "Secondary";
    std::string suspended = "no";  // or a comma list of user, no-data, fencing
    std::string write_ordering = "flush";
    bool degraded = false;              // the peer was not there when this node was last stopped
    std::vector<DeviceStatus> devices;  // ascending by volume
    std::vector<ConnectionStatus> connections;  // today always one
};

struct Snapshot {
    std::vector<ResourceStatus> resources;  // ascending by name
};

// One line of events2 (section 9.4). Values contain no blanks.
struct Event {
    using Fields = std::vector<std::pair<std::string, std::string>>;
    std::string action;  // exists, create, change, destroy, call, response
    std::string
        object;    // resource, connection, device, peer-device, helper; "-" ends the first dump
    Fields keys;   // which object
    Fields state;  // change: only what changed
    Fields statistics;  // printed with --statistics only
};

// An 8.4 connection state in the words of DRBD 9: "WFConnection" is the connection state
// "Connecting"; "SyncTarget" is the connection state "Connected", replication state "SyncTarget".
std::string_view connection_word(std::string_view cstate);
std::string_view replication_word(std::string_view cstate);

// The first part of an event stream: all objects of `snapshot`, of the named resource only unless
// `resource` is empty, and "exists -".
std::vector<Event> existing_events(const Snapshot& snapshot, std::string_view resource);

// What to tell when a resource went from `before` to `after`; null: it does not exist (then, now).
// A change of counters alone is no event. Values that both have are compared, never the time.
std::vector<Event> change_events(const ResourceStatus* before, const ResourceStatus* after);

// A handler was started, or ended with wait status `status` (exit code * 256). Device events name
// their volume.
Event helper_call(const ResourceStatus& resource,
                  std::optional<std::uint16_t> volume,
                  const std::string& name);
Event helper_response(const ResourceStatus& resource,
                      std::optional<std::uint16_t> volume,
                      const std::string& name,
                      int status);

// --- Lines
// -------------------------------------------------------------------------------------------

// With the newline.
std::string to_line(const Request& request);
std::string to_line(const Reply& reply);
std::string event_line(std::uint64_t request_id, const Event& event);

// `line` with or without its newline. Anything may be wrong with it.
base::Result<Request> parse_request(std::string_view line);
base::Result<Reply> parse_reply(std::string_view line);

struct EventMessage {
    std::uint64_t id = 0;
    Event event;
};

base::Result<EventMessage> parse_event(std::string_view line);

// The id of a line that parse_request() refused, for the reply; 0 if there is none.
std::uint64_t id_of(std::string_view line);

// --- Values that travel in `data` and `options`
// ----------------------------------------------------

Json to_json(const config::ResourceSettings& settings);
Json to_json(const Snapshot& snapshot);
Json to_json(const Version& version);
Json to_json(const std::vector<Failure>& failures);  // {"failures": [...]}

base::Result<config::ResourceSettings> settings_from_json(const Json& json);
base::Result<Snapshot> snapshot_from_json(const Json& json);
base::Result<Version> version_from_json(const Json& json);
base::Result<std::vector<Failure>> failures_from_json(const Json& json);

}  // namespace control
