#include "heartbeat/runtime/reboot.h"

#include <chrono>
#include <sys/reboot.h>
#include <thread>
#include <unistd.h>

namespace hb {

void reboot_machine(const std::string& command) {
    if (::fork() == 0) {
        ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::seconds(2));
    if (command == kRebootCommand) {
        ::reboot(RB_AUTOBOOT);
    }
}

}  // namespace hb
