// Which program serves a word of haresources, and how it is called. Heartbeat specification, 1.4
// and
// 5. The first that exists counts:
//   HA_DIR/resource.d/NAME       legacy script: positional arguments, then the operation
//   own_dir/NAME                 the agents that come with the daemon, called the same way
//   /etc/init.d/NAME             LSB script
//   NAME.service                 systemd unit, where systemd runs
//   OCF_ROOT/resource.d/*/NAME   OCF agent; `OCF::TYPE::INSTANCE` reads
//   HA_DIR/conf/OCF/TYPE/INSTANCE
#pragma once

#include "base/result.h"
#include "config/ha/haresources.h"

#include <string>
#include <vector>

namespace hb {

enum class Operation { Start, Stop, Status };

enum class AgentKind { Legacy, Lsb, Systemd, Ocf };

struct AgentPaths {
    std::string ha_dir = "/etc/ha.d";
    std::string own_dir;  // empty: none
    std::string init_dir = "/etc/init.d";
    std::string systemd_running = "/run/systemd/system";  // exists where systemd is the init
    std::vector<std::string> unit_dirs = {"/etc/systemd/system",
                                          "/run/systemd/system",
                                          "/usr/local/lib/systemd/system",
                                          "/usr/lib/systemd/system",
                                          "/lib/systemd/system"};
    std::string ocf_root = "/usr/lib/ocf";
};

struct AgentCall {
    AgentKind kind = AgentKind::Legacy;
    std::vector<std::string> argv;
    std::vector<std::string> variables;  // NAME=value, beside the daemon's environment
};

// Where the agents that come with the running program are: in its build tree, or installed. Empty:
// nowhere.
std::string own_agent_dir();

const char* name_of(Operation operation);
const char* name_of(AgentKind kind);

// NotFound: names all the places that were looked at. Invalid: the OCF parameters are unusable.
base::Result<AgentCall> find_agent(const config::ResourceWord& word,
                                   Operation operation,
                                   const AgentPaths& paths);

}  // namespace hb
