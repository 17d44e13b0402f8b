// Asks ping nodes and ping groups whether they are there. Heartbeat specification 3.10. One raw
// socket for each address family; of a group the first answer to a request counts, the others are
// dropped. A reply counts only if it comes from an address that was asked, to a recent request.
#pragma once

#include "base/log.h"
#include "config/ha/ha_cf.h"
#include "heartbeat/runtime/icmp_echo.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <functional>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace hb {

class Pinger {
public:
    // The data of a reply, and the ping node (or group) that it comes from.
    using Callback = std::function<void(const std::string& node, std::string_view data)>;

    Pinger(boost::asio::io_context& io,
           const std::vector<config::HaPing>& pings,
           Callback answered,
           base::LogSink& log);

    // Opens the sockets; what fails is logged, and the nodes are then never heard.
    void start();
    void send(const std::string& node, const std::string& data);

private:
    struct Target {
        sockaddr_storage address{};
        socklen_t length = 0;
        bool complained = false;  // about an error of sending; once until it works again
    };

    struct Node {
        std::string name;
        IcmpFamily family = IcmpFamily::V4;
        std::vector<Target> targets;
        std::uint16_t sent = 0;      // sequence of the last request
        std::uint16_t answered = 0;  // of the last request that was
    };

    void open(IcmpFamily family);
    void wait(IcmpFamily family);
    void receive(IcmpFamily family);
    void on_reply(IcmpFamily family, const sockaddr_storage& from, std::string_view packet);
    std::optional<boost::asio::posix::stream_descriptor>& socket_of(IcmpFamily family);

    boost::asio::io_context& io_;
    Callback answered_;
    base::LogSink& log_;
    const std::uint16_t id_;
    std::vector<Node> nodes_;
    std::optional<boost::asio::posix::stream_descriptor> v4_;
    std::optional<boost::asio::posix::stream_descriptor> v6_;
};

}  // namespace hb
