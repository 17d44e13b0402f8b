#include "kmod-shim/ublk/server/service.h"

#include "kmod-shim/link/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utility>

namespace ublk_server {

using base::Error;
using base::ErrorCode;
using base::LogLevel;
using base::Result;
using export_link::NbdLink;
using export_link::Request;
using shim::ublk::Asked;
using shim::ublk::Control;
using shim::ublk::Operation;

namespace {

// One queue: a replicated volume is bound by its network and its activity log, not by processors.
// Its buffers, 16 MiB, are locked in memory.
constexpr std::uint16_t kDepth = 64;
constexpr std::uint32_t kRequestBytesMax = 256u << 10;
constexpr std::chrono::milliseconds kRecoveryPause{20};

Request::Kind kind_of(const Asked& asked) {
    switch (asked.operation) {
        case Operation::Read:
            return Request::Kind::Read;
        case Operation::Write:
            return Request::Kind::Write;
        case Operation::Flush:
            return Request::Kind::Flush;
        case Operation::Discard:
            return Request::Kind::Discard;
        case Operation::WriteZeroes:
            break;
    }
    return asked.keep_allocated ? Request::Kind::ZeroRange : Request::Kind::WriteZeroes;
}

bool has_payload(Request::Kind kind) {
    return kind == Request::Kind::Read || kind == Request::Kind::Write;
}

}  // namespace

Service::Service(const ServiceSettings& settings, base::LogSink& log)
    : settings_(settings),
      log_(log),
      link_(settings.link,
            {[this](Request& request, int error) { on_answer(request, error); },
             [this](const export_link::ExportInfo& info) { on_export(info); }},
            log) {
}

// ---- start

Result<void> Service::start() {
    const auto signals = export_link::open_signals();
    if (!signals) {
        return signals.error();
    }
    signals_ = *signals;
    auto control = shim::UblkControl::open();
    if (!control) {
        return control.error();
    }
    control_.emplace(std::move(*control));
    auto ready =
        export_link::await_export(link_, settings_.start_limit, signals_, [this](short revents) {
            return read_signals(revents);
        });
    if (ready) {
        ready = settings_.device ? recover_device() : add_device();
    }
    if (!ready) {
        return ready;
    }
    return begin_serving(settings_.device ? Control::EndRecovery : Control::StartDevice);
}

Result<void> Service::add_device() {
    utsname kernel{};
    ::uname(&kernel);
    if (const auto crash = shim::ublk::known_to_crash(kernel.release)) {
        return Error{ErrorCode::Unsupported, *crash};
    }
    const export_link::ExportInfo& info = *link_.export_info();
    device_.queues = 1;
    device_.depth = kDepth;
    device_.request_bytes_max = kRequestBytesMax;
    device_.device = shim::ublk::kAnyDevice;
    device_.server_flags = settings_.token;
    device_.flags = shim::ublk::kUserRecovery | shim::ublk::kRecoveryReissue |
                    (control_->features().value_or(0) & shim::ublk::kUpdateSize);
    if (auto added = control_->add(device_); !added) {
        return added;
    }
    if (auto granted = shim::ublk::check_features(device_.flags); !granted) {
        return granted;
    }
    shim::ublk::Geometry geometry;
    geometry.size_bytes = size_bytes_ = info.size_bytes;
    geometry.block_bytes = settings_.block_bytes;
    geometry.request_bytes_max = device_.request_bytes_max;
    geometry.rotational = info.rotational;
    geometry.fua = info.can_fua;
    geometry.discard = info.can_trim;
    geometry.zeroes = info.can_zero;
    return control_->set_parameters(device_.device, shim::ublk::parameters_for(geometry));
}

// What was on its way to the dead server comes again from the kernel.
Result<void> Service::recover_device() {
    const auto parameters = control_->parameters(*settings_.device);
    if (!parameters) {
        return parameters.error();
    }
    size_bytes_ = parameters->device_sectors * shim::ublk::kSectorBytes;
    if (link_.export_info()->size_bytes < size_bytes_) {
        return Error{
            ErrorCode::State,
            base::format("the device has %llu bytes and the export only %llu",
                         static_cast<unsigned long long>(size_bytes_),
                         static_cast<unsigned long long>(link_.export_info()->size_bytes))};
    }
    const auto ends = NbdLink::Clock::now() + settings_.start_limit;
    auto begun = control_->start_recovery(*settings_.device);
    while (!begun && begun.error().code == ErrorCode::Busy && NbdLink::Clock::now() < ends) {
        turn(NbdLink::Clock::now() + kRecoveryPause);
        begun = control_->start_recovery(*settings_.device);
    }
    if (!begun) {
        return begun;
    }
    const auto info = control_->info(*settings_.device);
    if (!info) {
        return info.error();
    }
    device_ = *info;
    return {};
}

// The kernel finishes the command when all tags are fetched, and may read from the device before it
// does. It is given first: a server that dies between the two leaves nothing fetched behind, which
// older kernels would wait for.
Result<void> Service::begin_serving(Control command) {
    const bool ioctl = (device_.flags & shim::ublk::kIoctlEncoding) != 0;
    auto queue = Queue::open(device_, ioctl ? control_->encoding() : shim::ublk::Encoding::Plain);
    if (!queue) {
        return queue.error();
    }
    queue_ = std::move(*queue);
    tags_.resize(device_.depth);
    for (unsigned tag = 0; tag < device_.depth; ++tag) {
        tags_[tag] = tag;
    }
    control_->begin(command, device_.device, static_cast<std::uint64_t>(::getpid()));
    queue_->fetch_all();
    std::optional<int> error;
    while (!(error = control_->finished())) {
        turn(std::nullopt);
        if (queue_->retired()) {
            return Error{ErrorCode::Io, "the kernel took the ublk device away while it started"};
        }
    }
    if (*error != 0) {
        errno = *error;
        return shim::system_error("the kernel does not start the ublk device");
    }
    serving_ = true;
    follow_size();
    return {};
}

// ---- events

void Service::run() {
    while (!queue_->retired()) {
        turn(std::nullopt);
        if (size_command_) {
            if (const auto error = control_->finished()) {
                size_command_ = false;
                size_bytes_ = *error == 0 ? wanted_size_bytes_ : size_bytes_;
                log_.write(*error == 0 ? LogLevel::Info : LogLevel::Error,
                           base::format("event=resize bytes=%llu errno=%d",
                                        static_cast<unsigned long long>(wanted_size_bytes_),
                                        *error));
            }
        }
    }
}

void Service::turn(std::optional<std::chrono::steady_clock::time_point> wake) {
    const auto deadline = link_.deadline();
    if (deadline && (!wake || *deadline < *wake)) {
        wake = deadline;
    }
    std::array<pollfd, kPlaces> entries{};
    entries[kSignals] = {signals_, POLLIN, 0};
    entries[kControl] = {control_->fd(), POLLIN, 0};
    entries[kRequests] = {queue_ ? queue_->fd() : -1, POLLIN, 0};
    entries[kExport] = link_.poll_entry();
    if (::poll(entries.data(), entries.size(), export_link::milliseconds_until(wake)) < 0) {
        return;  // EINTR
    }
    read_signals(entries[kSignals].revents);
    if (queue_) {
        queue_->drain([this](unsigned tag, const shim::ublk::IoDescriptor& descriptor) {
            on_asked(tag, descriptor);
        });
    }
    link_.on_poll(entries[kExport].revents, NbdLink::Clock::now());
    link_.on_time(NbdLink::Clock::now());
    if (queue_) {
        queue_->flush();
    }
}

// True: to be stopped while it starts. Once the device is there only the kernel ends us, when the
// device is stopped: its users would wait for ever.
bool Service::read_signals(short revents) {
    signalfd_siginfo info{};
    if (revents == 0 || ::read(signals_, &info, sizeof info) != sizeof info) {
        return false;
    }
    if (info.ssi_signo == SIGHUP) {
        link_.reconnect_for_resize(NbdLink::Clock::now());
        return false;
    }
    if (queue_) {
        log_.write(LogLevel::Notice,
                   "event=stop-refused reason=\"there is a device; drbdd takes it away\"");
    }
    return true;
}

void Service::on_asked(unsigned tag, const shim::ublk::IoDescriptor& descriptor) {
    const auto asked = shim::ublk::decode(descriptor, size_bytes_, device_.request_bytes_max);
    if (!asked) {
        queue_->commit(tag, asked.error().code == ErrorCode::Unsupported ? -EOPNOTSUPP : -EIO);
        return;
    }
    Request request;
    request.whom = &tags_[tag];
    request.kind = kind_of(*asked);
    request.offset = asked->offset;
    request.length = asked->length;
    request.durable = asked->durable;
    request.data = queue_->buffer(tag);
    link_.submit(std::move(request));
}

void Service::on_answer(Request& request, int error) {
    const unsigned tag = *static_cast<unsigned*>(request.whom);
    const auto done = has_payload(request.kind) ? static_cast<std::int32_t>(request.length) : 0;
    queue_->commit(tag, error != 0 ? -error : done);
}

// ---- size

void Service::on_export(const export_link::ExportInfo&) {
    if (serving_ && !size_command_) {
        follow_size();
    }
}

// Linux 6.16. Older kernels keep the size until the device is made anew.
void Service::follow_size() {
    const std::uint64_t wanted = link_.export_info()->size_bytes;
    if (wanted == size_bytes_ || (device_.flags & shim::ublk::kUpdateSize) == 0) {
        return;
    }
    wanted_size_bytes_ = wanted;
    size_command_ = true;
    control_->begin(Control::UpdateSize, device_.device, wanted / shim::ublk::kSectorBytes);
}

}  // namespace ublk_server
