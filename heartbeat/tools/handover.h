// hb_standby and hb_takeover: move resource groups between the nodes. Heartbeat specification,
// section 3.7.
#pragma once

#include "heartbeat/tools/options.h"

#include <string>
#include <vector>

namespace hb::tools {

enum class Handover { Standby, Takeover };

// 0: accepted, or with --wait done; 1: refused, wrong use, or no daemon. hb_takeover also confirms
// a takeover that waits for a person.
int run_handover(Handover what, const std::vector<std::string>& words, const Streams& streams);

}  // namespace hb::tools
