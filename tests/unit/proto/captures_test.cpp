// Every packet of every capture in tests/vectors/wire must decode, and encode to the same bytes
// again.
#include "proto/bitmap_code.h"
#include "proto/packets.h"
#include "tests/unit/proto/hex.h"
#include "tests/unit/proto/pcap.h"
#include "tests/unit/proto/roundtrip.h"
#include "tests/unit/proto/run_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace {

using proto::Command;

struct Capture {
    const char* name;
    std::size_t packets;  // as counted by an independent decoder
};

constexpr Capture kCaptures[] = {
    {"01-initial-full-sync", 761},
    {"02-protocol-c-writes", 121},
    {"03-protocol-b-writes", 99},
    {"04-protocol-a-writes", 76},
    {"05-ext4", 320},
    {"06-bitmap-resync-plain", 207},
    {"07-bitmap-resync-rle", 218},
    {"08-split-brain-manual", 85},
    {"09-split-brain-auto-0pri", 61},
    {"10-split-brain-auto-1pri", 62},
    {"11-verify-sha1", 12398},
    {"12-verify-crc32c", 12391},
    {"14-csums-resync", 556},
    {"16-integrity-sha1", 46},
    {"17-cram-hmac-sha1", 73},
    {"18-cram-hmac-sha256", 35},
    {"19-dual-primary", 1535},
    {"21-resize-grow", 511},
    {"22-secondary-killed", 83},
    {"24-failover-after-power-loss", 346},
    {"25-detach-reads-from-peer", 725},
    {"26-io-errors", 314},
    {"27-thin-resync", 2294},
    {"28-online-net-options", 63},
    {"29-pull-ahead", 670},
    {"31-states", 89},
    {"32-two-volumes", 110},
    {"33-network-cut", 64},
    {"crossing-and-refusals", 172},
    {"cut-protocol-a", 69},
    {"cut-protocol-b", 70},
    {"cut-protocol-c", 69},
    {"mismatches", 172},
    {"p10-no-features", 110},
    {"p3-full-resync", 1647},
    {"p5-cram-hmac", 114},
};

// Zero where the kernel sends whatever its buffer held before (specification, 2.3).
void clear_stale_pad(std::uint16_t command, base::Bytes body) {
    const auto clear = [body](std::size_t offset) {
        std::ranges::fill(body.subspan(offset, 4), std::uint8_t{0});
    };
    switch (static_cast<Command>(command)) {
        case Command::DataRequest:
        case Command::RsDataRequest:
        case Command::OvRequest:
        case Command::OvReply:
        case Command::CsumRsRequest:
        case Command::RsThinReq:
            return clear(20);
        case Command::OutOfSync:
        case Command::RsDeallocated:
            return clear(12);
        default:
            return;
    }
}

void check_bitmap(base::ConstBytes body) {
    constexpr std::uint64_t any_end = 1ull << 40;
    test::Runs runs;
    const auto reached = proto::decode_bitmap_runs(body, 0, any_end, test::collect_into(runs));
    ASSERT_TRUE(reached) << reached.error().text;
    std::uint64_t position = 0;
    const auto again = proto::encode_bitmap_runs(test::source_of(runs), *reached, position);
    EXPECT_EQ(position, *reached);
    EXPECT_EQ(test::hex(again), test::hex(body));
}

void check_body(std::uint16_t command, base::ConstBytes body) {
    const auto shape = proto::body_shape(command);
    ASSERT_TRUE(shape) << shape.error().text;
    ASSERT_GE(body.size(), shape->fixed);
    ASSERT_LE(body.size() - shape->fixed, shape->max_payload);

    const auto seen = body.first(test::codec_size(command, body.size()));
    const auto again = test::roundtrip(command, seen);
    ASSERT_TRUE(again) << again.error().text;
    std::vector<std::uint8_t> expected(seen.begin(), seen.end());
    clear_stale_pad(command, expected);
    EXPECT_EQ(test::hex(*again), test::hex(expected));

    if (static_cast<Command>(command) == Command::CompressedBitmap) {
        check_bitmap(body);
    }
}

// Reads the packet that `in` starts with and takes it off; false when less than one is left.
bool take_packet(base::ConstBytes& in) {
    if (in.size() < 4) {
        return false;
    }
    const auto kind = proto::header_kind(in.first(4));
    if (!kind) {
        ADD_FAILURE() << kind.error().text;
        return false;
    }
    const std::size_t size = proto::header_size(*kind);
    if (in.size() < size) {
        return false;
    }
    const auto header = proto::decode_header(in.first(size));
    if (!header) {
        ADD_FAILURE() << header.error().text;
        return false;
    }
    EXPECT_EQ(test::hex(test::encoded(*header, size)), test::hex(in.first(size)));
    if (in.size() - size < header->length) {
        return false;
    }
    SCOPED_TRACE(proto::command_name(header->command));
    check_body(header->command, in.subspan(size, header->length));
    in = in.subspan(size + header->length);
    return true;
}

class GoldenCapture : public testing::TestWithParam<Capture> {};

TEST_P(GoldenCapture, EveryPacketDecodesAndEncodesToTheSameBytes) {
    const std::string path =
        std::string(DRBDD_SOURCE_DIR "/tests/vectors/wire/") + GetParam().name + ".pcap.xz";
    const auto pcap = test::read_xz(path);
    ASSERT_TRUE(pcap) << pcap.error().text;
    const auto streams = test::tcp_streams(*pcap);
    ASSERT_TRUE(streams) << streams.error().text;

    std::size_t packets = 0;
    for (const test::TcpStream& stream : *streams) {
        SCOPED_TRACE(stream.name);
        for (base::ConstBytes rest = stream.bytes; take_packet(rest);) {
            ++packets;
        }
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_EQ(packets, GetParam().packets);
}

INSTANTIATE_TEST_SUITE_P(Kernel,
                         GoldenCapture,
                         testing::ValuesIn(kCaptures),
                         [](const auto& param) {
                             std::string name = param.param.name;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
