#include "kmod-shim/loop_device.h"

#include "kmod-shim/names.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

std::string sys_dir(unsigned index) {
    return "/sys/block/loop" + std::to_string(index);
}

std::string trimmed(std::string text) {
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

// "7:3"
std::optional<dev_t> parse_device(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    const auto major = parse_number(std::string_view(text).substr(0, colon));
    const auto minor = parse_number(std::string_view(text).substr(colon + 1));
    if (!major || !minor) {
        return std::nullopt;
    }
    return makedev(static_cast<unsigned>(*major), static_cast<unsigned>(*minor));
}

std::optional<LoopDevice> read_loop(unsigned index) {
    const auto backing = read_file(sys_dir(index) + "/loop/backing_file");
    const auto number = read_file(sys_dir(index) + "/dev");
    const auto device = number ? parse_device(*number) : std::nullopt;
    if (!backing || !device) {
        return std::nullopt;
    }
    return LoopDevice{index, *device, trimmed(*backing)};
}

// A private /dev may lack the node of a device that the kernel has just made.
Result<Fd> open_index(unsigned index, int flags) {
    const std::string path = "/dev/loop" + std::to_string(index);
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        const auto number = read_file(sys_dir(index) + "/dev");
        const auto device = number ? parse_device(*number) : std::nullopt;
        if (device && ::mknod(path.c_str(), S_IFBLK | 0660, *device) == 0) {
            fd = Fd(::open(path.c_str(), flags | O_CLOEXEC));
        }
    }
    if (!fd) {
        return system_error("cannot open " + path);
    }
    return fd;
}

Result<void> check_mode(unsigned index) {
    const std::string dir = sys_dir(index);
    if (trimmed(read_file(dir + "/loop/dio").value_or("")) != "1") {
        return Error{ErrorCode::Unsupported,
                     "loop" + std::to_string(index) +
                         " fell back to the page cache (loop/dio is not 1): the kernel refuses "
                         "direct I/O on this block size"};
    }
    if (trimmed(read_file(dir + "/queue/write_cache").value_or("")) != "write back") {
        return Error{ErrorCode::Unsupported,
                     "loop" + std::to_string(index) +
                         " does not announce a volatile write cache: flushes would be lost"};
    }
    return {};
}

// One attempt. EBUSY: somebody else took the device that the kernel called free.
int try_configure(int loop, int file, std::uint32_t block_bytes, const std::string& name) {
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file);
    config.block_size = block_bytes;
    config.info.lo_flags = LO_FLAGS_DIRECT_IO;
    const std::size_t length = std::min<std::size_t>(name.size(), LO_NAME_SIZE - 1);
    std::memcpy(config.info.lo_file_name, name.data(), length);
    return ::ioctl(loop, LOOP_CONFIGURE, &config) == 0 ? 0 : errno;
}

}  // namespace

bool is_loop_number(dev_t device) {
    return major(device) == LOOP_MAJOR;
}

std::vector<LoopDevice> bound_loops() {
    std::vector<LoopDevice> found;
    for (const std::string& name : names_in("/sys/block")) {
        const auto index = name.starts_with("loop") ? parse_number(name.substr(4)) : std::nullopt;
        if (!index) {
            continue;
        }
        if (auto loop = read_loop(static_cast<unsigned>(*index))) {
            found.push_back(std::move(*loop));
        }
    }
    return found;
}

std::optional<LoopDevice> find_loop(dev_t device) {
    for (LoopDevice& loop : bound_loops()) {
        if (loop.device == device) {
            return std::move(loop);
        }
    }
    return std::nullopt;
}

Result<std::uint64_t> backing_file_system(const LoopDevice& loop) {
    auto fd = open_loop(loop, O_RDONLY);
    if (!fd) {
        return fd.error();
    }
    loop_info64 info{};
    if (::ioctl(fd->get(), LOOP_GET_STATUS64, &info) != 0) {
        return system_error("cannot read the state of " + loop.name());
    }
    return std::uint64_t{info.lo_device};
}

Result<LoopDevice> configure_loop(const std::string& file,
                                  std::uint32_t block_bytes,
                                  Deadline deadline) {
    const Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    if (!control) {
        return system_error("cannot open /dev/loop-control (is the loop driver there?)");
    }
    const Fd backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    if (!backing) {
        return system_error("cannot open " + file);
    }
    while (std::chrono::steady_clock::now() < deadline) {
        const int index = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (index < 0) {
            return system_error("no free loop device");
        }
        auto loop = open_index(static_cast<unsigned>(index), O_RDWR);
        if (!loop) {
            return loop.error();
        }
        errno = try_configure(loop->get(), backing.get(), block_bytes, file);
        if (errno == EBUSY) {
            continue;
        }
        if (errno != 0) {
            return system_error("cannot put loop" + std::to_string(index) + " on " + file);
        }
        if (auto mode = check_mode(static_cast<unsigned>(index)); !mode) {
            ::ioctl(loop->get(), LOOP_CLR_FD);
            return mode.error();
        }
        if (auto device = read_loop(static_cast<unsigned>(index))) {
            return std::move(*device);
        }
        return Error{ErrorCode::Io, "loop" + std::to_string(index) + " vanished from /sys/block"};
    }
    return Error{ErrorCode::Timeout, "every free loop device was taken by others first"};
}

Result<Fd> open_loop(const LoopDevice& loop, int flags) {
    return open_index(loop.index, flags);
}

Result<void> release_loop(const LoopDevice& loop, Fd opened, Deadline deadline) {
    if (::ioctl(opened.get(), LOOP_CLR_FD) != 0 && errno != ENXIO) {
        return system_error("cannot release " + loop.name());
    }
    opened.close();  // the kernel lets go at the last close
    const bool gone = wait_until(deadline, [&loop] {
        const auto now = read_loop(loop.index);
        return !now || now->backing_path != loop.backing_path;
    });
    if (!gone) {
        return Error{ErrorCode::Timeout,
                     loop.name() + " is still open somewhere; it goes away when it is closed"};
    }
    return {};
}

Result<std::uint64_t> update_capacity(const LoopDevice& loop) {
    auto fd = open_loop(loop, O_RDWR);
    if (!fd) {
        return fd.error();
    }
    std::uint64_t bytes = 0;
    if (::ioctl(fd->get(), LOOP_SET_CAPACITY, 0) != 0 ||
        ::ioctl(fd->get(), BLKGETSIZE64, &bytes) != 0) {
        return system_error("cannot change the size of " + loop.name());
    }
    return bytes;
}

}  // namespace shim
