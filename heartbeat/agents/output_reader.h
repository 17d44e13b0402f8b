// One pipe of a child: its lines go to the debug log as they come, and its beginning is kept when
// somebody wants it. Whatever a child prints, the log gets bounded, printable lines.
#pragma once

#include "base/log.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

namespace hb {

class OutputReader : public std::enable_shared_from_this<OutputReader> {
public:
    static constexpr std::size_t kLineLimit = 1000;
    static constexpr std::size_t kLoggedLimit = 256 * 1024;

    // Takes the read end, which must not block. `keep` is how many bytes kept() may grow to.
    OutputReader(boost::asio::io_context& io,
                 int fd,
                 std::string label,
                 std::size_t keep,
                 base::LogSink& log);

    void start();

    // Everything that is in the pipe now; the child has ended. What its own children write to the
    // pipe after that is logged still.
    void drain();

    // Nothing more is logged; the pipe is closed.
    void stop();

    const std::string& kept() const { return kept_; }

    bool ended() const { return ended_; }

private:
    void read_more();
    bool read_once();
    void take(const char* bytes, std::size_t size);
    void log_line();

    boost::asio::posix::stream_descriptor pipe_;
    std::string label_;
    std::size_t keep_;
    base::LogSink* log_;
    std::array<char, 4096> buffer_{};
    std::string line_;
    std::string kept_;
    std::size_t logged_ = 0;
    bool ended_ = false;
};

}  // namespace hb
