#include "kmod-shim/fuse_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <vector>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kFsType = "fuse.drbdd-fuse";
constexpr int kMountsMax = 16;  // of one directory, one on top of the other

// By number, because <sys/pidfd.h> of glibc 2.36 declares them for C only.
int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

bool send_signal(int pidfd, int signal) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

int milliseconds_until(Deadline deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 600'000));
}

// Standard error comes to us, the rest is closed, signals are as at the start of a program.
struct SpawnSettings {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};

    explicit SpawnSettings(int standard_error) {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
        ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
        ::posix_spawn_file_actions_adddup2(&actions, standard_error, 2);
        ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }

    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }

    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
};

std::vector<std::string> arguments_of(const FuseStart& start,
                                      const RunFiles& files,
                                      Deadline deadline) {
    // The program gives up a little before we do, so that its own reason is heard.
    const int seconds = std::max(1, milliseconds_until(deadline) / 1000 - 1);
    return {start.program,
            "--socket=" + start.socket,
            "--export=" + start.export_name,
            "--mount=" + files.mount_dir,
            "--pid-file=" + files.pid_file,
            "--start-limit=" + std::to_string(seconds)};
}

// What the program said, without its name and the final newline.
std::string complaint_from(int fd) {
    std::array<char, 2048> text{};
    const ssize_t got = ::read(fd, text.data(), text.size());
    std::string words(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    constexpr std::string_view kPrefix = "drbdd-fuse: ";
    if (words.starts_with(kPrefix)) {
        words.erase(0, kPrefix.size());
    }
    while (words.ends_with('\n')) {
        words.pop_back();
    }
    return words.empty() ? "it gave no reason" : words;
}

// The command that was spawned returns when its background process is ready.
Result<void> await_ready(pid_t child, int complaints, Deadline deadline) {
    const Fd handle(open_pidfd(child));
    const auto unwatched = system_error("cannot watch drbdd-fuse");
    pollfd entry{handle.get(), POLLIN, 0};
    if (!handle || ::poll(&entry, 1, milliseconds_until(deadline)) != 1) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        return handle ? Error{ErrorCode::Timeout, "drbdd-fuse did not get ready in time"}
                      : unwatched;
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) {
        return system_error("cannot learn how drbdd-fuse started");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return Error{ErrorCode::Io, "drbdd-fuse did not start: " + complaint_from(complaints)};
    }
    return {};
}

}  // namespace

std::string fuse_program_beside_us() {
    const std::filesystem::path self = read_link("/proc/self/exe").value_or("");
    return (self.parent_path() / "drbdd-fuse").string();
}

std::optional<pid_t> living_fuse(const RunFiles& files) {
    const Fd fd(::open(files.pid_file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno != ENOENT) {
        return 0;  // who cannot look does not say that nobody is there
    }

    struct flock whole {};

    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (!fd || ::fcntl(fd.get(), F_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) {
        return std::nullopt;
    }
    return std::max(whole.l_pid, 0);
}

Result<void> start_fuse(const FuseStart& start, const RunFiles& files, Deadline deadline) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return system_error("cannot make a pipe");
    }
    const Fd complaints(ends[0]);
    Fd their_end(ends[1]);
    ::fcntl(complaints.get(), F_SETFL, O_NONBLOCK);
    std::vector<std::string> words = arguments_of(start, files, deadline);
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* const environment[] = {path.data(), nullptr};
    const SpawnSettings settings(their_end.get());
    pid_t child = 0;
    errno = ::posix_spawn(&child,
                          start.program.c_str(),
                          &settings.actions,
                          &settings.attributes,
                          argv.data(),
                          environment);
    if (errno != 0) {
        return system_error("cannot run " + start.program);
    }
    their_end.close();
    return await_ready(child, complaints.get(), deadline);
}

// The pid is looked up again after it has been pinned: it cannot have passed on to a stranger.
Result<void> signal_fuse(const RunFiles& files, int signal) {
    const auto pid = living_fuse(files);
    if (!pid) {
        return Error{ErrorCode::NotFound, "drbdd-fuse of " + files.mount_dir + " is not running"};
    }
    if (*pid == 0) {
        return Error{
            ErrorCode::Permission,
            "drbdd-fuse of " + files.mount_dir +
                " cannot be told: it runs in another pid namespace, or its pid file cannot "
                "be read"};
    }
    const Fd handle(open_pidfd(*pid));
    if (!handle || living_fuse(files) != pid || !send_signal(handle.get(), signal)) {
        return Error{ErrorCode::NotFound, "drbdd-fuse of " + files.mount_dir + " has just ended"};
    }
    return {};
}

bool is_mounted(const RunFiles& files) {
    const auto mounts = parse_mountinfo(read_file("/proc/self/mountinfo").value_or(""));
    return std::any_of(mounts.begin(), mounts.end(), [&files](const Mount& mount) {
        return mount.mount_point == files.mount_dir && mount.fs_type == kFsType;
    });
}

Result<void> unmount_fuse(const RunFiles& files) {
    for (int i = 0; i < kMountsMax && is_mounted(files); ++i) {
        if (::umount2(files.mount_dir.c_str(), UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
            return system_error("cannot unmount " + files.mount_dir);
        }
    }
    return {};
}

Result<void> stop_fuse(const RunFiles& files, Deadline deadline) {
    const auto ended = [&files] { return !living_fuse(files); };
    const auto force_at = deadline - std::chrono::seconds(1);
    // Unmounting has told it already; the signal is for a copy of the mount elsewhere.
    const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    if (wait_until(patience, ended)) {
        return {};
    }
    auto told = signal_fuse(files, SIGTERM);
    if (!told && told.error().code == ErrorCode::Permission) {
        return told;
    }
    if (wait_until(force_at, ended)) {
        return {};
    }
    (void)signal_fuse(files, SIGKILL);  // it may end by itself at this very moment
    if (!wait_until(deadline, ended)) {
        return Error{ErrorCode::Timeout, "drbdd-fuse of " + files.mount_dir + " does not end"};
    }
    return {};
}

}  // namespace shim
