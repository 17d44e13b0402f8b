#include "proto/bitmap_code.h"

#include "base/require.h"
#include "proto/codec.h"
#include "proto/packets.h"

#include <algorithm>
#include <array>

namespace proto {
namespace {

constexpr unsigned kRunLengthCode = 2;
constexpr unsigned kFirstRunIsSet = 0x80;
constexpr std::uint64_t kMaxCodeBytes = kMaxBitmapPacketBytes - 1;

// A codeword is the prefix, then data bits; its value is base + data. The bases follow one another,
// so every run length has exactly one codeword.
struct Level {
    unsigned prefix_bits;
    std::uint64_t prefix;
    unsigned data_bits;
    std::uint64_t base;

    constexpr unsigned bits() const { return prefix_bits + data_bits; }

    constexpr std::uint64_t largest() const { return base + (1ull << data_bits) - 1; }
};

constexpr std::array<Level, 10> kLevels{{
    {1, 0x00, 1, 1},
    {2, 0x01, 1, 3},
    {3, 0x03, 2, 5},
    {4, 0x07, 3, 9},
    {5, 0x0f, 5, 17},
    {6, 0x1f, 8, 49},
    {8, 0x3f, 13, 305},
    {8, 0x7f, 21, 8497},
    {8, 0xbf, 34, 2105649},
    {8, 0xff, 56, 17181974833},
}};

const Level& level_of_run(std::uint64_t run) {
    REQUIRE(run >= 1 && run <= kLevels.back().largest());
    return *std::ranges::find_if(kLevels,
                                 [run](const Level& level) { return run <= level.largest(); });
}

// The prefixes are complete: each word begins with one of them.
const Level& level_of_word(std::uint64_t word) {
    return *std::ranges::find_if(kLevels, [word](const Level& level) {
        return (word & ((1ull << level.prefix_bits) - 1)) == level.prefix;
    });
}

// Appends words to a bit string, least significant bit first.
class BitWriter {
public:
    explicit BitWriter(std::vector<std::uint8_t>& out) : out_(out) {}

    void put(std::uint64_t word, unsigned bits) {
        for (unsigned done = 0; done < bits;) {
            if (free_bits_ == 0) {
                out_.push_back(0);
                free_bits_ = 8;
            }
            const unsigned now = std::min(free_bits_, bits - done);
            const std::uint64_t piece = (word >> done) & ((1u << now) - 1);
            out_.back() = static_cast<std::uint8_t>(out_.back() | (piece << (8 - free_bits_)));
            free_bits_ -= now;
            done += now;
        }
    }

    unsigned free_bits() const { return free_bits_; }  // of the last byte

private:
    std::vector<std::uint8_t>& out_;
    unsigned free_bits_ = 0;
};

// The 64 bits that start at bit `offset` of `code`; zeros behind its end.
std::uint64_t word_at(base::ConstBytes code, std::uint64_t offset) {
    const base::ConstBytes rest = code.subspan(offset / 8);
    const unsigned shift = static_cast<unsigned>(offset % 8);
    std::uint64_t word = 0;
    for (unsigned i = 0; i < 8 && i < rest.size(); ++i) {
        word |= std::uint64_t{rest[i]} << (8 * i);
    }
    word >>= shift;
    if (shift != 0 && rest.size() > 8) {
        word |= std::uint64_t{rest[8]} << (64 - shift);
    }
    return word;
}

base::Result<base::ConstBytes> checked_code(base::ConstBytes body) {
    constexpr const char* packet = "CompressedBitmap";
    if (body.size() < 2 || body.size() > kMaxBitmapPacketBytes) {
        return invalid(
            packet,
            std::to_string(body.size()) + " bytes follow the header, 2 to 4080 are allowed");
    }
    if ((body[0] & 0x0f) != kRunLengthCode) {
        return invalid(packet, "encoding " + std::to_string(body[0] & 0x0f) + " is not known");
    }
    const unsigned pad = (body[0] >> 4) & 7u;
    if (body.back() >> (8 - pad) != 0) {
        return invalid(packet, "the unused bits of the last byte are not zero");
    }
    return body.subspan(1);
}

}  // namespace

std::vector<std::uint8_t> encode_bitmap_runs(const BitSource& bits,
                                             std::uint64_t end,
                                             std::uint64_t& position) {
    REQUIRE(position <= end);
    if (position == end) {
        return {};
    }
    bool value = bits.test(position);
    std::vector<std::uint8_t> body{
        static_cast<std::uint8_t>(kRunLengthCode | (value ? kFirstRunIsSet : 0))};
    BitWriter code(body);
    std::uint64_t reached = position;
    for (std::uint64_t used = 0; reached < end; value = !value) {
        const std::uint64_t next = bits.run_end(reached, end, value);
        REQUIRE(next > reached && next <= end);
        const std::uint64_t run = next - reached;
        const Level& level = level_of_run(run);
        if (used + level.bits() > kMaxCodeBytes * 8) {
            break;
        }
        code.put((run - level.base) << level.prefix_bits | level.prefix, level.bits());
        used += level.bits();
        reached = next;
    }
    if (reached - position < 8 * (body.size() - 1)) {
        return {};
    }
    body[0] = static_cast<std::uint8_t>(body[0] | code.free_bits() << 4);
    position = reached;
    return body;
}

base::Result<std::uint64_t> decode_bitmap_runs(
    base::ConstBytes body,
    std::uint64_t position,
    std::uint64_t end,
    const std::function<void(std::uint64_t first, std::uint64_t count)>& set) {
    REQUIRE(position <= end);
    const auto code = checked_code(body);
    if (!code) {
        return code.error();
    }
    const std::uint64_t code_bits = code->size() * 8 - ((body[0] >> 4) & 7u);
    bool value = (body[0] & kFirstRunIsSet) != 0;
    for (std::uint64_t offset = 0; offset < code_bits; value = !value) {
        const std::uint64_t word = word_at(*code, offset);
        const Level& level = level_of_word(word);
        if (level.bits() > code_bits - offset) {
            return invalid("CompressedBitmap", "the last run is cut off");
        }
        const std::uint64_t data = (word >> level.prefix_bits) & ((1ull << level.data_bits) - 1);
        const std::uint64_t run = level.base + data;
        if (run > end - position) {
            return invalid("CompressedBitmap",
                           "a run of " + std::to_string(run) + " bits at bit " +
                               std::to_string(position) + " passes the end of the bitmap, " +
                               std::to_string(end));
        }
        if (value) {
            set(position, run);
        }
        position += run;
        offset += level.bits();
    }
    return position;
}

}  // namespace proto
