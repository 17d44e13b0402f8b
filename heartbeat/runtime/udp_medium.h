// Heartbeats over UDP: ucast, bcast, mcast and their IPv6 forms. Heartbeat specification 2.1. An
// interface that goes away, comes back as another one or gets another address is looked after
// twice a second.
#pragma once

#include "heartbeat/runtime/flood_gate.h"
#include "heartbeat/runtime/link_state.h"
#include "heartbeat/runtime/medium.h"
#include "heartbeat/runtime/udp_sockets.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <string>
#include <vector>

namespace hb {

class UdpMedium : public Medium {
public:
    // The references outlive the medium.
    UdpMedium(boost::asio::io_context& io, UdpMediumConfig config, MediumEvents& events);

    const std::string& name() const override { return interface_of(config_); }

    const std::string& description() const override { return description_; }

    void start() override;
    void send(const Outgoing& message) override;
    void poll() override;

private:
    void open();
    void close(const std::string& why);
    void look_after();
    void wait_for_bytes();
    bool read_one();
    void guard_against_floods();

    boost::asio::io_context& io_;
    UdpMediumConfig config_;
    const std::string description_;
    MediumEvents& events_;
    LinkState link_;
    boost::asio::steady_timer check_;
    boost::asio::steady_timer pause_;
    FloodGate gate_;
    bool filtered_ = false;
    std::optional<UdpSockets> sockets_;
    std::optional<boost::asio::posix::stream_descriptor> receiving_;
    std::vector<char> buffer_;
};

}  // namespace hb
