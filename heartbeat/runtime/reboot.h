// The last resort: the machine is reset at once and without sync. Heartbeat specification 4.5.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace hb {

inline constexpr const char* kRebootCommand = "reboot -nf";

struct ResetMeans {
    std::string command = kRebootCommand;
    // For the command to reset the machine, if it does not fail before.
    std::chrono::milliseconds patience{2000};
    // The kernel's own reset, which asks no program and no disk. Returns only if it is refused,
    // too.
    std::function<void()> kernel;
};

// `command` by the shell, and the kernel's reset when that is done.
ResetMeans reset_means(const std::string& command);

// Runs the command; if it fails, or the machine is still there after a while, asks the kernel
// itself. When this returns nothing has helped: resources that must not run twice are running, and
// the caller must not end as if all were well.
void reset_machine(const ResetMeans& means);

}  // namespace hb
