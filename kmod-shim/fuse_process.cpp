#include "kmod-shim/fuse_process.h"

#include "kmod-shim/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/syscall.h>
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

std::vector<std::string> arguments_of(const FuseStart& start,
                                      const RunFiles& files,
                                      Deadline deadline) {
    // The program gives up a little before we do, so that its own reason is heard.
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(
        deadline - std::chrono::steady_clock::now());
    const long long seconds = std::max<long long>(1, left.count() - 1);
    return {start.program,
            "--socket=" + start.socket,
            "--export=" + start.export_name,
            "--mount=" + files.mount_dir,
            "--pid-file=" + files.pid_file,
            "--start-limit=" + std::to_string(seconds)};
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

// The command that is run returns when its background process is ready.
Result<void> start_fuse(const FuseStart& start, const RunFiles& files, Deadline deadline) {
    const auto failure = run_to_end(arguments_of(start, files, deadline), deadline);
    if (!failure) {
        return {};
    }
    switch (failure->kind) {
        case ChildFailure::Kind::NotRun:
            return failure->error;
        case ChildFailure::Kind::TooLate:
            return Error{ErrorCode::Timeout, "drbdd-fuse did not get ready in time"};
        case ChildFailure::Kind::Failed:
            break;
    }
    std::string words = failure->error.text;
    constexpr std::string_view kPrefix = "drbdd-fuse: ";
    if (words.starts_with(kPrefix)) {
        words.erase(0, kPrefix.size());
    }
    return Error{ErrorCode::Io, "drbdd-fuse did not start: " + words};
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
