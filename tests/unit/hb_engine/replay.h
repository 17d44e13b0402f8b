// A recorded conversation of two real nodes, of which the engine plays one.
#pragma once

#include "heartbeat/engine/events.h"
#include "heartbeat/wire/message.h"

#include <string>
#include <vector>

namespace test {

struct Recorded {
    hb::Time at{};  // since the first datagram of the file
    hb::wire::Message message;
};

// The Heartbeat messages of a capture below tests/vectors/heartbeat, digests verified.
std::vector<Recorded> read_capture(const std::string& directory);

}  // namespace test
