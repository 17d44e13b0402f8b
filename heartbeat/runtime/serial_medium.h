// Heartbeats over a serial line, in the text form. Heartbeat specification 2.8. A line carries far
// less than a network, so messages that wait too long give way to newer ones; one that is partly
// written is always finished.
#pragma once

#include "base/result.h"
#include "config/ha/ha_cf.h"
#include "heartbeat/runtime/file_descriptor.h"
#include "heartbeat/runtime/link_state.h"
#include "heartbeat/runtime/medium.h"
#include "heartbeat/wire/text_framer.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace hb {

// Opens and sets up the line: raw, 8N1, hardware flow control, 7-bit input.
base::Result<FileDescriptor> open_serial(const config::HaSerial& config);

class SerialMedium : public Medium {
public:
    SerialMedium(boost::asio::io_context& io, config::HaSerial config, MediumEvents& events);

    const std::string& name() const override { return config_.device; }

    const std::string& description() const override { return description_; }

    void start() override;
    void send(const Outgoing& message) override;

private:
    void open();
    void open_later();
    void close(const std::string& why);
    void send_break();
    void read();
    void write_piece();
    void write_more_after(std::chrono::milliseconds pause);
    void on_stuck();

    boost::asio::io_context& io_;
    const config::HaSerial config_;
    const std::string description_;
    MediumEvents& events_;
    LinkState link_;
    wire::TextFramer framer_;
    std::optional<boost::asio::posix::stream_descriptor> line_;
    boost::asio::steady_timer retry_;
    boost::asio::steady_timer break_end_;
    boost::asio::steady_timer pace_;
    std::array<char, 4096> input_{};
    std::deque<std::string> waiting_;  // the first may be partly written
    std::size_t written_ = 0;          // of the first
    bool pacing_ = false;
    std::optional<std::chrono::steady_clock::time_point> stuck_since_;
};

}  // namespace hb
