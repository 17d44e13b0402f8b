// Reads the files of HA_DIR into what the daemon runs with. Heartbeat specification 1. All errors
// of all files are found in one go.
#pragma once

#include "config/ha/authkeys.h"
#include "config/ha/findings.h"
#include "heartbeat/engine/settings.h"

#include <optional>
#include <string>

namespace hb {

struct Configuration {
    Settings settings;
    config::Authkeys keys;
    std::string ha_cf_text;  // as they were read, to tell whether they have changed
    std::string authkeys_text;
    std::string other_text;  // haresources and ha_policy.cf
};

struct LoadedConfiguration {
    Configuration value;  // of use only without errors
    config::HaFindings findings;
};

// `node`: the name given by --node; empty: nodeinfo, else `uname -n`.
LoadedConfiguration load_configuration(const std::string& ha_dir, const std::string& node);

// nodeinfo's first line, else `uname -n`; lower case.
std::string own_node_name(const std::string& ha_dir);

}  // namespace hb
