// Base64 of binary fields in the text form: standard alphabet, padded. Heartbeat
// specification, 2.3.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace hb::wire {

std::string to_base64(std::string_view bytes);
// Only what to_base64 would have written.
base::Result<std::string> from_base64(std::string_view text);

}  // namespace hb::wire
