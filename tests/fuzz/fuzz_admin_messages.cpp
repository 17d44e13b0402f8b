// Any bytes as a line of the admin socket, from either side: an answer, no crash, and what was read
// can be written and read again.
#include "base/require.h"
#include "drbdd/control/messages.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    (void)control::id_of(line);
    if (const auto request = control::parse_request(line)) {
        const auto again = control::parse_request(control::to_line(*request));
        REQUIRE(again.has_value());
        REQUIRE(again->settings == request->settings);
    }
    if (const auto event = control::parse_event(line)) {
        REQUIRE(control::parse_event(control::event_line(event->id, event->event)).has_value());
    }
    if (const auto reply = control::parse_reply(line)) {
        (void)control::failures_from_json(reply->data);
        (void)control::version_from_json(reply->data);
        if (const auto snapshot = control::snapshot_from_json(reply->data)) {
            REQUIRE(control::snapshot_from_json(control::to_json(*snapshot)).has_value());
        }
    }
    return 0;
}
