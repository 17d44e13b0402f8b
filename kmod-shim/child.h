// Programs that are run to their end: nothing of ours is open in them, and signals are as at the
// start of a program. Blocking calls.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"

#include <optional>
#include <string>
#include <vector>

namespace shim {

struct ChildFailure {
    enum class Kind { NotRun, TooLate, Failed };

    Kind kind = Kind::Failed;
    base::Error error;  // Failed: what it said on standard error
};

// Nothing if it ended with 0 in time. What does not is killed, and waited for no longer than a
// moment: a process that waits for a disk cannot be ended.
std::optional<ChildFailure> run_to_end(const std::vector<std::string>& argv, Deadline deadline);

}  // namespace shim
