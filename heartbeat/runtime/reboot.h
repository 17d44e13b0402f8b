// The last resort: the machine is reset at once and without sync. Heartbeat specification 4.5.
#pragma once

#include <string>

namespace hb {

inline constexpr const char* kRebootCommand = "reboot -nf";

// Runs `command`; if that is the usual one and the machine is still there two seconds later (its
// program may lie on the disk that hangs), asks the kernel itself.
void reboot_machine(const std::string& command);

}  // namespace hb
