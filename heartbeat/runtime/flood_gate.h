// How much of what arrives at a UDP port is read. Each datagram costs a digest, and the daemon runs
// before everything else on its processors: whoever floods the port must not get them, nor keep the
// partner's heartbeats from being heard. Two measures, by what is read, not by what is claimed:
// - Many datagrams that nobody of ours has signed close the gate for some seconds: the kernel drops
//   all that does not come from an address of ours (source_filter.h).
// - However much comes, from whatever address, no more is read than a small part of a processor
//   can look at; the rest is lost in the kernel.
#pragma once

#include <chrono>
#include <cstddef>
#include <netinet/in.h>
#include <vector>

namespace hb {

// An address that a datagram came from; IPv4 as the last four bytes.
using SourceAddress = in6_addr;

class FloodGate {
public:
    using Time = std::chrono::milliseconds;

    // One of ours from the beginning: the peer of a ucast medium.
    void expect(const SourceAddress& peer);
    // One was read: `good` if it was signed by a node of ours.
    void note(const SourceAddress& from, bool good, std::size_t bytes, Time now);
    // How long nothing more is read; none: now.
    Time pause(Time now);

    // Only these are heard; empty: everybody is.
    const std::vector<SourceAddress>& only(Time now);

private:
    void learn(const SourceAddress& from);
    void refill(Time now);

    std::vector<SourceAddress> ours_;  // the latest last
    std::vector<SourceAddress> only_;
    Time closed_until_{};
    Time window_began_{};
    unsigned bad_ = 0;   // in this window
    double budget_ = 0;  // datagrams that may be read
    Time refilled_{};
    bool begun_ = false;
};

}  // namespace hb
