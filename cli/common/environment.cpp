#include "cli/common/environment.h"

#include <climits>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sys/utsname.h>
#include <unistd.h>

namespace cli {

namespace {

std::string own_directory() {
    std::array<char, PATH_MAX> path;
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    if (length <= 0 || static_cast<std::size_t>(length) >= path.size()) {
        return "";
    }
    const std::string whole(path.data(), static_cast<std::size_t>(length));
    return whole.substr(0, whole.rfind('/') + 1);
}

}  // namespace

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "";
}

std::string node_name(const std::string& option) {
    if (!option.empty()) {
        return option;
    }
    if (const char* name = std::getenv("__DRBD_NODE__"); name != nullptr && *name != '\0') {
        std::fprintf(stderr,
                     "\n   found __DRBD_NODE__ in environment\n   PRETENDING that I am >>%s<<\n\n",
                     name);
        return name;
    }
    return host_name();
}

std::string run_directory(const std::string& option) {
    if (!option.empty()) {
        return option;
    }
    const char* dir = std::getenv("DRBDD_RUN_DIR");
    return dir != nullptr && *dir != '\0' ? dir : kDefaultRunDirectory;
}

std::string find_program(const std::string& name) {
    const std::string beside = own_directory() + name;
    return ::access(beside.c_str(), X_OK) == 0 ? beside : name;
}

}  // namespace cli
