// drbdsetup: asks the daemon, and tells it what concerns one minor or resource. It reads no
// configuration. Configuration specification, sections 8 and 9.
#pragma once

#include <string>
#include <vector>

namespace drbdsetup {

// `words` without the program's name. Returns the exit code of the process.
int run(const std::vector<std::string>& words);

}  // namespace drbdsetup
