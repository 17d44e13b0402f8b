// Keyed digests for the handshake's authentication, by the kernel's names of the algorithms
// ("sha1", "sha256", "md5" ...). Wire specification, section 3.2.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace base {

bool hmac_known(const std::string& algorithm);
Result<std::vector<std::uint8_t>> hmac(const std::string& algorithm,
                                       const std::string& key,
                                       ConstBytes data);
// In constant time, so that an attacker learns nothing from how long it takes.
bool equal_digests(ConstBytes a, ConstBytes b);

}  // namespace base
