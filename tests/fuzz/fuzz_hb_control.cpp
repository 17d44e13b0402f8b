// Any line as each message of the failover daemon's control socket: an answer, no crash, and what
// was understood says the same when it is written and read again.
#include "base/require.h"
#include "heartbeat/control/messages.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

std::string without_newline(std::string line) {
    REQUIRE(line.ends_with('\n') && line.find('\n') == line.size() - 1);
    line.pop_back();
    return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace control = hb::control;
    const std::string line(reinterpret_cast<const char*>(data), size);
    if (const auto request = control::parse_request(line)) {
        const std::string written = control::to_line(*request);
        const auto again = control::parse_request(without_newline(written));
        REQUIRE(again.has_value() && control::to_line(*again) == written);
    }
    if (const auto event = control::parse_event(line)) {
        const std::string written = control::event_line(1, *event);
        REQUIRE(control::parse_event(without_newline(written)).has_value());
    }
    if (const auto reply = control::parse_reply(line)) {
        (void)without_newline(control::to_line(*reply));
        if (const auto status = control::status_from_json(reply->data)) {
            const auto again = control::status_from_json(control::to_json(*status));
            REQUIRE(again.has_value());
            REQUIRE(control::to_json(*again) == control::to_json(*status));
        }
    }
    return 0;
}
