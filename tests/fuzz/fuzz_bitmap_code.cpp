// Input: the position (one byte), the end of the bitmap (8 bytes, little endian), then the body of
// a CompressedBitmap packet. What decodes is within the bitmap and in order, and encodes to the
// very same body: there is one code for a run. The body is then taken as run lengths, to test the
// other way.
#include "base/require.h"
#include "proto/bitmap_code.h"
#include "proto/packets.h"
#include "tests/unit/proto/run_bits.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

void decode_then_encode(base::ConstBytes body, std::uint64_t position, std::uint64_t end) {
    test::Runs runs;
    const auto reached = proto::decode_bitmap_runs(
        body, position, end, [&](std::uint64_t first, std::uint64_t count) {
            const std::uint64_t border =
                runs.empty() ? position : runs.back().first + runs.back().count + 1;
            REQUIRE(first >= border && count >= 1 && first <= end && count <= end - first);
            runs.push_back({first, count});
        });
    if (!reached) {
        REQUIRE(!reached.error().text.empty());
        return;
    }
    REQUIRE(*reached > position && *reached <= end);
    const std::uint64_t covered = *reached - position;
    const auto again = proto::encode_bitmap_runs(test::source_of(runs), *reached, position);
    if (covered < 8 * (body.size() - 1)) {
        REQUIRE(again.empty());
    } else {
        REQUIRE(std::ranges::equal(again, body) && position == *reached);
    }
}

void encode_then_decode(base::ConstBytes lengths) {
    test::Runs runs;
    std::uint64_t end = 0;
    for (std::size_t i = 0; i + 1 < lengths.size(); i += 2) {
        const std::uint64_t count = 1 + (std::uint64_t{lengths[i]} << (lengths[i + 1] % 40));
        if (i % 4 == 0) {
            runs.push_back({end, count});
        }
        end += count;
    }
    std::uint64_t position = 0;
    const auto body = proto::encode_bitmap_runs(test::source_of(runs), end, position);
    if (body.empty()) {
        REQUIRE(position == 0);
        return;
    }
    REQUIRE(body.size() <= proto::kMaxBitmapPacketBytes);
    test::Runs read;
    const auto reached = proto::decode_bitmap_runs(body, 0, end, test::collect_into(read));
    REQUIRE(reached && *reached == position);
    REQUIRE(std::ranges::equal(read, std::span(runs).first(read.size())));
    REQUIRE(position < end || read.size() == runs.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kFixed = 9;
    if (size < kFixed) {
        return 0;
    }
    const base::ConstBytes in(data, size);
    const std::uint64_t position = in[0];
    const std::uint64_t end = base::get_le64(in, 1);
    if (position <= end) {
        decode_then_encode(in.subspan(kFixed), position, end);
    }
    encode_then_decode(in.subspan(kFixed));
    return 0;
}
