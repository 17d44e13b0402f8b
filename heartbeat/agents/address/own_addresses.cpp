#include "heartbeat/agents/address/own_addresses.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hb {

namespace {

std::string path_of(const IpAddress& ip) {
    return agent_run_directory() + "/address-" + to_text(ip);
}

}  // namespace

std::string agent_run_directory() {
    const char* set = std::getenv("DRBDD_RUN_DIR");
    return set != nullptr && *set != '\0' ? set : "/run/drbdd";
}

bool is_own_address(const IpAddress& ip) {
    return ::access(path_of(ip).c_str(), F_OK) == 0;
}

base::Result<void> note_own_address(const IpAddress& ip) {
    ::mkdir(agent_run_directory().c_str(), 0755);
    const std::string path = path_of(ip);
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return base::Error{
            base::ErrorCode::Io,
            to_text(ip) + " is not set: " + path +
                ", by which its stop would know it, cannot be made: " + std::strerror(errno)};
    }
    ::close(file);
    return {};
}

void forget_own_address(const IpAddress& ip) {
    ::unlink(path_of(ip).c_str());
}

}  // namespace hb
