// wait-connect and wait-sync. Configuration specification, section 8.
#pragma once

#include "cli/common/client.h"
#include "config/settings.h"

#include <optional>
#include <string>

namespace cli {

enum class WaitFor { Connect, Sync };

// Chooses the timeout that fits the state: outdated-wfc-timeout when the peer is known to be
// outdated, degr-wfc-timeout when this node was last running alone, else wfc-timeout. 0: for ever.
config::Seconds choose_timeout(const config::StartupSettings& timeouts,
                               const control::ResourceStatus& resource);

// Waits for `volume` of the resource, or for all. Returns the exit code: 0 when the condition is
// met or the connection has ended (StandAlone), 5 after the timeout, 20 when the daemon has gone.
int wait_for(Client& client,
             const control::ResourceStatus& resource,
             std::optional<std::uint16_t> volume,
             WaitFor what,
             const config::StartupSettings& timeouts);

}  // namespace cli
