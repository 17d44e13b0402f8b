// Results in the words and exit codes of the original tools. Configuration specification,
// section 11.
#pragma once

#include "base/result.h"

#include <string>

namespace cli {

inline constexpr int kExitUsage = 20;   // drbdsetup: usage, no answer, unknown code
inline constexpr int kExitTimeout = 5;  // a wait that timed out
inline constexpr int kExitConfig = 10;  // drbdadm: configuration invalid
inline constexpr int kExitBadName = 1;  // drbdadm: usage and unknown names

// 0, 5, 10, 11, 16, 17 or 20.
int exit_code(int code);

// "0: State change failed: (-2) Need access to UpToDate data", and what the daemon adds to the
// original's text as "additional info from kernel".
std::string failure_text(const std::string& object, int code, const std::string& text);

}  // namespace cli
