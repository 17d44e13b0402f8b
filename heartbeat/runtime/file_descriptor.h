// An open file that is closed by whoever holds it.
#pragma once

#include <unistd.h>
#include <utility>

namespace hb {

class FileDescriptor {
public:
    FileDescriptor() = default;

    explicit FileDescriptor(int fd) : fd_(fd) {}

    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        FileDescriptor old(std::exchange(fd_, std::exchange(other.fd_, -1)));
        return *this;
    }

    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    ~FileDescriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    int get() const { return fd_; }

    bool open() const { return fd_ >= 0; }

    int release() { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

}  // namespace hb
