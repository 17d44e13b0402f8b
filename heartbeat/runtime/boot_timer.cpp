#include "heartbeat/runtime/boot_timer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

// Without it there is no daemon, as without its loop.
int make_clock() {
    const int clock = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (clock < 0) {
        throw std::system_error(errno, std::generic_category(), "timerfd_create");
    }
    return clock;
}

}  // namespace

BootTimer::BootTimer(boost::asio::io_context& io, std::function<void()> fired)
    : fired_(std::move(fired)), clock_(io, make_clock()) {
    wait();
}

void BootTimer::set(std::chrono::milliseconds moment) {
    itimerspec when{};
    const auto milliseconds = std::max<std::int64_t>(moment.count(), 0);
    when.it_value.tv_sec = milliseconds / 1000;
    when.it_value.tv_nsec = std::max<std::int64_t>(milliseconds % 1000 * 1'000'000, 1);  // 0: never
    ::timerfd_settime(clock_.native_handle(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void BootTimer::clear() {
    const itimerspec never{};
    ::timerfd_settime(clock_.native_handle(), 0, &never, nullptr);
}

// What was set anew, or cleared, between the wake-up and the read has not fired.
void BootTimer::wait() {
    clock_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& stopped) {
                          if (stopped) {
                              return;
                          }
                          std::uint64_t times = 0;
                          const bool fires = ::read(clock_.native_handle(), &times, sizeof times) ==
                                             static_cast<ssize_t>(sizeof times);
                          wait();
                          if (fires) {
                              fired_();
                          }
                      });
}

std::chrono::milliseconds boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

}  // namespace hb
