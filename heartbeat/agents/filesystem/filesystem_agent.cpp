#include "heartbeat/agents/filesystem/filesystem_agent.h"

#include "heartbeat/agents/filesystem/ext_state.h"
#include "heartbeat/agents/filesystem/mount_users.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongArguments = 2;
constexpr int kNotMounted = 3;
constexpr int kUnknown = 4;  // LSB: nothing is known, so nothing is started elsewhere on this word
constexpr std::chrono::seconds kTermToKill{3};
constexpr std::chrono::seconds kKillToFailure{5};
constexpr std::chrono::milliseconds kBusyPoll{20};

base::Error io_error(const std::string& text) {
    return {base::ErrorCode::Io, text};
}

bool has_option(const std::string& options, const std::string& option) {
    return ("," + options + ",").find("," + option + ",") != std::string::npos;
}

// -1: not started or killed.
int exit_code_of(std::vector<std::string> argv) {
    std::vector<char*> words;
    for (std::string& word : argv) {
        words.push_back(word.data());
    }
    words.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, words[0], nullptr, nullptr, words.data(), environ) != 0) {
        return -1;
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The directory as the mount table has it. One that does not exist is returned as it is.
std::string canonical(const std::string& directory) {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::canonical(directory, error);
    return error ? directory : path.string();
}

base::Result<void> check_device(const FilesystemCommand& command) {
    if (!command.device.starts_with("/") || has_option(command.options, "bind") ||
        has_option(command.options, "rbind") || has_option(command.options, "loop")) {
        return {};
    }

    struct stat status {};

    if (::stat(command.device.c_str(), &status) != 0) {
        return io_error(command.device + ": " + std::strerror(errno) +
                        "; is the resource below it started?");
    }
    return {};
}

base::Result<void> check_file_system(const FilesystemCommand& command) {
    if (!needs_check(command.type, command.device)) {
        return {};
    }
    constexpr int kErrorsLeft = 4;  // below: no errors, corrected, or corrected and reboot wanted
    std::vector<std::string> argv = {"fsck"};
    if (!command.type.empty() && command.type != "auto") {
        argv.insert(argv.end(), {"-t", command.type});
    }
    argv.insert(argv.end(), {"-a", command.device});
    const int code = exit_code_of(argv);
    if (code < 0 || code >= kErrorsLeft) {
        return io_error(command.device + ": fsck could not repair the file system (exit " +
                        std::to_string(code) + "); repair it by hand, it was not mounted");
    }
    return {};
}

base::Result<std::string> start(const FilesystemCommand& command) {
    const std::string directory = canonical(command.directory);
    const auto mounts = read_mount_table();
    if (!mounts) {
        return mounts.error();
    }
    if (const Mount* there = mounted_on(*mounts, directory)) {
        const bool other = command.device.starts_with("/") && there->source.starts_with("/") &&
                           canonical(there->source) != canonical(command.device);
        if (other && !has_option(command.options, "bind")) {
            return io_error(there->source + " is mounted on " + directory + ", " + command.device +
                            " cannot be");
        }
        return command.device + " is mounted on " + directory + " already";
    }
    if (const auto below = mounted_below(*mounts, directory); !below.empty()) {
        return io_error(below.front().directory + " is mounted below " + directory +
                        ", which must be free: unmount it first");
    }
    if (const auto good = check_device(command); !good) {
        return good.error();
    }
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return io_error(directory + " cannot be made: " + error.message());
    }
    if (const auto good = check_file_system(command); !good) {
        return good.error();
    }
    std::vector<std::string> argv = mount_arguments(command);
    argv.insert(argv.begin(), "mount");
    if (const int code = exit_code_of(argv); code != 0) {
        return io_error(command.device + " could not be mounted on " + directory +
                        " (mount: exit " + std::to_string(code) + ")");
    }
    return command.device + " is mounted on " + directory;
}

void signal_users(const std::vector<MountUser>& users, int number) {
    for (const MountUser& user : users) {
        ::kill(user.pid, number);
    }
    if (!users.empty()) {
        std::fprintf(stderr,
                     "INFO: %s to %s\n",
                     number == SIGTERM ? "SIGTERM" : "SIGKILL",
                     to_text(users).c_str());
    }
}

