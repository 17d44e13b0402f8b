// A running resource takes new settings part by part: those of a volume when it is attached, those
// of the connection when it connects, options at any time.
#pragma once

#include "config/settings.h"

#include <cstdint>

namespace runtime {

// The same volumes with the same minors, in the same order.
bool same_volumes(const config::ResourceSettings& a, const config::ResourceSettings& b);

// `running` with a part of `wanted`, which has the same volumes. Handlers and time limits are those
// of `wanted` in all three.
config::ResourceSettings with_volume_of(config::ResourceSettings running,
                                        const config::ResourceSettings& wanted,
                                        std::uint16_t volume);
config::ResourceSettings with_connection_of(config::ResourceSettings running,
                                            const config::ResourceSettings& wanted);
// Of the connection all but its addresses, as DRBD does it: the peer is told what it has to know,
// and buffers and authentication are those of the next connection.
config::ResourceSettings with_options_of(config::ResourceSettings running,
                                         const config::ResourceSettings& wanted);

}  // namespace runtime
