// A running resource takes new settings part by part: those of a volume when it is attached, those
// of the connection when it connects, options at any time.
#pragma once

#include "config/settings.h"

#include <cstdint>

namespace runtime {

// Each volume that both have has one minor in both.
bool volumes_agree(const config::ResourceSettings& a, const config::ResourceSettings& b);

// `running` with a part of `wanted`, whose volumes agree with its own. Handlers and time limits are
// those of `wanted` in all three.
config::ResourceSettings with_volume_of(config::ResourceSettings running,
                                        const config::ResourceSettings& wanted,
                                        std::uint16_t volume);
config::ResourceSettings with_connection_of(config::ResourceSettings running,
                                            const config::ResourceSettings& wanted);
// Of the connection all but its addresses, as DRBD does it: the peer is told what it has to know,
// and buffers and authentication are those of the next connection.
config::ResourceSettings with_options_of(config::ResourceSettings running,
                                         const config::ResourceSettings& wanted);

// With one volume more, or less.
config::ResourceSettings with_added(config::ResourceSettings running,
                                    const config::VolumeSettings& volume);
config::ResourceSettings without(config::ResourceSettings running, std::uint16_t volume);

}  // namespace runtime
