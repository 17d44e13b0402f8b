// Frames of one kind (ARP, or IPv6 neighbour advertisements) on one interface.
#pragma once

#include "heartbeat/agents/address/rtnetlink.h"

#include <chrono>
#include <optional>

namespace hb {

class LinkSocket {
public:
    // For the address family of `ip`. Permission: needs CAP_NET_RAW.
    static base::Result<LinkSocket> open(const Interface& interface, const IpAddress& ip);
    ~LinkSocket();
    LinkSocket(LinkSocket&& other) noexcept;
    LinkSocket& operator=(LinkSocket&&) = delete;

    // 0 or errno. A link without carrier loses it in silence, like any cable.
    int send(const Frame& frame) const;

    // The next claim that has arrived, of whatever address; none: nothing more is there now.
    std::optional<AddressClaim> next_claim() const;

    int fd() const { return fd_; }

private:
    explicit LinkSocket(int fd) : fd_(fd) {}

    int fd_;
};

// Waits until another machine claims `ip`, at most until `deadline`.
std::optional<MacAddress> wait_for_claim(const LinkSocket& socket,
                                         const IpAddress& ip,
                                         std::chrono::steady_clock::time_point deadline);

// Asks the link three times within `wait` who has the address.
std::optional<MacAddress> find_other_owner(const LinkSocket& socket,
                                           const IpAddress& ip,
                                           const MacAddress& own,
                                           std::chrono::milliseconds wait);

}  // namespace hb
