// The shared secret: who may read it, and where it is shown.
#pragma once

#include "config/drbd_conf.h"

#include <string>
#include <vector>

namespace drbdadm {

// What is printed of a call, with stars in place of the secret.
std::string with_stars(std::string words);

// A secret that every user of the machine can read, or that stands in our samples, keeps nobody
// out: one text for each file with such a one.
std::vector<std::string> known_secrets(const config::DrbdConf& conf);

}  // namespace drbdadm
