// cl_status: the original's questions to the daemon, with its answers, texts and exit codes, which
// scripts rely on. Heartbeat specification, section 3.11.
#pragma once

#include "heartbeat/tools/options.h"

#include <string>
#include <vector>

namespace hb::tools {

// Exit codes as measured: 0, 1 (no, dead, offline, not set, no daemon), 11 (wrong use, unknown
// node), 13 (unknown link, no timely response).
int run_cl_status(const std::vector<std::string>& words, const Streams& streams);

}  // namespace hb::tools
