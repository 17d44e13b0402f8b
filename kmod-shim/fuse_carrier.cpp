#include "kmod-shim/fuse_carrier.h"

#include "kmod-shim/fuse_process.h"

#include <cerrno>
#include <csignal>
#include <sys/stat.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

FuseCarrier::FuseCarrier(const CarrierPlaces& places)
    : places_(places), files_(run_files(places.run_dir, places.minor)) {
}

Result<void> FuseCarrier::offered() const {
    for (const char* device : {"/dev/fuse", "/dev/loop-control"}) {
        if (::access(device, F_OK) != 0) {
            return Error{ErrorCode::NotFound, std::string("there is no ") + device};
        }
    }
    return {};
}

// Ours is the loop device on our file in the file system that we mounted. The path alone would not
// do: another container may use the same one.
std::optional<LoopDevice> FuseCarrier::find_own_loop() const {
    const auto recorded = parse_number(read_file(files_.state_file).value_or(""));
    if (!recorded) {
        return std::nullopt;
    }
    for (const LoopDevice& loop : bound_loops()) {
        if (loop.backing_path == files_.volume) {
            const auto file_system = backing_file_system(loop);
            if (file_system && *file_system == *recorded) {
                return loop;
            }
        }
    }
    return std::nullopt;
}

std::optional<BlockDevice> FuseCarrier::find() const {
    return find_own_loop();
}

bool FuseCarrier::is_living() const {
    return living_fuse(files_) && find_own_loop();
}

Result<BlockDevice> FuseCarrier::make(std::uint32_t block_bytes, Deadline deadline) {
    if (auto started = start_volume(deadline); !started) {
        return started.error();
    }
    auto loop = configure_loop(files_.volume, block_bytes, deadline);
    if (!loop) {
        return loop.error();
    }
    return BlockDevice(std::move(*loop));
}

// Up to the file that the loop device will stand on.
Result<void> FuseCarrier::start_volume(Deadline deadline) {
    if (::mkdir(files_.mount_dir.c_str(), 0700) != 0 && errno != EEXIST) {
        return system_error("cannot make " + files_.mount_dir);
    }
    const FuseStart start{places_.fuse_program, places_.nbd_socket, node_name(places_.minor)};
    if (auto started = start_fuse(start, files_, deadline); !started) {
        return started;
    }

    struct stat st {};

    if (::stat(files_.volume.c_str(), &st) != 0) {
        return system_error("cannot see " + files_.volume);
    }
    return write_file(files_.state_file, std::to_string(st.st_dev) + "\n");
}

Result<void> FuseCarrier::release(const BlockDevice& device, Fd claim, Deadline deadline) {
    const auto loop = find_loop(device.number);
    if (!loop) {
        return {};
    }
    return release_loop(*loop, std::move(claim), deadline);
}

Result<void> FuseCarrier::clear(Deadline deadline) {
    if (auto unmounted = unmount_fuse(files_); !unmounted) {
        return unmounted;
    }
    if (auto stopped = end_server(fuse_server(files_), deadline); !stopped) {
        return stopped;
    }
    ::unlink(files_.pid_file.c_str());
    ::unlink(files_.state_file.c_str());
    ::rmdir(files_.mount_dir.c_str());
    return {};
}

Result<void> FuseCarrier::resize(const BlockDevice& device,
                                 std::uint64_t size_bytes,
                                 Deadline deadline) {
    if (auto told = signal_server(fuse_server(files_), SIGHUP); !told) {
        return told;
    }
    const bool known = wait_until(deadline, [this, size_bytes] {
        struct stat st {};
        return ::stat(files_.volume.c_str(), &st) == 0 &&
               static_cast<std::uint64_t>(st.st_size) == size_bytes;
    });
    if (!known) {
        return Error{
            ErrorCode::Timeout,
            "the export does not offer the new size of " + std::to_string(size_bytes) + " bytes"};
    }
    const auto size = update_capacity(device);
    if (!size) {
        return size.error();
    }
    if (*size != size_bytes) {
        return Error{ErrorCode::Io,
                     device.name + " has " + std::to_string(*size) + " bytes after a resize to " +
                         std::to_string(size_bytes)};
    }
    return {};
}

}  // namespace shim
