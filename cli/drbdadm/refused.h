// Names of the original's drbdadm that this version answers with a refusal and its reason: nothing
// that it knows is an unknown command.
#pragma once

#include "cli/drbdadm/context.h"

#include <string_view>

namespace drbdadm {

// Why the command of this name is not done; empty: it is, or nobody knows it.
std::string_view why_refused(std::string_view command);

// Prints the calls that the original would make with -d, and refuses to make them without.
int refused(Context& context, const Target& target);

// Of a disk that is not attached the metadata move; an attached one has the size that it had then.
int check_resize(Context& context, const Target& target);

}  // namespace drbdadm
