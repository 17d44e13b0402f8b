#include "heartbeat/runtime/pid_file.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <thread>

namespace hb {

namespace {

pid_t pid_in(int file) {
    std::array<char, 32> text{};
    (void)!::pread(file, text.data(), text.size() - 1, 0);
    return static_cast<pid_t>(std::atoi(text.data()));
}

base::Error failure(const char* what, const std::string& path) {
    return {base::ErrorCode::Io,
            base::format("cannot %s %s: %s", what, path.c_str(), std::strerror(errno))};
}

// A daemon that was killed keeps its lock until the kernel has ended it, a moment later.
bool lock_soon(int file) {
    constexpr int kTries = 20;
    for (int i = 0; i < kTries; ++i) {
        if (::flock(file, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return false;
}

}  // namespace

base::Result<FileDescriptor> claim_run_directory(const std::string& run_dir) {
    std::error_code error;
    std::filesystem::create_directories(run_dir, error);
    const std::string path = run_dir + "/" + kPidFileName;
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file.open()) {
        return failure("open", path);
    }
    if (!lock_soon(file.get())) {
        return base::Error{base::ErrorCode::Busy,
                           base::format("heartbeat runs already on %s (process %d)",
                                        run_dir.c_str(),
                                        static_cast<int>(pid_in(file.get())))};
    }
    const std::string pid = base::format("%d\n", static_cast<int>(::getpid()));
    if (::ftruncate(file.get(), 0) != 0 ||
        ::write(file.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
        return failure("write", path);
    }
    return file;
}

std::optional<pid_t> running_daemon(const std::string& run_dir) {
    const std::string path = run_dir + "/" + kPidFileName;
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open() || ::flock(file.get(), LOCK_SH | LOCK_NB) == 0) {
        return std::nullopt;
    }
    const pid_t pid = pid_in(file.get());
    return pid > 0 ? std::optional<pid_t>(pid) : std::nullopt;
}

}  // namespace hb
