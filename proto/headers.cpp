#include "base/log.h"
#include "base/require.h"
#include "proto/codec.h"
#include "proto/packets.h"

namespace proto {
namespace {

constexpr std::uint32_t kMagic80 = 0x83740267;
constexpr std::uint16_t kMagic95 = 0x835a;
constexpr std::uint32_t kMagic100 = 0x8620ec20;

}  // namespace

base::Result<HeaderKind> header_kind(base::ConstBytes first_four) {
    if (first_four.size() != 4) {
        return invalid("header",
                       "the magic takes 4 bytes, not " + std::to_string(first_four.size()));
    }
    const std::uint32_t magic = base::get_be32(first_four, 0);
    if (magic == kMagic100) {
        return HeaderKind::H100;
    }
    if (magic == kMagic80) {
        return HeaderKind::H80;
    }
    if (magic >> 16 == kMagic95) {
        return HeaderKind::H95;
    }
    return invalid(
        "header",
        base::format("magic 0x%08x is none of DRBD 8.4; is the peer another program?", magic));
}

base::Result<Header> decode_header(base::ConstBytes in) {
    if (in.size() < 4) {
        return invalid("header", std::to_string(in.size()) + " bytes are less than a magic");
    }
    const auto kind = header_kind(in.first(4));
    if (!kind) {
        return kind.error();
    }
    if (in.size() != header_size(*kind)) {
        return wrong_size("header", in.size(), header_size(*kind));
    }

    switch (*kind) {
        case HeaderKind::H80:
            return Header{
                .kind = *kind, .command = base::get_be16(in, 4), .length = base::get_be16(in, 6)};
        case HeaderKind::H95:
            return Header{
                .kind = *kind, .command = base::get_be16(in, 2), .length = base::get_be32(in, 4)};
        case HeaderKind::H100:
            break;
    }
    if (base::get_be32(in, 12) != 0) {
        return invalid("header", "the pad behind the length is not zero");
    }
    return Header{.kind = *kind,
                  .command = base::get_be16(in, 6),
                  .volume = base::get_be16(in, 4),
                  .length = base::get_be32(in, 8)};
}

void encode(const Header& header, base::Bytes out) {
    REQUIRE(out.size() == header_size(header.kind));
    switch (header.kind) {
        case HeaderKind::H80:
            REQUIRE(header.length <= 0xffff);
            base::put_be32(out, 0, kMagic80);
            base::put_be16(out, 4, header.command);
            base::put_be16(out, 6, static_cast<std::uint16_t>(header.length));
            break;
        case HeaderKind::H95:
            base::put_be16(out, 0, kMagic95);
            base::put_be16(out, 2, header.command);
            base::put_be32(out, 4, header.length);
            break;
        case HeaderKind::H100:
            base::put_be32(out, 0, kMagic100);
            base::put_be16(out, 4, header.volume);
            base::put_be16(out, 6, header.command);
            base::put_be32(out, 8, header.length);
            base::put_be32(out, 12, 0);
            break;
    }
}

}  // namespace proto
