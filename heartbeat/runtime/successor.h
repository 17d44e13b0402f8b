// Before this process is replaced by a new one that keeps the resources: would that one come up?
#pragma once

#include "base/result.h"

#include <string>
#include <vector>

namespace hb {

// Runs our own program with these words, which make it check all that it would do, and waits for
// its answer, a few seconds at most. The error is what it complained about.
base::Result<void> try_successor(const std::vector<std::string>& words);

}  // namespace hb
