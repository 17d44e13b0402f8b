// The names of handlers as commands: `drbdadm fence-peer r0` runs what the file has under that
// name, in the environment that the original gives it. Configuration specification, section 13.1.
#pragma once

#include "cli/drbdadm/context.h"

#include <string_view>

namespace drbdadm {

bool is_handler(std::string_view command);

// Its exit code; 0 if the file has none.
int run_handler(Context& context, const Target& target);

}  // namespace drbdadm
