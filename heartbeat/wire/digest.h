// The digests of messages: lower-case hex text, behind the index of the key in authkeys.
// Heartbeat specification, section 1.3.
#pragma once

#include "base/result.h"
#include "config/ha/authkeys.h"

#include <string>
#include <string_view>

namespace hb::wire {

std::string digest(const config::AuthKey& key, std::string_view data);

// "<index> <hexdigest>" with the key that signs, as it stands in trailers and in the field "auth".
std::string sign(const config::Authkeys& keys, std::string_view data);

// Checks it with the method and the key of the index that it names. The error is Permission; its
// text never says which digest would have been right.
base::Result<void> verify(const config::Authkeys& keys,
                          std::string_view signature,
                          std::string_view data);

}  // namespace hb::wire
