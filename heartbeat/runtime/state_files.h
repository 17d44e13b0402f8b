// What a node keeps across restarts: its generation, which must grow with every start, else the
// partner takes us for a replay; and its uuid. Heartbeat specification 3.1, 3.2.
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

using Uuid = std::array<char, 16>;

// Replaces the file as a whole, and durably: after a power cut there is the old or the new text.
base::Result<void> replace_file(const std::string& path, std::string_view bytes, int mode);

// hb_generation: 16 bytes, the decimal number right-aligned in 15 of them, then a newline.
std::string generation_text(std::uint64_t generation);
std::optional<std::uint64_t> parse_generation(std::string_view text);

// The generation of this start, already written. `by_time` (hbgenmethod time): the time of day, but
// never lower than what was used before.
base::Result<std::uint64_t> next_generation(const std::string& state_dir,
                                            bool by_time,
                                            std::int64_t wall_seconds,
                                            base::LogSink& log);
// A generation that the daemon has chosen itself while it runs.
base::Result<void> save_generation(const std::string& state_dir, std::uint64_t generation);

// hb_uuid, made at random if it is missing; or made from the node's name (uuidfrom nodename).
base::Result<Uuid> node_uuid(const std::string& state_dir,
                             const std::optional<std::string>& from_name,
                             base::LogSink& log);

}  // namespace hb
