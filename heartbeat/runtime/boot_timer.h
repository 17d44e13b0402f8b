// A timer on the clock that also runs while the machine is suspended. A moment that has passed
// meanwhile is noticed as soon as the machine runs again, not after what was left of the wait.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <functional>

namespace hb {

class BootTimer {
public:
    // `fired` is called on the loop, once for each moment that was set and not cleared.
    BootTimer(boost::asio::io_context& io, std::function<void()> fired);

    // In the place of the moment before. As boot_time() counts.
    void set(std::chrono::milliseconds moment);
    void clear();

private:
    void wait();

    std::function<void()> fired_;
    boost::asio::posix::stream_descriptor clock_;
};

std::chrono::milliseconds boot_time();

}  // namespace hb
