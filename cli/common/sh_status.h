// The state of a volume as lines for a shell to evaluate. Configuration specification, section 9.5.
#pragma once

#include "drbdd/control/messages.h"

#include <cstdint>
#include <string>

namespace cli {

// From "_minor=" to "_sh_status_process" and two empty lines. A caller's shell function
// _sh_status_process then finds the values in its variables.
std::string sh_status_block(const control::ResourceStatus& resource,
                            const control::DeviceStatus& device);

// Of a volume that is not configured.
std::string sh_status_unknown(std::uint32_t minor);

}  // namespace cli
