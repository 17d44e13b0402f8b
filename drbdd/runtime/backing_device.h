// Opening and probing of a backing disk: a block device or a plain file. Blocks for as long as the
// device likes: never on a resource's thread. Block front ends specification, 6.1.
#pragma once

#include "base/result.h"
#include "drbdd/io/disk.h"

#include <string>
#include <utility>

namespace runtime {

// A file descriptor with an owner.
class FileDescriptor {
public:
    FileDescriptor() = default;

    explicit FileDescriptor(int fd) : fd_(fd) {}

    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~FileDescriptor();

    int get() const { return fd_; }

private:
    int fd_ = -1;
};

// Open for reading and writing, past the page cache where the file system can, and claimed: a
// second opening, by us or by drbdmeta or mount, is refused until this one is closed.
struct BackingDevice {
    FileDescriptor fd;
    std::string path;
    bool is_block_device = false;
    io::DiskGeometry geometry;
};

// Smaller backing devices cannot hold the metadata and one extent of data.
inline constexpr std::uint64_t kMinBackingBytes = 128u << 10;

// Errors: NotFound, Busy (mounted, claimed, or locked by another process), Permission (also: read
// only), TooSmall, Unsupported (neither block device nor file), Io.
base::Result<BackingDevice> open_backing_device(const std::string& path);

}  // namespace runtime
