#include "kmod-shim/nbd/nbd_carrier.h"

#include "base/log.h"
#include "base/require.h"
#include "kmod-shim/child.h"
#include "kmod-shim/nbd/control.h"
#include "kmod-shim/nbd/export_socket.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::uint64_t kSectorBytes = 512;  // of /sys/block/NAME/size
constexpr std::chrono::seconds kDeadConnectionTime{600};
// How often the kernel looks after a request without an answer, and sends it again if the socket is
// another one by now: how long the users pause when the daemon was killed. No request ever fails by
// it, since there is no time-out for those (a freeze of the volume may last).
constexpr std::chrono::milliseconds kLookAfterRequests{500};
constexpr std::uint64_t kRequestKibMax = 1024;  // the engine cuts what is longer

std::string new_token() {
    std::uint64_t value = 0;
    REQUIRE(::getrandom(&value, sizeof value, 0) == sizeof value);
    return base::format("%016llx", static_cast<unsigned long long>(value));
}

std::uint64_t size_of(const BlockDevice& device) {
    return parse_number(sys_text(device.name, "size").value_or("")).value_or(0) * kSectorBytes;
}

// Whoever opens a new device first reads its partition table, and waits for our own server: a
// process of its own does, which can be left behind. A thread of the daemon that waits for the
// daemon could not even be killed.
Result<void> read_partitions(const BlockDevice& device, Deadline deadline) {
    if (auto reachable = open_block(device.name, O_PATH); !reachable) {
        return reachable.error();
    }
    const auto failure =
        run_to_end({"/bin/sh", "-c", ": < \"$1\"", "sh", "/dev/" + device.name}, deadline);
    if (failure) {
        return Error{failure->error.code,
                     "cannot read " + device.name + ": " + failure->error.text};
    }
    return {};
}

// What a kernel does not know or refuses costs speed, and nothing else.
void tune(const BlockDevice& device) {
    const std::string queue = "/sys/block/" + device.name + "/queue/";
    const auto hardware =
        parse_number(sys_text(device.name, "queue/max_hw_sectors_kb").value_or(""));
    (void)write_file(queue + "max_sectors_kb",
                     std::to_string(std::min(hardware.value_or(kRequestKibMax), kRequestKibMax)));
    (void)write_file(queue + "io_timeout", std::to_string(kLookAfterRequests.count()));
}

// Must be recognised by everybody who comes later, and must not lose flushes.
Result<BlockDevice> check_connected(const std::string& name, const std::string& identifier) {
    if (sys_text(name, "backend") != identifier) {
        return Error{ErrorCode::Unsupported,
                     "the kernel's nbd driver cannot name its backend (Linux before 5.14)"};
    }
    if (sys_text(name, "queue/write_cache") != "write back") {
        return Error{ErrorCode::Unsupported,
                     name + " does not announce a volatile write cache: flushes would be lost"};
    }
    auto device = block_device(name);
    if (!device) {
        return Error{ErrorCode::Io, name + " vanished from /sys/block"};
    }
    return std::move(*device);
}

}  // namespace

NbdCarrier::NbdCarrier(const CarrierPlaces& places)
    : places_(places), state_file_(run_files(places.run_dir, places.minor).nbd_state) {
}

Result<void> NbdCarrier::offered() const {
    const auto control = NbdControl::open();
    return control ? Result<void>() : control.error();
}

std::string NbdCarrier::recorded_identifier() const {
    std::string text = read_file(state_file_).value_or("");
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return parse_backend_identifier(text) ? text : "";
}

std::optional<BlockDevice> NbdCarrier::find() const {
    const std::string identifier = recorded_identifier();
    if (identifier.empty()) {
        return std::nullopt;
    }
    for (NbdDevice& device : connected_nbds()) {
        if (device.backend == identifier) {
            return std::move(device);
        }
    }
    return std::nullopt;
}

