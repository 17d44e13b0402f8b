// What heartbeat reads from others than its partner's datagrams: answers of ping nodes, as a raw
// socket gives them, and blocks of a disk that two nodes share.
#include "base/require.h"
#include "heartbeat/runtime/disk_slot.h"
#include "heartbeat/runtime/icmp_echo.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const hb::IcmpFamily family : {hb::IcmpFamily::V4, hb::IcmpFamily::V6}) {
        const auto echo = hb::decode_echo_reply(family, text);
        REQUIRE(!echo || echo->data.size() <= size);
        if (echo) {
            REQUIRE(hb::encode_echo_request(family, *echo).size() >= echo->data.size());
        }
    }
    std::string block(text.substr(0, hb::kDiskSlotBytes));
    block.resize(hb::kDiskSlotBytes, '\0');
    for (const std::string_view slot : {text, std::string_view(block)}) {
        const auto parsed = hb::parse_disk_slot(slot);
        std::size_t bytes = 0;
        for (const std::string& message : parsed ? parsed->messages : std::vector<std::string>()) {
            bytes += message.size();
        }
        REQUIRE(bytes <= hb::kDiskSlotBytes);
        // What fits into a block comes out of one again.
        hb::DiskSlotWriter writer;
        for (const std::string& message : parsed ? parsed->messages : std::vector<std::string>()) {
            writer.add(message);
        }
        const auto written = writer.block();
        const auto again = hb::parse_disk_slot(std::string_view(written.data(), written.size()));
        REQUIRE(again && (!parsed || again->messages == parsed->messages));
    }
    return 0;
}
