// What the original's boot script calls.
#pragma once

#include "cli/drbdadm/context.h"
#include "cli/drbdadm/targets.h"

namespace drbdadm {

// adjust, with a line for each of its parts.
int adjust_with_progress(Context& context, const std::vector<Target>& targets);

// Waits for the peers of all resources. Never fails: the boot goes on.
int wait_con_int(Context& context);

}  // namespace drbdadm
