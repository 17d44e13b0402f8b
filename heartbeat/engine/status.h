// What hb_status and cl_status show. A copy, taken between two steps.
#pragma once

#include "heartbeat/engine/events.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hb {

struct LinkStatus {
    std::string name;
    bool up = false;
};

struct NodeStatus {
    std::string name;
    bool ping = false;   // a ping node or group, no cluster member
    std::string status;  // init, up, active, dead, ping
    std::string hold;    // what it says it holds, from its own view: none local foreign all
    bool stable = false;
    Time silence{};   // since its last status message
    Time deadtime{};  // what it announced
    std::uint64_t generation = 0;
    std::vector<LinkStatus> links;
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
    int failures = 0;  // in the current window
    std::string text;
};

struct DecisionEntry {
    Time at{};
    std::int64_t wall_seconds = 0;
    std::string text;
    std::string facts;
};

struct AlarmEntry {
    Time at{};
    std::int64_t wall_seconds = 0;
    std::string kind;
    std::string text;
    bool over = false;  // of a death from which the partner has returned
};

// What must be known of this life when it ends without a word. Cheap: asked for at every message.
struct Vitals {
    Hold hold = Hold::none;
    std::string partner;                   // empty: none
    std::uint64_t partner_generation = 0;  // 0: not heard, and nothing known of it
    std::uint64_t partner_sequence = 0;
    // When it was last heard, and when that of our heartbeats was sent that it heard last.
    Time heard{};
    Time heard_us{};
    std::optional<Time> stops_until;  // this node is isolated, and stops everything until then
    std::vector<std::string> groups;  // keys of those of which something may run here, file order
    std::vector<std::string> given;   // those that belong to `hold`, and have been given away alone
};

struct Snapshot {
    std::string node;
    std::string status;     // own: init, up, active
    std::string resources;  // for cl_status rscstatus: none local foreign all transition
    std::string phase;      // of the resource logic: init starting ... stable shutdown
    std::string standby;    // not, me, other, done
    std::string partner;    // alive, left (it has said goodbye), or dead (also: not heard yet)
    std::string pending;    // what is waited for, in words; empty if nothing
    std::string promised;   // the part of it that waits for something else to end
    bool shutting_down = false;
    std::uint64_t generation = 0;
    std::uint64_t dropped_messages = 0;  // replays, duplicates, unknown senders, malformed
    std::vector<NodeStatus> nodes;       // own node first
    std::vector<GroupStatus> groups;     // in file order
    std::vector<MonitorStatus> monitors;
    std::vector<DecisionEntry> decisions;  // the latest, oldest first
    std::vector<AlarmEntry> alarms;        // the latest, oldest first
};

}  // namespace hb
