// Whether this machine has an address that is to be its own.
#pragma once

#include "config/settings.h"

namespace cli {

// It can be bound to, or is on an interface (and not usable yet). What is no address is none of
// ours.
bool is_own_address(const config::Address& address);

}  // namespace cli
