#include "heartbeat/runtime/fifo.h"

#include "base/log.h"

#include <boost/asio/buffer.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hb {

Fifo::Fifo(boost::asio::io_context& io, std::string path, Callback arrived)
    : path_(std::move(path)), arrived_(std::move(arrived)), pipe_(io) {
}

base::Result<void> Fifo::start() {
    struct stat found {};

    const auto failure = [this](const char* what) {
        return base::Error{
            base::ErrorCode::Io,
            base::format("cannot %s the FIFO %s: %s", what, path_.c_str(), std::strerror(errno))};
    };
    if (::lstat(path_.c_str(), &found) == 0 && !S_ISFIFO(found.st_mode)) {
        return base::Error{base::ErrorCode::Invalid,
                           path_ + " is in the way: it is no FIFO; remove it"};
    }
    if (::mkfifo(path_.c_str(), 0600) != 0 && errno != EEXIST) {
        return failure("make");
    }
    // For writing too: the last writer's close is then no end of file.
    const int fd = ::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return failure("open");
    }
    if (::fstat(fd, &found) != 0 || !S_ISFIFO(found.st_mode)) {
        ::close(fd);
        return base::Error{base::ErrorCode::Invalid, path_ + " is no FIFO"};
    }
    pipe_.assign(fd);
    if (::fchmod(fd, 0600) != 0 || ::fchown(fd, ::geteuid(), ::getegid()) != 0) {
        return failure("protect");
    }
    read();
    return {};
}

void Fifo::read() {
    pipe_.async_read_some(
        boost::asio::buffer(input_),
        [this](const boost::system::error_code& error, std::size_t length) {
            if (error) {
                return;
            }
            for (const std::string& block : framer_.feed({input_.data(), length})) {
                arrived_(block);
            }
            read();
        });
}

}  // namespace hb