Result<BlockDevice> NbdCarrier::make(std::uint32_t block_bytes, Deadline deadline) {
    auto control = NbdControl::open();
    if (!control) {
        return control.error();
    }
    const auto opened = open_export(places_.nbd_socket, node_name(places_.minor), deadline);
    if (!opened) {
        return opened.error();
    }
    const std::string identifier =
        backend_identifier({new_token(), {places_.run_dir, places_.minor}});
    if (auto recorded = write_file(state_file_, identifier + "\n"); !recorded) {
        return recorded.error();
    }
    netlink::NbdRequest request;
    request.size_bytes = opened->size_bytes;
    request.block_bytes = block_bytes;
    request.server_flags = opened->flags;
    request.dead_connection_seconds = kDeadConnectionTime.count();
    request.backend = identifier;
    request.socket = opened->fd.get();
    const auto index = control->connect(std::move(request));
    if (!index) {
        return index.error();
    }
    auto device = check_connected("nbd" + std::to_string(*index), identifier);
    if (device) {
        tune(*device);
        if (auto read = read_partitions(*device, deadline); !read) {
            device = read.error();
        }
    }
    if (!device) {
        (void)control->disconnect(*index);  // it is ours, the kernel has just said so
    }
    return device;
}

Result<void> NbdCarrier::take_over(const BlockDevice& device, Deadline deadline) {
    const auto opened = open_export(places_.nbd_socket, node_name(places_.minor), deadline);
    if (!opened) {
        return opened.error();
    }
    const std::uint64_t size = size_of(device);
    if (opened->size_bytes < size) {
        return Error{ErrorCode::State,
                     base::format("the export had %llu bytes and now has %llu",
                                  static_cast<unsigned long long>(size),
                                  static_cast<unsigned long long>(opened->size_bytes))};
    }
    const bool grown = opened->size_bytes > size;
    return reconfigure(device,
                       opened->fd.get(),
                       grown ? std::optional(opened->size_bytes) : std::nullopt,
                       deadline);
}

Result<void> NbdCarrier::reconfigure(const BlockDevice& device,
                                     std::optional<int> socket,
                                     std::optional<std::uint64_t> size_bytes,
                                     Deadline deadline) const {
    auto control = NbdControl::open();
    if (!control) {
        return control.error();
    }
    netlink::NbdRequest request;
    request.index = index_of_nbd(device.name);
    request.backend = recorded_identifier();
    request.socket = socket;
    request.size_bytes = size_bytes;
    if (auto done = control->reconfigure(std::move(request)); !done) {
        return done;
    }
    return size_bytes ? read_partitions(device, deadline) : Result<void>();
}

// `claim` keeps the device ours until the end, and what somebody has written without waiting for
// the disk is written out while it still can be.
Result<void> NbdCarrier::release(const BlockDevice& device, Fd claim, Deadline deadline) {
    auto control = NbdControl::open();
    if (!control) {
        return control.error();
    }
    const auto index = index_of_nbd(device.name);
    REQUIRE(index);  // only find() and make() name devices
    if (::ioctl(claim.get(), BLKFLSBUF, 0) != 0) {
        return system_error("cannot write out what is cached of " + device.name);
    }
    if (auto done = control->disconnect(*index); !done) {
        return done;
    }
    claim.close();  // the kernel lets go at the last close
    const std::string identifier = recorded_identifier();
    const bool gone = wait_until(deadline, [&] {
        return !sys_text(device.name, "pid") || sys_text(device.name, "backend") != identifier;
    });
    if (!gone) {
        return Error{ErrorCode::Timeout,
                     device.name + " is still open somewhere; it goes away when it is closed"};
    }
    return {};
}

Result<void> NbdCarrier::clear(Deadline) {
    ::unlink(state_file_.c_str());
    return {};
}

Result<void> NbdCarrier::resize(const BlockDevice& device,
                                std::uint64_t size_bytes,
                                Deadline deadline) {
    return reconfigure(device, std::nullopt, size_bytes, deadline);
}

}  // namespace shim
