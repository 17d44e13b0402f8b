// What the address agents read from the kernel and from the link: answers of rtnetlink, a datagram
// at a time, and Ethernet frames of anybody who claims an address.
#include "base/require.h"
#include "heartbeat/agents/address/link_packets.h"
#include "heartbeat/agents/address/netlink_answers.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace {

// The question that the first message answers, so that most of the time the rest is looked at.
hb::NetlinkQuestion question_in(std::span<const std::uint8_t> datagram) {
    hb::NetlinkQuestion question;
    if (datagram.size() >= 16) {
        std::memcpy(&question.sequence, datagram.data() + 8, 4);
        std::memcpy(&question.port, datagram.data() + 12, 4);
    }
    return question;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> bytes(data, size);
    hb::NetlinkAnswer answer;
    const hb::NetlinkQuestion question = question_in(bytes);
    take_netlink_answer(bytes.first(size / 4 * 4 / 2), question, answer);
    take_netlink_answer(bytes, question, answer);
    REQUIRE(answer.error == 0 || answer.ended);
    for (const hb::HeldAddress& held : answer.addresses) {
        REQUIRE(held.prefix <= held.ip.size() * 8 && held.label.size() <= size);
        REQUIRE(hb::same_network(held.ip, held.ip, held.prefix));
    }
    for (const hb::Route& route : answer.routes) {
        REQUIRE(route.prefix <= route.network.size() * 8 && route.interface_index != 0);
    }
    REQUIRE(answer.addresses.size() + answer.routes.size() <= size / 8);
    if (const auto claim = hb::claim_in(bytes)) {
        REQUIRE(!hb::to_text(claim->ip).empty());
    }
    return 0;
}