// True once it is unmounted. An error that waiting cannot change ends the wait.
base::Result<bool> unmount_until(const Mount& mount, Clock::time_point deadline) {
    for (;;) {
        // EINVAL: somebody else was faster.
        if (::umount2(mount.directory.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL) {
            return true;
        }
        if (errno != EBUSY) {
            return io_error(mount.directory + " cannot be unmounted: " + std::strerror(errno));
        }
        if (Clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(kBusyPoll);
    }
}

base::Result<void> unmount(const Mount& mount) {
    base::Result<bool> gone = unmount_until(mount, Clock::now());
    if (gone && !*gone) {
        signal_users(users_of(mount), SIGTERM);
        gone = unmount_until(mount, Clock::now() + kTermToKill);
    }
    // Again and again: a killed process may have left children that were not seen yet.
    const Clock::time_point end = Clock::now() + kKillToFailure;
    while (gone && !*gone && Clock::now() < end) {
        signal_users(users_of(mount), SIGKILL);
        gone = unmount_until(mount, Clock::now() + std::chrono::milliseconds(500));
    }
    if (!gone) {
        return gone.error();
    }
    if (!*gone) {
        const std::vector<MountUser> users = users_of(mount);
        return io_error(mount.directory + " is busy and cannot be unmounted; " +
                        (users.empty() ? "no process holds it: is it exported by NFS, or does it "
                                         "carry a loop device or a swap file?"
                                       : "held by " + to_text(users)));
    }
    return {};
}

base::Result<std::string> stop(const FilesystemCommand& command) {
    const std::string directory = canonical(command.directory);
    const auto mounts = read_mount_table();
    if (!mounts) {
        return mounts.error();
    }
    if (mounted_on(*mounts, directory) == nullptr) {
        return command.device + " is not mounted";
    }
    for (const Mount& mount : mounted_below(*mounts, directory)) {
        if (const auto gone = unmount(mount); !gone) {
            return gone.error();
        }
    }
    // A directory may carry several mounts, one over the other.
    for (auto left = mounts; left; left = read_mount_table()) {
        const Mount* mount = mounted_on(*left, directory);
        if (mount == nullptr) {
            return directory + " is unmounted";
        }
        if (const auto gone = unmount(*mount); !gone) {
            return gone.error();
        }
    }
    return io_error("/proc/self/mountinfo cannot be read");
}

int unknown(const std::string& why) {
    std::printf("the status is unknown: %s\n", why.c_str());
    return kUnknown;
}

// The words "not running" decide, whatever the name of the device may contain.
int status(const FilesystemCommand& command) {
    const auto mounts = read_mount_table();
    if (!mounts) {
        return unknown(mounts.error().text);
    }
    std::error_code error;
    const auto real = std::filesystem::canonical(command.directory, error);
    const bool absent =
        error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    if (error && !absent && mounted_on(*mounts, command.directory) == nullptr) {
        return unknown(command.directory + ": " + error.message());
    }
    if (mounted_on(*mounts, error ? command.directory : real.string()) == nullptr) {
        std::printf("%s is unmounted (stopped, not running)\n", command.device.c_str());
        return kNotMounted;
    }
    std::printf(
        "%s is mounted on %s (running)\n", command.device.c_str(), command.directory.c_str());
    return kDone;
}

}  // namespace

base::Result<FilesystemCommand> parse_filesystem_command(const std::vector<std::string>& words) {
    constexpr std::array<const char*, 4> kOperations = {"start", "stop", "status", "monitor"};
    const auto invalid = [](const std::string& text) {
        return base::Error{base::ErrorCode::Invalid,
                           text +
                               "usage: Filesystem device directory [type [options]] "
                               "start|stop|status|monitor"};
    };
    if (words.size() < 3 || words.size() > 5 ||
        std::find(kOperations.begin(), kOperations.end(), words.back()) == kOperations.end()) {
        return invalid("");
    }
    FilesystemCommand command;
    command.device = words[0];
    command.directory = words[1];
    command.type = words.size() > 3 ? words[2] : "";
    command.options = words.size() > 4 ? words[3] : "";
    command.operation = words.back();
    if (command.device.starts_with("-L")) {
        command.device.replace(0, 2, "LABEL=");
    } else if (command.device.starts_with("-U")) {
        command.device.replace(0, 2, "UUID=");
    }
    if (command.device.empty() || command.device.front() == '-' || command.type.starts_with("-")) {
        return invalid("a device or type cannot begin with a dash; ");
    }
    while (command.directory.size() > 1 && command.directory.back() == '/') {
        command.directory.pop_back();
    }
    if (!command.directory.starts_with("/") || command.directory == "/") {
        return invalid(words[1] + " is not an absolute path below /; ");
    }
    return command;
}

// -w keeps mount from falling back to a read-only mount of a write-protected device, which a
// Secondary is.
std::vector<std::string> mount_arguments(const FilesystemCommand& command) {
    std::vector<std::string> out;
    if (!has_option(command.options, "ro")) {
        out.emplace_back("-w");
    }
    if (!command.type.empty()) {
        out.insert(out.end(), {"-t", command.type});
    }
    if (!command.options.empty()) {
        out.insert(out.end(), {"-o", command.options});
    }
    out.insert(out.end(), {command.device, command.directory});
    return out;
}

int run_filesystem_agent(const std::vector<std::string>& words) {
    const base::Result<FilesystemCommand> command = parse_filesystem_command(words);
    if (!command) {
        std::fprintf(stderr, "ERROR: %s\n", command.error().text.c_str());
        return kWrongArguments;
    }
    if (command->operation == "status" || command->operation == "monitor") {
        return status(*command);
    }
    const base::Result<std::string> result =
        command->operation == "start" ? start(*command) : stop(*command);
    if (!result) {
        std::fprintf(stderr, "ERROR: %s\n", result.error().text.c_str());
        return kFailed;
    }
    std::printf("INFO: %s\n", result->c_str());
    return kDone;
}

}  // namespace hb
