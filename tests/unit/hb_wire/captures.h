// The captures of real Heartbeat traffic in tests/vectors/heartbeat.
#pragma once

#include "config/ha/authkeys.h"

#include <string>
#include <vector>

namespace test {

struct Capture {
    std::string file;  // below tests/vectors/heartbeat
    config::AuthKey key;
    bool inner_auth = true;
    std::size_t messages = 0;
};

const std::vector<Capture>& captures();

config::Authkeys authkeys(config::AuthKey key);
config::AuthKey sha1_key();  // of the captures

std::string read_vector(const std::string& file);

// What UDP datagrams of port 694 and ICMP echoes carry, in the order of the capture.
std::vector<std::string> payloads(const std::string& file);

}  // namespace test
