// What keeps a resource from being run by this version. Internal to config/.
#pragma once

#include "config/drbd_conf.h"

#include <string>

namespace config {

// A line with file and line number for each thing that `resource` asks for on `host` and that this
// version does not have, though the safety of the data depends on it; empty: it can be run.
std::string refusals_of(const DrbdConf& conf, const ResourceConf& resource, const HostConf& host);

}  // namespace config
