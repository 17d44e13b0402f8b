// What has to be done so that a running resource is as its file says. Configuration specification,
// section 7.3.
#pragma once

#include "base/result.h"
#include "cli/drbdadm/context.h"
#include "config/settings.h"
#include "drbdd/control/messages.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace drbdadm {

struct AdjustStep {
    enum class Kind : std::uint8_t {
        ResourceOptions,
        Detach,
        DelMinor,
        NewMinor,
        Attach,
        DiskOptions,
        Disconnect,
        Connect,
        NetOptions
    };

    Kind kind = Kind::Attach;
    std::uint16_t volume = 0;  // of Detach to DiskOptions

    bool operator==(const AdjustStep&) const = default;
};

struct AdjustScope {
    bool disk = true;
    bool net = true;
};

// In the order in which they are to be done. `status` is that of the same resource. A volume that
// has got another minor goes and comes again; what takes effect only with a new connection leads to
// one.
std::vector<AdjustStep> adjust_steps(const config::ResourceSettings& running,
                                     const config::ResourceSettings& wanted,
                                     const control::ResourceStatus& status,
                                     const AdjustScope& scope);

// What is in force; nothing if the resource is not configured, or nobody is there to ask.
base::Result<std::optional<config::ResourceSettings>> ask_running(Context& context,
                                                                  const std::string& name);

}  // namespace drbdadm
