// Which resources and volumes the operands mean. Configuration specification, section 7.1.
#pragma once

#include "base/result.h"
#include "cli/drbdadm/context.h"

#include <vector>

namespace drbdadm {

// Commands want whole resources, go through volumes, or take what is named.
enum class Scope { Resource, Volume, Either };

// In the order of the operands; "all": of the file. The volumes of a resource follow each other, so
// that a failure can skip the rest of them. The error is what the original prints, exit code 1.
base::Result<std::vector<Target>> find_targets(const Context& context, Scope scope);

}  // namespace drbdadm
