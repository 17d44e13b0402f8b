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
#include <sys/sysmacros.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

std::optional<LoopDevice> read_loop(const std::string& name) {
    auto backing = sys_text(name, "loop/backing_file");
    auto device = block_device(name);
    if (!backing || !device) {
        return std::nullopt;
    }
    return LoopDevice{std::move(*device), std::move(*backing)};
}

Result<void> check_mode(const std::string& name) {
    if (sys_text(name, "loop/dio") != "1") {
        return Error{ErrorCode::Unsupported,
                     name +
                         " fell back to the page cache (loop/dio is not 1): the kernel refuses "
                         "direct I/O on this block size"};
    }
    if (sys_text(name, "queue/write_cache") != "write back") {
        return Error{ErrorCode::Unsupported,
                     name + " does not announce a volatile write cache: flushes would be lost"};
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

bool is_loop_number(dev_t number) {
    return major(number) == LOOP_MAJOR;
}

std::vector<LoopDevice> bound_loops() {
    std::vector<LoopDevice> found;
    for (const std::string& name : names_in("/sys/block")) {
        const auto index = name.starts_with("loop") ? parse_number(name.substr(4)) : std::nullopt;
        if (!index) {
            continue;
        }
        if (auto loop = read_loop(name)) {
            found.push_back(std::move(*loop));
        }
    }
    return found;
}

std::optional<LoopDevice> find_loop(dev_t number) {
    for (LoopDevice& loop : bound_loops()) {
        if (loop.number == number) {
            return std::move(loop);
        }
    }
    return std::nullopt;
}

Result<std::uint64_t> backing_file_system(const LoopDevice& loop) {
    auto fd = open_block(loop.name, O_RDONLY);
    if (!fd) {
        return fd.error();
    }
    loop_info64 info{};
    if (::ioctl(fd->get(), LOOP_GET_STATUS64, &info) != 0) {
        return system_error("cannot read the state of " + loop.name);
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
        const std::string name = "loop" + std::to_string(index);
        auto loop = open_block(name, O_RDWR);
        if (!loop) {
            return loop.error();
        }
        errno = try_configure(loop->get(), backing.get(), block_bytes, file);
        if (errno == EBUSY) {
            continue;
        }
        if (errno != 0) {
            return system_error("cannot put " + name + " on " + file);
        }
        if (auto mode = check_mode(name); !mode) {
            ::ioctl(loop->get(), LOOP_CLR_FD);
            return mode.error();
        }
        if (auto device = read_loop(name)) {
            return std::move(*device);
        }
        return Error{ErrorCode::Io, name + " vanished from /sys/block"};
    }
    return Error{ErrorCode::Timeout, "every free loop device was taken by others first"};
}

Result<void> release_loop(const LoopDevice& loop, Fd opened, Deadline deadline) {
    if (::ioctl(opened.get(), LOOP_CLR_FD) != 0 && errno != ENXIO) {
        return system_error("cannot release " + loop.name);
    }
    opened.close();  // the kernel lets go at the last close
    const bool gone = wait_until(deadline, [&loop] {
        const auto now = read_loop(loop.name);
        return !now || now->backing_path != loop.backing_path;
    });
    if (!gone) {
        return Error{ErrorCode::Timeout,
                     loop.name + " is still open somewhere; it goes away when it is closed"};
    }
    return {};
}

Result<std::uint64_t> update_capacity(const BlockDevice& loop) {
    auto fd = open_block(loop.name, O_RDWR);
    if (!fd) {
        return fd.error();
    }
    std::uint64_t bytes = 0;
    if (::ioctl(fd->get(), LOOP_SET_CAPACITY, 0) != 0 ||
        ::ioctl(fd->get(), BLKGETSIZE64, &bytes) != 0) {
        return system_error("cannot change the size of " + loop.name);
    }
    return bytes;
}

}  // namespace shim
