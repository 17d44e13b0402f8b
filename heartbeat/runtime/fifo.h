// STATE_DIR/fifo: local programs write messages in the text form into it, one write() each.
// Heartbeat specification 3.1. Mode 0600: only root may speak for the node.
#pragma once

#include "base/result.h"
#include "heartbeat/wire/text_framer.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <functional>
#include <string>

namespace hb {

class Fifo {
public:
    // A message from ">>>\n" to "<<<\n".
    using Callback = std::function<void(const std::string& block)>;

    Fifo(boost::asio::io_context& io, std::string path, Callback arrived);

    // Makes it, also in place of a FIFO that is left from an earlier run.
    base::Result<void> start();

private:
    void read();

    const std::string path_;
    Callback arrived_;
    wire::TextFramer framer_;
    boost::asio::posix::stream_descriptor pipe_;
    std::array<char, 4096> input_{};
};

}  // namespace hb
