#include "drbdd/runtime/backing_device.h"

#include "base/log.h"
#include "drbdd/runtime/meta_device.h"
#include "drbdd/runtime/nbd_export.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <unistd.h>

namespace runtime {

namespace {

// Of a device that is claimed in parts: nobody's part, that says whose the others are.
constexpr std::uint64_t kOwnersByte = std::uint64_t{1} << 62;

base::Error failure(const DeviceRole& role, const std::string& path, int error) {
    const auto because = [&](base::ErrorCode code, const char* reason) {
        return base::Error{code,
                           base::format("cannot open %s %s: %s", role.name, path.c_str(), reason)};
    };
    switch (error) {
        case ENOENT:
        case ENXIO:
        case ENODEV:
            return because(base::ErrorCode::NotFound, "it does not exist");
        case EBUSY:
        case EAGAIN:
            return because(base::ErrorCode::Busy,
                           "it is in use (mounted, part of another device, or attached already)");
        case EROFS:
            return because(base::ErrorCode::Permission, "it is read-only");
        case EACCES:
        case EPERM:
            return because(base::ErrorCode::Permission, "permission denied");
        default:
            return because(base::ErrorCode::Io, std::strerror(error));
    }
}

// Opened without O_DIRECT where the file system has none: slower, and correct, because nothing
// counts as durable before a flush.
int open_direct(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_DIRECT);
    if (fd < 0 && errno == EINVAL) {
        return ::open(path.c_str(), flags);
    }
    return fd;
}

// One number below /sys/dev/block/MAJOR:MINOR/queue; a partition has its disk's.
std::uint64_t queue_limit(dev_t device, const char* name) {
    const std::string base = base::format("/sys/dev/block/%u:%u", ::major(device), ::minor(device));
    for (const char* folder : {"/queue/", "/../queue/"}) {
        std::ifstream file(base + folder + name);
        std::uint64_t value = 0;
        if (file >> value) {
            return value;
        }
    }
    return 0;
}

int probe_block_device(BackingDevice& device, dev_t number) {
    const int fd = device.fd.get();
    std::uint64_t bytes = 0;
    int logical = 0;
    unsigned physical = 0;
    unsigned short rotational = 0;
    int read_only = 0;
    if (::ioctl(fd, BLKGETSIZE64, &bytes) != 0 || ::ioctl(fd, BLKSSZGET, &logical) != 0 ||
        ::ioctl(fd, BLKPBSZGET, &physical) != 0 || ::ioctl(fd, BLKROTATIONAL, &rotational) != 0 ||
        ::ioctl(fd, BLKROGET, &read_only) != 0) {
        return errno;
    }
    device.geometry.size_bytes = bytes;
    device.geometry.logical_block_bytes = static_cast<std::uint32_t>(logical);
    device.geometry.physical_block_bytes = physical;
    device.geometry.rotational = rotational != 0;
    device.geometry.read_only = read_only != 0;
    // Discards are done as zeroing that may unmap, so that what was discarded reads as zeroes: the
    // device must be able to do both.
    device.geometry.can_discard = queue_limit(number, "discard_max_bytes") > 0 &&
                                  queue_limit(number, "write_zeroes_max_bytes") > 0;
    return 0;
}

// Memory is always aligned to 4096, so only the alignment of positions matters. Asked by reading:
// the file system refuses what it cannot do; a hole or the end of the file serves as well.
std::uint32_t file_block_bytes(int fd) {
    alignas(4096) std::array<char, 512> sector;
    return ::pread(fd, sector.data(), sector.size(), 512) >= 0 ? 512 : 4096;
}

int set_lock(const BackingDevice& device, short type, std::uint64_t start, std::uint64_t length) {
    struct flock lock {};

    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(start);
    lock.l_len = static_cast<off_t>(length);
    return ::fcntl(device.fd.get(), F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

void probe_file(BackingDevice& device, const struct stat& info) {
    const std::uint32_t block = file_block_bytes(device.fd.get());
    // Not rounded: the place of the metadata follows from the exact size, as drbdmeta computes it.
    device.geometry.size_bytes = static_cast<std::uint64_t>(info.st_size);
    device.geometry.logical_block_bytes = block;
    device.geometry.physical_block_bytes = 4096;
    device.geometry.can_discard = true;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

// A daemon that was killed keeps its own lock until the kernel has ended its I/O, a moment later:
// that much is waited for.
int claim_bytes(const BackingDevice& device, std::uint64_t start, std::uint64_t length) {
    constexpr int kTries = 10;
    constexpr auto kPause = std::chrono::milliseconds(50);
    for (int i = 0; i < kTries; ++i) {
        const int error = set_lock(device, F_WRLCK, start, length);
        if (error != EACCES && error != EAGAIN) {
            return error;
        }
        std::this_thread::sleep_for(kPause);
    }
    return EAGAIN;
}

void release_bytes(const BackingDevice& device, std::uint64_t start, std::uint64_t length) {
    set_lock(device, F_UNLCK, start, length);
}

base::Result<void> measure(BackingDevice& device, const DeviceRole& role) {
    struct stat info {};

    if (::fstat(device.fd.get(), &info) != 0) {
        return failure(role, device.path, errno);
    }
    if (!device.is_block_device) {
        probe_file(device, info);
    } else if (const int error = probe_block_device(device, info.st_rdev); error != 0) {
        return failure(role, device.path, error);
    }
    if (device.geometry.read_only) {
        return failure(role, device.path, EROFS);
    }
    if (device.geometry.size_bytes < role.least_bytes) {
        return base::Error{
            base::ErrorCode::TooSmall,
            base::format("%s %s is too small: it has %llu bytes, at least %llu are needed",
                         role.name,
                         device.path.c_str(),
                         static_cast<unsigned long long>(device.geometry.size_bytes),
                         static_cast<unsigned long long>(role.least_bytes))};
    }
    return {};
}

std::uint64_t bytes_of(const FileDescriptor& fd) {
    struct stat info {};

    std::uint64_t bytes = 0;
    if (::fstat(fd.get(), &info) != 0) {
        return 0;
    }
    if (!S_ISBLK(info.st_mode)) {
        return static_cast<std::uint64_t>(info.st_size);
    }
    return ::ioctl(fd.get(), BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

std::vector<io::AllocationRun> allocation_of(const FileDescriptor& file,
                                             std::uint64_t offset,
                                             std::uint64_t length,
                                             std::size_t most) {
    // Nobody uses the position of this opening. File systems have holes of whole blocks; should one
    // have smaller ones, what is cut is data.
    constexpr std::uint64_t kGrain = base::kSectorBytes;
    const std::uint64_t end = offset + length;
    std::vector<io::AllocationRun> runs;
    for (std::uint64_t at = offset; at < end && runs.size() < most;) {
        const off_t data = ::lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno != ENXIO) {  // that one: no data from here on
            return {};
        }
        const std::uint64_t data_at =
            data < 0 ? end : std::min(end, static_cast<std::uint64_t>(data) / kGrain * kGrain);
        if (data_at > at) {
            runs.push_back({data_at - at, true});
            at = data_at;
            continue;
        }
        const off_t hole = ::lseek(file.get(), data, SEEK_HOLE);
        if (hole <= data) {
            return {};
        }
        const std::uint64_t hole_at =
            std::min(end, (static_cast<std::uint64_t>(hole) + kGrain - 1) / kGrain * kGrain);
        runs.push_back({hole_at - at, false});
        at = hole_at;
    }
    return runs;
}

FileDescriptor duplicate(int fd) {
    return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

base::Result<BackingDevice> open_device(const std::string& path, const DeviceRole& role) {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
        return failure(role, path, errno);
    }
    if (!S_ISBLK(info.st_mode) && !S_ISREG(info.st_mode)) {
        return base::Error{
            base::ErrorCode::Unsupported,
            base::format("%s %s is neither a block device nor a file", role.name, path.c_str())};
    }
    BackingDevice device;
    device.path = path;
    device.is_block_device = S_ISBLK(info.st_mode);
    // On a block device O_EXCL is the kernel's claim: mounts, md, dm and other openers respect it.
    const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | (device.is_block_device ? O_EXCL : 0);
    device.fd = FileDescriptor(open_direct(path, flags));
    if (device.fd.get() < 0) {
        return failure(role, path, errno);
    }
    const int claimed =
        role.in_parts ? claim_bytes(device, kOwnersByte, 1) : claim_bytes(device, 0, 0);
    if (claimed != 0) {
        return failure(role, path, claimed);
    }
    if (auto measured = measure(device, role); !measured) {
        return measured.error();
    }
    return device;
}

bool is_same_device(const std::string& a, const std::string& b) {
    struct stat one {};

    struct stat other {};

    if (::stat(a.c_str(), &one) != 0 || ::stat(b.c_str(), &other) != 0) {
        return a == b;
    }
    return S_ISBLK(one.st_mode) && S_ISBLK(other.st_mode)
               ? one.st_rdev == other.st_rdev
               : one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static base::Result<BackingDevice> open_remote(const DiskPaths& paths) {
    constexpr auto kLimit = std::chrono::seconds(10);
    if (paths.meta.empty()) {
        return base::Error{base::ErrorCode::Unsupported,
                           "the metadata of " + paths.data +
                               " have to be on a device of this machine ('meta-disk')"};
    }
    auto found = open_export(paths.data, kLimit);
    if (!found) {
        return found.error();
    }
    BackingDevice device;
    device.path = paths.data;
    device.geometry = found->geometry;
    device.remote = std::make_shared<NbdExport>(std::move(*found));
    return device;
}

OpenedDisks open_disks(const DiskPaths& paths) {
    base::Result<BackingDevice> device =
        is_export(paths.data) ? open_remote(paths) : open_backing_device(paths.data);
    if (!device || paths.meta.empty()) {
        return {std::move(device)};
    }
    if (is_same_device(paths.data, paths.meta)) {
        return {base::Error{base::ErrorCode::Invalid,
                            paths.meta + " cannot have the data and all of the metadata: the words "
                                         "for that are 'meta-disk internal'"},
                true};
    }
    base::Result<std::shared_ptr<MetaDevice>> meta = open_meta_device(paths.meta, paths.slot);
    if (!meta) {
        return {meta.error(), true};
    }
    device->geometry.meta = (*meta)->geometry();
    device->meta = std::move(*meta);
    return {std::move(device)};
}

}  // namespace runtime
