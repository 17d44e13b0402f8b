// What the engine and the runtime know of a resource, in the words of the admin socket.
#pragma once

#include "config/settings.h"
#include "drbdd/control/messages.h"
#include "drbdd/runtime/resource_snapshot.h"

namespace drbdd {

control::ResourceStatus status_view(const runtime::ResourceSnapshot& snapshot);

}  // namespace drbdd
