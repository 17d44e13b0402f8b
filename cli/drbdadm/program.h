// drbdadm: what an administrator uses. Reads drbd.conf, and tells the daemon.
#pragma once

#include <string>
#include <vector>

namespace drbdadm {

// `words` without the program's name. Returns the exit code of the process.
int run(const std::vector<std::string>& words);

}  // namespace drbdadm
