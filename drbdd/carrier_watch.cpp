#include "drbdd/carrier_watch.h"

#include "base/guarded.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace drbdd {

namespace {

constexpr int kRetryMilliseconds = 1000;
constexpr int kForEver = -1;

}  // namespace

CarrierWatch::CarrierWatch(std::string name, Hooks hooks, base::LogSink& log)
    : name_(std::move(name)), hooks_(std::move(hooks)), log_(log) {
}

CarrierWatch::~CarrierWatch() {
    stop();
}

base::Result<void> CarrierWatch::start() {
    stop();
    stop_ = shim::Fd(::eventfd(0, EFD_CLOEXEC));
    if (!stop_) {
        return shim::system_error("cannot watch what carries " + name_);
    }
    return base::guarded(name_, [this]() -> base::Result<void> {
        thread_ = std::thread([this] { run(); });
        return {};
    });
}

void CarrierWatch::stop() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        (void)!::write(stop_.get(), &one, sizeof one);
        thread_.join();
    }
    told_.clear();
}

bool CarrierWatch::wait_for_end(const shim::Fd& process, int pause_milliseconds) const {
    std::array<pollfd, 2> entries{pollfd{stop_.get(), POLLIN, 0},
                                  pollfd{process ? process.get() : -1, POLLIN, 0}};
    while (::poll(entries.data(), entries.size(), process ? kForEver : pause_milliseconds) < 0 &&
           errno == EINTR) {
    }
    return entries[0].revents == 0;
}

// What could not be replaced is tried again, but not at once.
void CarrierWatch::run() {
    int pause = 0;
    while (wait_for_end(hooks_.process(), pause)) {
        tell(base::guarded(name_, hooks_.revive));
        pause = kRetryMilliseconds;
    }
}

void CarrierWatch::tell(const base::Result<void>& revived) {
    const std::string text =
        revived ? ""
                : name_ + ": its server ended and is not replaced yet: " + revived.error().text;
    if (revived) {
        log_.write(base::LogLevel::Warning, name_ + ": its server ended and was replaced");
    } else if (text != told_) {
        log_.write(base::LogLevel::Error, text);
    }
    told_ = text;
}

}  // namespace drbdd
