// What the daemons and their tools say to each other: JSON objects, one per line.
#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace ipc {

using Json = nlohmann::ordered_json;  // keys keep the order in which they were written

inline constexpr std::size_t kMaxLineBytes = 1u << 20;    // with the newline
inline constexpr std::size_t kMaxKeys = 256;              // of one object
inline constexpr std::size_t kMaxQueuedBytes = 4u << 20;  // for a client that does not read

// With its newline.
std::string line_of(const Json& json);

// A line without its newline. Any bytes may be given: what is no object is an Error (Invalid),
// TooBig for a line longer than kMaxLineBytes.
base::Result<Json> parse_object(std::string_view line);

}  // namespace ipc
