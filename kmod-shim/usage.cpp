#include "kmod-shim/usage.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <vector>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kUdevTime{500};
constexpr std::chrono::milliseconds kUdevPause{10};

std::vector<std::string> process_numbers() {
    std::vector<std::string> numbers = names_in("/proc");
    std::erase_if(numbers, [](const std::string& name) { return !parse_number(name); });
    return numbers;
}

std::string process_in_words(const std::string& pid) {
    std::string name = read_file("/proc/" + pid + "/comm").value_or("a process\n");
    if (name.ends_with('\n')) {
        name.pop_back();
    }
    return name + " (pid " + pid + ")";
}

// One process of each mount namespace is asked, our own first.
void find_mounts(dev_t device, std::vector<std::string>& users) {
    std::set<std::string> namespaces;
    std::vector<std::string> processes = process_numbers();
    processes.insert(processes.begin(), "self");
    for (const std::string& pid : processes) {
        const auto space = read_link("/proc/" + pid + "/ns/mnt");
        if (!space || !namespaces.insert(*space).second) {
            continue;
        }
        const auto text = read_file("/proc/" + pid + "/mountinfo");
        for (const Mount& mount : parse_mountinfo(text.value_or(""))) {
            if (makedev(mount.device_major, mount.device_minor) != device) {
                continue;
            }
            const std::string where =
                pid == "self" ? "" : " in the mount namespace of " + process_in_words(pid);
            users.push_back("mounted on " + mount.mount_point + where);
        }
    }
}

void find_swap(dev_t device, std::vector<std::string>& users) {
    std::istringstream lines(read_file("/proc/swaps").value_or(""));
    std::string path;
    while (lines >> path) {
        if (block_device_number(path) == device) {
            users.push_back("used as swap space (" + path + ")");
        }
        std::getline(lines, path);
    }
}

// Only links that look like the device are followed: a stat of an arbitrary open file may hang.
bool has_open(const std::string& pid, const BlockDevice& device, const std::string& node_name) {
    const std::string directory = "/proc/" + pid + "/fd";
    const auto numbers = names_in(directory);
    return std::any_of(numbers.begin(), numbers.end(), [&](const std::string& number) {
        const std::string link = directory + "/" + number;
        const auto target = read_link(link);
        if (!target) {
            return false;
        }
        const std::string name = fs::path(*target).filename().string();
        struct stat st {};
        return (name == device.name || name.starts_with(node_name)) &&
               ::stat(link.c_str(), &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device.number;
    });
}

void find_openers(const BlockDevice& device,
                  const std::string& node_name,
                  std::vector<std::string>& users) {
    const std::string own = std::to_string(::getpid());
    for (const std::string& pid : process_numbers()) {
        if (pid != own && has_open(pid, device, node_name)) {
            users.push_back("open in " + process_in_words(pid));
        }
    }
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) {
        text += (text.empty() ? "" : "; ") + part;
    }
    return text;
}

std::vector<std::string> users_of(const BlockDevice& device, const std::string& node_name) {
    std::vector<std::string> users;
    find_mounts(device.number, users);
    find_swap(device.number, users);
    for (const std::string& holder : names_in("/sys/block/" + device.name + "/holders")) {
        users.push_back("held by " + holder);
    }
    find_openers(device, node_name, users);
    return users;
}

// udev looks at a device each time that its last writer has closed it, which is a matter of
// moments: whoever has just unmounted must not be told that the device is in use.
bool is_passing(const std::vector<std::string>& users) {
    return !users.empty() && std::all_of(users.begin(), users.end(), [](const std::string& user) {
        return user.starts_with("open in (udev-worker) ") ||
               user.starts_with("open in systemd-udevd ");
    });
}

}  // namespace

std::string known_users(const BlockDevice& device, const std::string& node_name) {
    return joined(users_of(device, node_name));
}

Result<Fd> claim_unused(const BlockDevice& device, const std::string& node_path) {
    const auto deadline = std::chrono::steady_clock::now() + kUdevTime;
    for (;;) {
        auto claim = open_block(device.name, O_RDONLY | O_EXCL);
        if (!claim && claim.error().code != ErrorCode::Busy) {
            return claim.error();
        }
        const auto users = users_of(device, fs::path(node_path).filename().string());
        if (claim && users.empty()) {
            return claim;
        }
        if (!is_passing(users) || std::chrono::steady_clock::now() >= deadline) {
            return Error{ErrorCode::Busy,
                         node_path + " is in use: " +
                             (users.empty() ? "claimed by someone that cannot be seen from here"
                                            : joined(users))};
        }
        std::this_thread::sleep_for(kUdevPause);
    }
}

}  // namespace shim
