#include "heartbeat/runtime/watchdog.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hb {

Watchdog::Watchdog(std::string device,
                   std::chrono::seconds timeout,
                   int inherited,
                   base::LogSink& log)
    : device_(std::move(device)), timeout_seconds_(static_cast<int>(timeout.count())), log_(log) {
    if (inherited >= 0) {
        adopt(inherited);
    }
}

void Watchdog::adopt(int inherited) {
    ::fcntl(inherited, F_SETFD, FD_CLOEXEC);
    file_ = FileDescriptor(inherited);

    struct stat open {};

    struct stat wanted {};

    const bool same = !device_.empty() && ::fstat(inherited, &open) == 0 &&
                      ::stat(device_.c_str(), &wanted) == 0 && open.st_rdev == wanted.st_rdev &&
                      open.st_ino == wanted.st_ino && open.st_dev == wanted.st_dev;
    if (same) {
        set_timeout();
    } else {
        close();
    }
}

int Watchdog::release() {
    return file_.release();
}

void Watchdog::open() {
    const auto fail = [this](const char* what) {
        refused_ = true;
        log_.write(base::LogLevel::Error,
                   base::format("watchdog: cannot %s %s: %s; this node goes on without it",
                                what,
                                device_.c_str(),
                                std::strerror(errno)));
    };
    // Nothing that could make us wait: then nobody would be fed, and no heartbeat sent.
    file_ = FileDescriptor(::open(device_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file_.open()) {
        fail("open");
        return;
    }
    set_timeout();
}

void Watchdog::set_timeout() {
    int seconds = timeout_seconds_;
    if (::ioctl(file_.get(), WDIOC_SETTIMEOUT, &seconds) != 0) {
        log_.write(
            base::LogLevel::Warning,
            base::format(
                "watchdog: %s keeps its own timeout: %s", device_.c_str(), std::strerror(errno)));
        return;
    }
    log_.write(base::LogLevel::Info,
               base::format("Using watchdog device: %s, timeout %d s", device_.c_str(), seconds));
}

void Watchdog::tickle() {
    if (device_.empty() || refused_) {
        return;
    }
    if (!file_.open()) {
        open();
    }
    if (!file_.open()) {
        return;
    }
    const bool fed = ::write(file_.get(), "\0", 1) == 1;
    if (!fed && !starving_) {
        log_.write(base::LogLevel::Error,
                   base::format("watchdog: cannot write to %s: %s; it may reset this machine",
                                device_.c_str(),
                                std::strerror(errno)));
    }
    starving_ = !fed;
}

void Watchdog::close() {
    if (file_.open()) {
        (void)!::write(file_.get(), "V", 1);
        file_ = FileDescriptor();
    }
}

}  // namespace hb
