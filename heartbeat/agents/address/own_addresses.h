// Which addresses of this machine our agents have set. What they have not set was there before,
// such as the fixed address of a node that haresources names by mistake: no stop may take it away.
// A file in the run directory stands for each one; it is gone after a boot, and so are the
// addresses.
#pragma once

#include "heartbeat/agents/address/address_spec.h"

#include <string>

namespace hb {

// DRBDD_RUN_DIR, or /run/drbdd.
std::string agent_run_directory();

bool is_own_address(const IpAddress& ip);

// To be called before the address is set: one that nobody knows to be ours would outlive its stop.
base::Result<void> note_own_address(const IpAddress& ip);

// To be called when it is gone.
void forget_own_address(const IpAddress& ip);

}  // namespace hb
