// A disk that has grown while it was not attached still has its internal metadata at its old end.
// They are moved when it is to be attached, as the original's scripts do with check-resize.
#pragma once

#include "cli/drbdadm/context.h"

namespace drbdadm {

// An attach of the volume was refused with this number: whether the reason was that, and has gone.
bool moved_metadata(Context& context, const config::VolumeConf& volume, int code);

}  // namespace drbdadm
