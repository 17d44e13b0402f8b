// disk-options, net-options, resource-options: single options of a running resource, as the command
// line has them. The next `adjust` brings back those of the file.
#pragma once

#include "cli/drbdadm/context.h"

namespace drbdadm {

int disk_options(Context& context, const Target& target);
int net_options(Context& context, const Target& target);
int resource_options(Context& context, const Target& target);

}  // namespace drbdadm
