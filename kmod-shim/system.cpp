#include "kmod-shim/system.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <thread>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

ErrorCode code_of(int error) {
    switch (error) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return ErrorCode::NotFound;
        case EACCES:
        case EPERM:
            return ErrorCode::Permission;
        case EBUSY:
            return ErrorCode::Busy;
        case ENOSPC:
            return ErrorCode::NoSpace;
        default:
            return ErrorCode::Io;
    }
}

}  // namespace

bool wait_until(Deadline deadline, const std::function<bool()>& done) {
    while (!done()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

Error system_error(const std::string& what) {
    const int error = errno;
    return {code_of(error), what + ": " + std::strerror(error)};
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error);
    while (!error && entries != std::filesystem::directory_iterator()) {
        names.push_back(entries->path().filename().string());
        entries.increment(error);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<std::string> read_file(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return std::nullopt;
    }
    std::string text;
    std::array<char, 4096> piece{};
    while (text.size() < kFileBytesMax) {
        const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
        if (got < 0) {
            return std::nullopt;
        }
        if (got == 0) {
            break;
        }
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

Result<void> write_file(const std::string& path, const std::string& text) {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    const Fd fd(::open(path.c_str(), kFlags, 0600));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return system_error("cannot write " + path);
    }
    return {};
}

std::optional<std::string> read_link(const std::string& path) {
    std::array<char, 4096> text{};
    const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
    if (length < 0) {
        return std::nullopt;
    }
    return std::string(text.data(), static_cast<std::size_t>(length));
}

std::optional<dev_t> block_device_number(const std::string& path) {
    struct stat st {};

    if (::lstat(path.c_str(), &st) != 0 || !S_ISBLK(st.st_mode)) {
        return std::nullopt;
    }
    return st.st_rdev;
}

}  // namespace shim
