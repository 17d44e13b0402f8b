// What stands at /dev/drbdN while nothing carries it: a block device that nobody can open, so that
// agents and scripts which look for one before they promote find it, as they do with the kernel's
// DRBD. docs/design/placeholder.md
#pragma once

#include <sys/types.h>

namespace shim {

// 0:N. Linux gives major 0 to no driver, ever: an open fails with ENXIO, whatever is loaded now or
// later.
dev_t placeholder_number(unsigned minor);

bool is_placeholder(dev_t number);

}  // namespace shim
