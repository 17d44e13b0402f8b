// The environment of agents and rc.d scripts. Heartbeat specification, 4.1.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace hb {

struct AgentEnvironment {
    std::string ha_dir = "/etc/ha.d";
    std::string node;         // HA_CURHOST
    std::string own_status;   // HA_OSTATUS: up, active...
    std::string partner;      // HA_PARTNER, ours: alive, left or dead; empty: not set
    bool coordinated = true;  // auto_failback is on or off, not legacy: HA_NICEFAILBACK
    bool use_logd = false;
    std::string log_file;  // empty: HA_LOGFILE is not set; likewise the next two
    std::string debug_file;
    std::string log_facility;
    int debug = 0;         // HA_debug if > 0
    std::string tool_dir;  // put in front of PATH: where hb_standby, drbdadm... are
    std::string fifo = "/var/lib/heartbeat/fifo";
    std::vector<std::pair<std::string, std::string>> extra;  // `env NAME=value`: HA_NAME
    // Of our own process, to be handed on: DRBDD_RUN_DIR, __DRBD_NODE__, TZ...
    std::vector<std::string> inherited;
};

// NAME=value lines; always with PATH, LC_ALL=C, HA_DIR, HA_FUNCS, HA_RCDIR, HA_RESOURCEDIR, HA_BIN,
// HA_NOARCHBIN, HA_FIFO, HA_CURHOST, HA_OSTATUS, HA_LOGD and HA_DATEFMT.
std::vector<std::string> agent_environment(const AgentEnvironment& values);

// The NAME=value of those of `names` that our own environment has.
std::vector<std::string> inherited_variables(const std::vector<std::string>& names);

// The variables of an rc.d script: `base` and HA_<field> for each string field of the message.
// Fields whose name is no shell word, or whose value has a NUL, are left out.
std::vector<std::string> with_message_fields(
    std::vector<std::string> base, const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace hb
