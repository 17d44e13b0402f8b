// The few system calls that the files of this room share.
#pragma once

#include "base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace shim {

class Fd {
public:
    Fd() = default;

    explicit Fd(int fd) : fd_(fd) {}

    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~Fd() { close(); }

    explicit operator bool() const { return fd_ >= 0; }

    int get() const { return fd_; }

    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

private:
    int fd_ = -1;
};

using Deadline = std::chrono::steady_clock::time_point;

// Asks every 10 ms until `done` says yes (true) or the deadline has passed (false).
bool wait_until(Deadline deadline, const std::function<bool()>& done);

// An error whose text is `what`, a colon and errno in words.
base::Error system_error(const std::string& what);

// The whole file, at most 1 MiB of it; nothing if it cannot be read.
std::optional<std::string> read_file(const std::string& path);
base::Result<void> write_file(const std::string& path, const std::string& text);

// What is in a directory, in order; nothing if it cannot be read.
std::vector<std::string> names_in(const std::string& directory);

// The text of a symbolic link; nothing if it is none.
std::optional<std::string> read_link(const std::string& path);

// Device number of a block special file; nothing if the path is anything else.
std::optional<dev_t> block_device_number(const std::string& path);

}  // namespace shim
