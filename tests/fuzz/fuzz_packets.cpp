// The input is what a peer sends on one socket: headers and bodies, one after the other. What
// decodes must encode, and what was encoded must decode to the same.
#include "base/require.h"
#include "proto/packets.h"
#include "tests/unit/proto/roundtrip.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace {

void check_header(const proto::Header& header, base::ConstBytes in) {
    std::array<std::uint8_t, proto::kHeader100Size> again{};
    const base::Bytes out = base::Bytes(again).first(in.size());
    encode(header, out);
    REQUIRE(std::ranges::equal(out, in));
}

void check_body(std::uint16_t command, base::ConstBytes body) {
    REQUIRE(proto::command_name(command) != nullptr);
    const auto once = test::roundtrip(command, body.first(test::codec_size(command, body.size())));
    if (!once) {
        REQUIRE(!once.error().text.empty());
        return;
    }
    const auto twice = test::roundtrip(command, *once);
    REQUIRE(twice && *twice == *once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (base::ConstBytes rest(data, size); rest.size() >= 4;) {
        const auto kind = proto::header_kind(rest.first(4));
        if (!kind || rest.size() < proto::header_size(*kind)) {
            break;
        }
        const base::ConstBytes head = rest.first(proto::header_size(*kind));
        const auto header = proto::decode_header(head);
        if (!header) {
            break;
        }
        check_header(*header, head);
        rest = rest.subspan(head.size());
        const std::size_t length = std::min<std::size_t>(header->length, rest.size());
        check_body(header->command, rest.first(length));
        rest = rest.subspan(length);
    }
    return 0;
}
