// hb_status: what each node holds, which links are up, why the last decision was made.
#pragma once

#include "heartbeat/tools/options.h"

#include <string>
#include <vector>

namespace hb::tools {

// 0; 1: no daemon answers; 2: wrong use.
int run_hb_status(const std::vector<std::string>& words, const Streams& streams);

}  // namespace hb::tools
