#include "kmod-shim/ublk/control.h"

#include "base/require.h"
#include "kmod-shim/names.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;
using ublk::Control;

namespace {

constexpr unsigned kCommandsMax = 4;
constexpr std::size_t kLongEntryBytes = 128;  // of the submission queue: a command has 32 bytes

constexpr const char* kClass = "/sys/class/ublk-char";

}  // namespace

Result<Fd> open_ublk_node(const std::string& path, const std::string& sys_class) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        const auto number = parse_device_number(read_file(sys_class + "/dev").value_or(""));
        if (number && ::mknod(path.c_str(), S_IFCHR | 0600, *number) == 0) {
            fd = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        } else {
            errno = ENOENT;
        }
    }
    if (!fd) {
        return system_error("cannot open " + path);
    }
    return fd;
}

void UblkControl::CloseRing::operator()(io_uring* ring) const {
    ::io_uring_queue_exit(ring);
    delete ring;
}

UblkControl::UblkControl(Fd device, std::unique_ptr<io_uring, CloseRing> ring)
    : device_(std::move(device)), ring_(std::move(ring)) {
}

UblkControl::UblkControl(UblkControl&&) noexcept = default;
UblkControl::~UblkControl() = default;

Result<UblkControl> UblkControl::open() {
    auto device = open_ublk_node(ublk::kControlPath, "/sys/class/misc/ublk-control");
    if (!device) {
        const bool absent = ::access(ublk::kControlPath, F_OK) != 0;
        const std::string hint = absent ? " (modprobe ublk_drv; Linux 6.1 or later)" : "";
        return Error{ErrorCode::NotFound, device.error().text + hint};
    }
    auto ring = std::make_unique<io_uring>();
    if (const int error = ::io_uring_queue_init(kCommandsMax, ring.get(), IORING_SETUP_SQE128);
        error != 0) {
        errno = -error;
        return Error{ErrorCode::NotFound,
                     system_error("io_uring cannot be used (is it forbidden by "
                                  "kernel.io_uring_disabled or by a container?)")
                         .text};
    }
    UblkControl control(std::move(*device), std::unique_ptr<io_uring, CloseRing>(ring.release()));
    // The number with its direction and size in it is understood by those that know this command.
    std::uint64_t features = 0;
    control.encoding_ = ublk::Encoding::Ioctl;
    if (control.run(Control::GetFeatures, ublk::kAnyDevice, &features, sizeof features) == 0) {
        control.features_ = features;
    } else {
        control.encoding_ = ublk::Encoding::Plain;
    }
    return control;
}

// ---- one command

void UblkControl::queue(
    Control command, std::uint32_t device, void* buffer, std::size_t bytes, std::uint64_t data) {
    io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
    REQUIRE(entry != nullptr);  // one at a time, and there is room for some
    std::memset(static_cast<void*>(entry), 0, kLongEntryBytes);
    entry->opcode = IORING_OP_URING_CMD;
    entry->fd = device_.get();
    entry->cmd_op = ublk::opcode(command, encoding_);
    ublk::ControlCommand words;
    words.device = device;
    words.length = static_cast<std::uint16_t>(bytes);
    words.address = reinterpret_cast<std::uintptr_t>(buffer);
    words.data = data;
    std::memcpy(static_cast<void*>(entry->cmd), &words, sizeof words);
    ::io_uring_submit(ring_.get());
}

std::optional<int> UblkControl::finished() {
    io_uring_cqe* entry = nullptr;
    if (::io_uring_peek_cqe(ring_.get(), &entry) != 0 || entry == nullptr) {
        return std::nullopt;
    }
    const int result = entry->res;
    ::io_uring_cqe_seen(ring_.get(), entry);
    return std::max(-result, 0);
}

// 0, or an errno.
int UblkControl::run(
    Control command, std::uint32_t device, void* buffer, std::size_t bytes, std::uint64_t data) {
    queue(command, device, buffer, bytes, data);
    io_uring_cqe* entry = nullptr;
    int waited = 0;
    do {
        waited = ::io_uring_wait_cqe(ring_.get(), &entry);
    } while (waited == -EINTR);
    return waited != 0 ? -waited : finished().value_or(EIO);
}

Result<void> UblkControl::outcome(int error, const std::string& what) const {
    if (error == 0) {
        return {};
    }
    errno = error;
    return system_error(what + (error == EPERM ? " (CAP_SYS_ADMIN is needed)" : ""));
}

// ---- the commands

Result<void> UblkControl::add(ublk::DeviceInfo& info) {
    return outcome(run(Control::AddDevice, info.device, &info, sizeof info),
                   "the kernel does not add a ublk device");
}

Result<void> UblkControl::set_parameters(std::uint32_t device, ublk::Parameters parameters) {
    return outcome(run(Control::SetParameters, device, &parameters, ublk::kParameterBytes),
                   "the kernel does not take the parameters of the ublk device");
}

Result<ublk::Parameters> UblkControl::parameters(std::uint32_t device) {
    ublk::Parameters parameters;
    parameters.length = ublk::kParameterBytes;
    const int error = run(Control::GetParameters, device, &parameters, ublk::kParameterBytes);
    if (auto done = outcome(error, "the kernel does not tell the ublk device's size"); !done) {
        return done.error();
    }
    return parameters;
}

Result<ublk::DeviceInfo> UblkControl::info(std::uint32_t device) {
    ublk::DeviceInfo info;
    const int error = run(Control::GetDeviceInfo, device, &info, sizeof info);
    if (auto done = outcome(error, "the kernel does not tell the ublk device's state"); !done) {
        return done.error();
    }
    return info;
}

Result<void> UblkControl::start_recovery(std::uint32_t device) {
    const int error = run(Control::StartRecovery, device, nullptr, 0);
    if (error == EBUSY) {
        return Error{ErrorCode::Busy, "the last server of the ublk device is not gone yet"};
    }
    return outcome(error, "the kernel does not give the ublk device another server");
}

Result<void> UblkControl::stop(std::uint32_t device) {
    return outcome(run(Control::StopDevice, device, nullptr, 0),
                   "the kernel does not stop the ublk device");
}

Result<void> UblkControl::remove(std::uint32_t device) {
    return outcome(run(Control::DeleteDevice, device, nullptr, 0),
                   "the kernel does not remove the ublk device");
}

void UblkControl::begin(Control command, std::uint32_t device, std::uint64_t data) {
    queue(command, device, nullptr, 0, data);
}

int UblkControl::fd() const {
    return ring_->ring_fd;
}

// ---- all of ours

bool UblkRecord::living() const {
    const auto state = static_cast<ublk::DeviceState>(info.state);
    return state == ublk::DeviceState::Live || state == ublk::DeviceState::Quiesced;
}

std::vector<UblkRecord> our_ublks() {
    std::vector<UblkRecord> found;
    const std::vector<std::string> names = names_in(kClass);
    if (names.empty()) {
        return found;
    }
    auto control = UblkControl::open();
    if (!control) {
        return found;
    }
    for (const std::string& name : names) {
        const auto index = ublk::index_of(name, "ublkc");
        const auto info = index ? control->info(*index)
                                : Result<ublk::DeviceInfo>(Error{ErrorCode::NotFound, name});
        if (info && ublk::minor_of_token(info->server_flags)) {
            found.push_back({*info});
        }
    }
    return found;
}

}  // namespace shim
