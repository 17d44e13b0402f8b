// drbdadm: what an administrator uses. Reads drbd.conf, and tells the daemon.
#pragma once

#include "config/drbd_conf.h"

#include <string>
#include <vector>

namespace drbdadm {

// `words` without the program's name. Returns the exit code of the process.
int run(const std::vector<std::string>& words);

// The same with the configuration's files from there.
int run(const std::vector<std::string>& words, config::FileSource& files);

}  // namespace drbdadm
