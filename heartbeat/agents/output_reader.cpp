#include "heartbeat/agents/output_reader.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace hb {

OutputReader::OutputReader(
    boost::asio::io_context& io, int fd, std::string label, std::size_t keep, base::LogSink& log)
    : pipe_(io, fd), label_(std::move(label)), keep_(keep), log_(&log) {
}

void OutputReader::start() {
    read_more();
}

void OutputReader::read_more() {
    if (ended_) {
        return;
    }
    pipe_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                         if (!error && !self->ended_) {
                             self->read_once();
                             self->read_more();
                         }
                     });
}

// One piece per turn of the loop: a child that prints without end must not hold up the others.
bool OutputReader::read_once() {
    const ssize_t got = ::read(pipe_.native_handle(), buffer_.data(), buffer_.size());
    if (got > 0) {
        take(buffer_.data(), static_cast<std::size_t>(got));
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    log_line();
    stop();
    return false;
}

void OutputReader::drain() {
    // A pipe holds 64 KiB; one that is never empty has a writer that outlived the child.
    for (int pieces = 0; pieces < 32 && !ended_ && read_once(); ++pieces) {
    }
    log_line();
}

void OutputReader::stop() {
    ended_ = true;
    boost::system::error_code ignored;
    pipe_.close(ignored);
}

void OutputReader::take(const char* bytes, std::size_t size) {
    kept_.append(bytes, std::min(size, keep_ - std::min(keep_, kept_.size())));
    for (std::size_t at = 0; at < size; ++at) {
        if (bytes[at] == '\n' || line_.size() >= kLineLimit) {
            log_line();
        }
        if (bytes[at] != '\n') {
            const auto byte = static_cast<unsigned char>(bytes[at]);
            line_ += byte == '\t' ? ' ' : byte < 0x20 || byte == 0x7f ? '?' : bytes[at];
        }
    }
}

void OutputReader::log_line() {
    if (!line_.empty() && logged_ < kLoggedLimit) {
        logged_ += line_.size();
        log_->write(base::LogLevel::Debug, label_ + ": " + line_);
        if (logged_ >= kLoggedLimit) {
            log_->write(base::LogLevel::Debug, label_ + ": further output is not logged");
        }
    }
    line_.clear();
}

}  // namespace hb
