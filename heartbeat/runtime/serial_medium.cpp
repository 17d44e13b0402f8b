#include "heartbeat/runtime/serial_medium.h"

#include "base/log.h"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr std::size_t kPieceBytes = 512;
constexpr std::size_t kMaxWaiting = 16;
constexpr auto kReopenInterval = std::chrono::seconds(1);
constexpr auto kBreak = std::chrono::milliseconds(250);
constexpr auto kStuck = std::chrono::milliseconds(500);
constexpr auto kStuckPoll = std::chrono::milliseconds(50);

speed_t speed_of(std::uint32_t baud) {
    switch (baud) {
        case 9600:
            return B9600;
        case 38400:
            return B38400;
        case 57600:
            return B57600;
        case 115200:
            return B115200;
        case 230400:
            return B230400;
        case 460800:
            return B460800;
        default:
            return B19200;
    }
}

base::Error failure(const config::HaSerial& config, const char* what) {
    return {base::ErrorCode::Io,
            base::format(
                "serial %s: cannot %s: %s", config.device.c_str(), what, std::strerror(errno))};
}

}  // namespace

base::Result<FileDescriptor> open_serial(const config::HaSerial& config) {
    FileDescriptor line(::open(config.device.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!line.open()) {
        return failure(config, "open it");
    }
    termios modes{};
    if (::tcgetattr(line.get(), &modes) != 0) {
        return failure(config, "read its modes (is it a serial line?)");
    }
    modes.c_iflag = ISTRIP | IGNCR;
    modes.c_oflag = 0;
    modes.c_lflag = 0;
    modes.c_cflag = CS8 | CREAD | CLOCAL | CRTSCTS;
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    ::cfsetispeed(&modes, speed_of(config.baud));
    ::cfsetospeed(&modes, speed_of(config.baud));
    if (::tcsetattr(line.get(), TCSANOW, &modes) != 0) {
        return failure(config, "set its modes");
    }
    ::tcflush(line.get(), TCIOFLUSH);
    return line;
}

SerialMedium::SerialMedium(boost::asio::io_context& io,
                           config::HaSerial config,
                           MediumEvents& events)
    : io_(io),
      config_(std::move(config)),
      description_("serial " + config_.device),
      events_(events),
      link_(*this, events),
      retry_(io),
      break_end_(io),
      pace_(io) {
}

void SerialMedium::start() {
    open();
}

void SerialMedium::open() {
    auto line = open_serial(config_);
    if (!line) {
        link_.down(line.error().text);
        open_later();
        return;
    }
    line_.emplace(io_, line->release());
    send_break();
    read();
    link_.up();
}

void SerialMedium::open_later() {
    retry_.expires_after(kReopenInterval);
    retry_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped) {
            open();
        }
    });
}

void SerialMedium::close(const std::string& why) {
    line_.reset();
    break_end_.cancel();
    pace_.cancel();
    waiting_.clear();
    written_ = 0;
    pacing_ = false;
    stuck_since_.reset();
    link_.down(description_ + ": " + why);
    open_later();
}

// tcsendbreak() would sleep. A device without breaks (a pseudo-terminal) refuses, which is no harm.
void SerialMedium::send_break() {
    if (::ioctl(line_->native_handle(), TIOCSBRK) != 0) {
        return;
    }
    break_end_.expires_after(kBreak);
    break_end_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped && line_) {
            ::ioctl(line_->native_handle(), TIOCCBRK);
        }
    });
}

void SerialMedium::read() {
    line_->async_read_some(
        boost::asio::buffer(input_),
        [this](const boost::system::error_code& error, std::size_t length) {
            if (error == boost::asio::error::operation_aborted) {
                return;
            }
            if (error) {
                close(error.message());
                return;
            }
            for (const std::string& message : framer_.feed({input_.data(), length})) {
                events_.on_bytes(*this, message);
            }
            if (line_) {
                read();
            }
        });
}

void SerialMedium::send(const Outgoing& message) {
    if (!line_) {
        return;
    }
    if (waiting_.size() >= kMaxWaiting) {
        waiting_.erase(waiting_.begin() + (written_ > 0 ? 1 : 0));
    }
    waiting_.push_back(message.text);
    if (!pacing_) {
        write_piece();
    }
}

void SerialMedium::write_piece() {
    pacing_ = false;
    if (waiting_.empty()) {
        return;
    }
    const std::string& first = waiting_.front();
    const std::size_t length = std::min(kPieceBytes, first.size() - written_);
    const ssize_t done = ::write(line_->native_handle(), first.data() + written_, length);
    if (done < 0 && errno != EAGAIN && errno != EINTR) {
        close(std::string("cannot write: ") + std::strerror(errno));
        return;
    }
    if (done <= 0) {
        on_stuck();
        return;
    }
    stuck_since_.reset();
    link_.up();
    written_ += static_cast<std::size_t>(done);
    if (written_ == first.size()) {
        waiting_.pop_front();
        written_ = 0;
    }
    // As long as the line takes to carry what was written.
    write_more_after(std::chrono::milliseconds(static_cast<std::uint64_t>(done) * 8 * 1000 /
                                               std::max<std::uint32_t>(config_.baud, 1)));
}

void SerialMedium::on_stuck() {
    const auto now = std::chrono::steady_clock::now();
    if (!stuck_since_) {
        stuck_since_ = now;
    } else if (now - *stuck_since_ > kStuck) {
        ::tcflush(line_->native_handle(), TCOFLUSH);
        waiting_.clear();
        written_ = 0;
        stuck_since_.reset();
        link_.down(description_ + ": writing is stuck: is the other end connected and listening?");
        return;
    }
    write_more_after(kStuckPoll);
}

void SerialMedium::write_more_after(std::chrono::milliseconds pause) {
    pacing_ = true;
    pace_.expires_after(pause);
    pace_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped && line_) {
            write_piece();
        }
    });
}

}  // namespace hb
