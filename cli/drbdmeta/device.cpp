#include "cli/drbdmeta/device.h"

#include "base/log.h"
#include "base/require.h"
#include "meta/geometry.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <memory>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kPieceBytes = 1u << 20;

struct Free {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
};

using AlignedBuffer = std::unique_ptr<std::uint8_t, Free>;

AlignedBuffer aligned_buffer() {
    AlignedBuffer buffer(static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, kPieceBytes)));
    REQUIRE(buffer != nullptr);
    return buffer;
}

Error system_error(const std::string& what, int error) {
    ErrorCode code = ErrorCode::Io;
    if (error == ENOENT) {
        code = ErrorCode::NotFound;
    } else if (error == EBUSY) {
        code = ErrorCode::Busy;
    }
    return {code, what + " failed: " + std::strerror(error)};
}

// Not every filesystem that can hold a plain file has direct I/O.
int open_direct(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_DIRECT);
    return fd < 0 && errno == EINVAL ? ::open(path.c_str(), flags) : fd;
}

Result<void> check_kind(const MetaDevice::Options& options) {
    struct stat status = {};
    if (::stat(options.path.c_str(), &status) != 0) {
        return system_error("open(" + options.path + ")", errno);
    }
    if (S_ISBLK(status.st_mode) || (S_ISREG(status.st_mode) && options.allow_plain_file)) {
        return {};
    }
    return Error{ErrorCode::Permission, "'" + options.path + "' is not a block device!"};
}

// A running drbdd holds this write lock on every backing disk. Readers exclude it, not each other.
Result<void> lock(int fd, const MetaDevice::Options& options) {
    struct flock whole = {};
    whole.l_type = options.access == Access::Write ? F_WRLCK : F_RDLCK;
    whole.l_whence = SEEK_SET;
    if (options.slot) {
        whole.l_start = static_cast<off_t>(*options.slot * meta::kSlotBytes);
        whole.l_len = static_cast<off_t>(meta::kSlotBytes);
    }
    if (::fcntl(fd, F_OFD_SETLK, &whole) == 0) {
        return {};
    }
    if (errno == EAGAIN || errno == EACCES) {
        return Error{ErrorCode::Busy,
                     options.path + " is in use by drbdd or another drbdmeta: detach it first"};
    }
    return system_error("locking " + options.path, errno);
}

Result<std::uint64_t> size_of(int fd, const std::string& path) {
    struct stat status = {};
    if (::fstat(fd, &status) != 0) {
        return system_error("fstat(" + path + ")", errno);
    }
    if (!S_ISBLK(status.st_mode)) {
        return static_cast<std::uint64_t>(status.st_size);
    }
    std::uint64_t bytes = 0;
    if (::ioctl(fd, BLKGETSIZE64, &bytes) != 0) {
        return system_error("ioctl(" + path + ", BLKGETSIZE64)", errno);
    }
    return bytes;
}

}  // namespace

MetaDevice::MetaDevice(int fd, std::string path, std::uint64_t size_bytes, bool verbose)
    : fd_(fd), path_(std::move(path)), size_bytes_(size_bytes), verbose_(verbose) {
}

MetaDevice::MetaDevice(MetaDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      size_bytes_(other.size_bytes_),
      verbose_(other.verbose_) {
}

MetaDevice::~MetaDevice() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<MetaDevice> MetaDevice::open(const Options& options) {
    if (Result<void> checked = check_kind(options); !checked) {
        return checked.error();
    }
    const int flags = (options.access == Access::Write ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    int fd = open_direct(options.path, flags | (options.slot ? 0 : O_EXCL));
    const bool taken = fd < 0 && errno == EBUSY;
    const Error busy = system_error("open(" + options.path + ")", EBUSY);
    if (taken) {
        fd = open_direct(options.path, flags);
    }
    if (fd < 0) {
        return system_error("open(" + options.path + ")", errno);
    }
    MetaDevice device(fd, options.path, 0, options.verbose);
    // The lock comes before the question: no answer may override a running drbdd.
    if (Result<void> locked = lock(fd, options); !locked) {
        return locked.error();
    }
    if (taken) {
        std::fprintf(stderr, "%s\n", busy.text.c_str());
        if (!options.open_anyway()) {
            return busy;
        }
    }
    const Result<std::uint64_t> size = size_of(fd, options.path);
    if (!size) {
        return size.error();
    }
    device.size_bytes_ = *size;
    return device;
}

Result<std::vector<std::uint8_t>> MetaDevice::read(std::uint64_t offset,
                                                   std::uint64_t length) const {
    REQUIRE(offset % kAlignment == 0 && length % kAlignment == 0);
    REQUIRE(offset <= size_bytes_ && length <= size_bytes_ - offset);
    std::vector<std::uint8_t> data(length);
    const AlignedBuffer buffer = aligned_buffer();
    for (std::uint64_t done = 0; done < length;) {
        const std::size_t piece = std::min<std::uint64_t>(kPieceBytes, length - done);
        const ssize_t got = ::pread(fd_, buffer.get(), piece, static_cast<off_t>(offset + done));
        if (got <= 0 || got % static_cast<ssize_t>(kAlignment) != 0) {
            return system_error(base::format("reading %s at byte %llu",
                                             path_.c_str(),
                                             static_cast<unsigned long long>(offset + done)),
                                got < 0 ? errno : EIO);
        }
        std::copy_n(buffer.get(), got, data.begin() + static_cast<std::ptrdiff_t>(done));
        done += static_cast<std::uint64_t>(got);
    }
    return data;
}

Result<void> MetaDevice::write(std::uint64_t offset, base::ConstBytes data) {
    REQUIRE(offset % kAlignment == 0 && data.size() % kAlignment == 0);
    REQUIRE(offset <= size_bytes_ && data.size() <= size_bytes_ - offset);
    if (verbose_) {
        std::fprintf(stderr,
                     "writing %zu bytes at byte %llu\n",
                     data.size(),
                     static_cast<unsigned long long>(offset));
    }
    const AlignedBuffer buffer = aligned_buffer();
    for (std::size_t done = 0; done < data.size();) {
        const std::size_t piece = std::min(kPieceBytes, data.size() - done);
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(done), piece, buffer.get());
        const ssize_t put = ::pwrite(fd_, buffer.get(), piece, static_cast<off_t>(offset + done));
        if (put <= 0 || put % static_cast<ssize_t>(kAlignment) != 0) {
            return system_error(base::format("writing %s at byte %llu",
                                             path_.c_str(),
                                             static_cast<unsigned long long>(offset + done)),
                                put < 0 ? errno : EIO);
        }
        done += static_cast<std::size_t>(put);
    }
    return {};
}

Result<void> MetaDevice::flush() {
    if (::fsync(fd_) != 0) {
        return system_error("fsync(" + path_ + ")", errno);
    }
    return {};
}

}  // namespace drbdmeta
