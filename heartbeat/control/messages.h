// What the tools and the daemon say to each other on the control socket (RUNDIR/heartbeat.sock,
// stream, mode 0600).
//
// One JSON object per line, at most ipc::kMaxLineBytes with the newline. The client sends requests
//     {"id": 1, "request": "standby", "arg": "foreign", "wait": true}
// and gets one reply for each, in the order in which they finish:
//     {"id": 1, "exit": 0, "text": "", "data": {}}
// Members that are missing have their default. `exit` is 0 (done) or an exit code for the tool;
// `text` says why, for a person.
//
// request        members                  reply
// status         -                        data: Status
// parameter      name                     data: {"value": as it is written in ha.cf}; exit 1 if
//                                         it is not set there
// client_status  node, name, limit        text: online or offline; exit 0, 1, or 13: no answer
//                                         from that node within `limit`, unknown node
// standby        arg, wait                arg: all, local, foreign, failback; empty: all
// takeover       arg, wait                the same words; confirms a takeover that waits
// confirm        node, wait               confirm the takeover that waits, of this node if named
// clear          name                     forget the failures of a group (key), or of all
// shutdown       wait                     release everything and end
// restart        -                        replace the daemon, the resources go on running
// reload         -                        read haresources, authkeys and ha_policy.cf anew; text
//                                         and exit 6 if they are wrong (the old ones stay)
// outdate        name, node, limit        DRBD's fence-peer handler asks: name is the resource,
//                                         node the peer (may be empty). exit: the handler's codes
// subscribe      -                        after the reply, events until the client leaves
//
// Without `wait` the reply comes as soon as the engine has accepted or refused; with it, when the
// work is done, which may take as long as the resources need. All other requests are answered
// within a second, except client_status and outdate, which take up to their `limit`.
//
// Events of a subscription: {"id": 1, "event": {"kind": "decision", "entry": Entry}}; kind is
// decision or alarm. A client that does not read is dropped when ipc::kMaxQueuedBytes wait for it.
#pragma once

#include "base/result.h"
#include "ipc/json.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb::control {

using ipc::Json;

inline constexpr std::size_t kMaxWordBytes = 4096;  // of a text in a request
inline constexpr std::uint64_t kMaxLimitMs = 600'000;
inline constexpr const char* kSocketName = "heartbeat.sock";  // below the run directory

// Exit codes of the replies, where the original has none of its own.
inline constexpr int kExitOk = 0;
inline constexpr int kExitRefused = 1;         // not now, or not with this configuration
inline constexpr int kExitBadRequest = 2;      // the request itself is wrong
inline constexpr int kOutdateUnreachable = 5;  // DRBD's fence-peer: nobody has answered
inline constexpr int kExitBadConfig = 6;       // LSB: not configured
inline constexpr int kExitUnknownNode = 11;    // cl_status nodestatus
inline constexpr int kExitNoAnswer = 13;       // cl_status clientstatus, hblinkstatus

enum class RequestKind : std::uint8_t {
    Status,
    Parameter,
    ClientStatus,
    Standby,
    Takeover,
    Confirm,
    Clear,
    Shutdown,
    Restart,
    Reload,
    Outdate,
    Subscribe,
};

std::string_view to_string(RequestKind kind);  // "client_status"

struct Request {
    std::uint64_t id = 0;  // chosen by the client, returned in the reply
    RequestKind kind = RequestKind::Status;
    std::string arg;
    std::string node;
    std::string name;
    bool wait = false;
    std::chrono::milliseconds limit{100};
};

struct Reply {
    std::uint64_t id = 0;  // 0: to a line that was no request
    int exit = 0;
    std::string text;
    Json data = Json::object();
};

// --- status ---

struct LinkStatus {
    std::string name;
    bool up = false;
};

struct NodeStatus {
    std::string name;
    bool ping = false;   // a ping node or group, no cluster member
    std::string status;  // init, up, active, dead, ping
    std::string hold;    // of what it says it holds: none, local, foreign, all; from its own view
    bool stable = false;
    std::uint64_t silence_ms = 0;   // since its last status message
    std::uint64_t deadtime_ms = 0;  // what it announced
    std::uint64_t generation = 0;
    std::vector<LinkStatus> links;
};

// A local end of a heartbeat path.
struct MediumStatus {
    std::string name;  // of the link: interface or device
    std::string kind;  // ucast, bcast, mcast, serial, disk, ping
    bool up = false;
    std::string why;  // it is down
};

struct ResourceStatus {
    std::string text;   // as in haresources
    std::string state;  // stopped, starting, running, stopping, failed, unknown
};

struct GroupStatus {
    std::string key;
    std::string home;
    std::string state;   // stopped, starting, running, stopping, failed, blocked
    std::string reason;  // of failed and blocked
    std::vector<ResourceStatus> resources;
};

struct MonitorStatus {
    std::string name;
    bool running = false;
    bool ok = true;
    std::uint64_t failures = 0;  // in the current window
    std::string text;
};

// Of the decision log and of the alarms.
struct Entry {
    std::int64_t wall_seconds = 0;
    std::string kind;  // of an alarm: node_dead, last_link ...; empty for a decision
    std::string text;
    std::string facts;  // of a decision: key=value words
};

struct Status {
    std::string node;
    std::string version;
    std::int64_t pid = 0;
    std::string status;     // own: init, up, active
    std::string resources;  // none, local, foreign, all, transition
    std::string phase;      // of the resource logic
    std::string standby;    // not, me, other, done
    std::string pending;    // what is waited for, in words; empty if nothing
    bool shutting_down = false;
    std::uint64_t generation = 0;
    std::uint64_t uptime_ms = 0;
    std::vector<NodeStatus> nodes;  // in the order of ha.cf, this node among them; ping nodes last
    std::vector<MediumStatus> media;
    std::vector<GroupStatus> groups;  // in file order
    std::vector<MonitorStatus> monitors;
    std::vector<Entry> decisions;                   // the latest, oldest first
    std::vector<Entry> alarms;                      // the latest, oldest first
    std::map<std::string, std::uint64_t> counters;  // dropped_messages, bad_signatures ...

    const NodeStatus* find(std::string_view name) const;  // null: unknown
};

struct Event {
    std::string kind;  // decision or alarm
    Entry entry;
};

// --- lines; encoders end them with the newline, decoders want them without ---

std::string to_line(const Request& request);
std::string to_line(const Reply& reply);
std::string event_line(std::uint64_t id, const Event& event);
Json to_json(const Status& status);

// Any bytes may be given to these: what is not as described above is an Error (Invalid), TooBig for
// a line longer than ipc::kMaxLineBytes.
base::Result<Request> parse_request(std::string_view line);
base::Result<Reply> parse_reply(std::string_view line);
base::Result<Event> parse_event(std::string_view line);
base::Result<Status> status_from_json(const Json& json);

}  // namespace hb::control
