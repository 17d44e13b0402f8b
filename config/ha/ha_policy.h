// ha_policy.cf: what our daemon can do and the original cannot, in a file of its own so that ha.cf
// stays the original's. The file is optional; without it everything here is off. One statement per
// line, comments with '#', times as in ha.cf. Pure.
#pragma once

#include "config/ha/findings.h"
#include "config/ha/ha_cf.h"
#include "config/ha/haresources.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace config {

// Runs the resource's own agent with `status`.
struct AgentProbe {};

struct TcpProbe {
    std::string host;  // address or name; without brackets
    std::uint16_t port = 0;
};

// A connection and "SELECT 1" as `user` without a password.
struct SqlProbe {
    std::string socket;  // absolute path; empty: over TCP
    std::string host;
    std::uint16_t port = 3306;
    std::string user;
};

// Writes, syncs and removes a small file in `directory`.
struct WriteProbe {
    std::string directory;
};

using HaProbe = std::variant<AgentProbe, TcpProbe, SqlProbe, WriteProbe>;

struct HaMonitor {
    std::string resource;  // a word of haresources as it is written there, or only its script
    HaProbe probe;
    std::chrono::milliseconds interval{0};
    std::chrono::milliseconds timeout{0};
    unsigned restarts = 1;  // within `window`; one failure more hands over
    std::chrono::milliseconds window{600'000};
    int line = 0;
};

struct HaDiskHeartbeat {
    std::string device;
    std::uint64_t offset_bytes = 0;  // node number n of ha.cf writes the block at offset + n * 4096
};

struct HaAlarms {
    std::vector<std::string> mail;      // addresses
    std::vector<std::string> commands;  // absolute paths
};

enum class Takeover { Auto, Manual };  // Manual: an operator confirms with hb_takeover
enum class PartitionPolicy {
    Restart,
    Gentle
};  // after a healed partition: as the original does,
    // or only the losing side releases

struct HaPolicy {
    std::optional<std::chrono::milliseconds> start_timeout;  // none: no limit, as the original
    std::optional<std::chrono::milliseconds> stop_timeout;
    std::optional<std::chrono::milliseconds> status_timeout;

    Takeover takeover = Takeover::Auto;
    std::chrono::milliseconds takeover_delay{0};
    unsigned quorum_ping = 0;  // ping nodes that must answer before a takeover
    std::optional<HaDiskHeartbeat> disk_heartbeat;
    std::string fence_command;  // "/path args..."; empty: none
    std::chrono::milliseconds fence_timeout{60'000};
    PartitionPolicy partition_policy = PartitionPolicy::Restart;

    HaAlarms alarms;
    std::vector<HaMonitor> monitors;
    // At most `handover_limit` handovers because of failed probes within the window; 0: no limit.
    unsigned handover_limit = 0;
    std::chrono::milliseconds handover_window{0};
};

HaParsed<HaPolicy> parse_ha_policy(const std::string& file, std::string_view text);

// Every statement that is known.
std::vector<std::string_view> ha_policy_statements();

// What can only be told with the other files: a monitor of an unknown resource, a quorum of more
// ping nodes than there are.
HaFindings check_ha_policy(const std::string& file,
                           const HaPolicy& policy,
                           const HaCf& conf,
                           const Haresources& resources);

// The words of haresources that a monitor means; several if it names only a script.
std::vector<const ResourceWord*> monitored_words(const HaMonitor& monitor,
                                                 const Haresources& resources);

}  // namespace config
