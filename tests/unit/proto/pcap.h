// Reads captures of replication traffic: xz, pcap of Ethernet frames, IPv4, TCP reassembly.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace test {

// One direction of one TCP connection, from its first byte; what was lost at the end is missing.
struct TcpStream {
    std::string name;  // "10.9.0.1:7788 > 10.9.0.2:41000"
    std::vector<std::uint8_t> bytes;
};

base::Result<std::vector<std::uint8_t>> read_xz(const std::string& path);

// In the order in which the streams were opened. A port pair that is used again gives new streams.
base::Result<std::vector<TcpStream>> tcp_streams(base::ConstBytes pcap);

}  // namespace test
