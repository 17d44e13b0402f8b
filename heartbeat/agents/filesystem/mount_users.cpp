#include "heartbeat/agents/filesystem/mount_users.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace hb {

namespace {

namespace fs = std::filesystem;

// statx with the mount id; its name in older headers of the C library differs.
#ifndef STATX_MNT_ID
constexpr unsigned kMountId = 0x1000U;
#else
constexpr unsigned kMountId = STATX_MNT_ID;
#endif

bool leads_to(const std::string& link, const Mount& mount) {
    struct statx status {};

    return ::statx(
               AT_FDCWD, link.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, kMountId, &status) ==
               0 &&
           (status.stx_mask & kMountId) != 0 && status.stx_mnt_id == mount.id;
}

bool has_open_file(const std::string& process, const Mount& mount) {
    const std::string wanted = std::to_string(mount.id);
    std::error_code error;
    for (fs::directory_iterator at(process + "/fdinfo", error), end; !error && at != end;
         at.increment(error)) {
        std::ifstream in(at->path());
        for (std::string key, value; in >> key >> value;) {
            if (key == "mnt_id:") {
                if (value == wanted) {
                    return true;
                }
                break;
            }
        }
    }
    return false;
}

// address perms offset dev inode path; dev has two hexadecimal numbers.
bool has_mapping(const std::string& process, const Mount& mount) {
    unsigned major_number = 0;
    unsigned minor_number = 0;
    if (std::sscanf(mount.device_number.c_str(), "%u:%u", &major_number, &minor_number) != 2) {
        return false;
    }
    char wanted[32];
    std::snprintf(wanted, sizeof wanted, " %02x:%02x ", major_number, minor_number);
    std::ifstream in(process + "/maps");
    for (std::string line; std::getline(in, line);) {
        if (line.find(wanted) != std::string::npos &&
            leads_to(process + "/map_files/" + line.substr(0, line.find(' ')), mount)) {
            return true;
        }
    }
    return false;
}

const char* use_of(const std::string& process, const Mount& mount) {
    if (leads_to(process + "/cwd", mount)) {
        return "working directory";
    }
    if (leads_to(process + "/root", mount)) {
        return "root directory";
    }
    if (has_open_file(process, mount)) {
        return "open file";
    }
    return leads_to(process + "/exe", mount) || has_mapping(process, mount) ? "mapped file"
                                                                            : nullptr;
}

std::string name_of(const std::string& process) {
    std::ifstream in(process + "/comm");
    std::string name;
    std::getline(in, name);
    return name;
}

}  // namespace

std::vector<MountUser> users_of(const Mount& mount) {
    std::vector<MountUser> out;
    std::error_code error;
    for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename();
        if (std::isdigit(static_cast<unsigned char>(name[0])) == 0) {
            continue;
        }
        const auto pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
        if (pid <= 1 || pid == ::getpid()) {
            continue;
        }
        if (const char* how = use_of(at->path(), mount)) {
            out.push_back({pid, name_of(at->path()), how});
        }
    }
    return out;
}

std::string to_text(const std::vector<MountUser>& users) {
    constexpr std::size_t kNamed = 8;
    std::string out;
    for (std::size_t at = 0; at < std::min(users.size(), kNamed); ++at) {
        const MountUser& user = users[at];
        out += (out.empty() ? "" : ", ") + user.name + " (process " + std::to_string(user.pid) +
               ", " + user.how + ")";
    }
    if (users.size() > kNamed) {
        out += " and " + std::to_string(users.size() - kNamed) + " more";
    }
    return out;
}

}  // namespace hb
