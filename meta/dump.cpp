#include "meta/dump.h"

#include "base/log.h"
#include "base/require.h"
#include "base/units.h"
#include "meta/bitmap_area.h"

#include <algorithm>
#include <bit>

namespace meta {

namespace {

constexpr std::size_t kLineBytes = 32;      // four 64-bit words
constexpr std::uint64_t kLinesPerMark = 8;  // 256 bytes of bitmap: 8 MiB of data
constexpr std::uint64_t kKibPerLine = kLineBytes * 8 * base::kBytesPerBit / 1024;

unsigned long long shown(std::uint64_t value) {
    return value;
}

// Runs are made of equal 32-bit halves; a line of equal, but not uniform, 64-bit words is printed
// out.
bool is_uniform(base::ConstBytes line) {
    const std::uint32_t first = base::get_raw32(line, 0);
    for (std::size_t at = 4; at < kLineBytes; at += 4) {
        if (base::get_raw32(line, at) != first) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::uint64_t dumped_bitmap_bytes(const Superblock& sb, std::uint64_t superblock_byte) {
    const bool internal = sb.al_offset < 0;
    const std::int64_t first_metadata_sector =
        static_cast<std::int64_t>(superblock_byte / base::kSectorBytes) + sb.bm_offset;
    const std::int64_t bitmap_blocks =
        (std::int64_t{sb.md_size_sectors} - sb.bm_offset) / std::int64_t{kSectorsPerBlock};
    const std::int64_t described =
        bitmap_blocks * std::int64_t{kBlockBytes * 8 * base::kSectorsPerBit};
    const auto usable = static_cast<std::uint64_t>(
        std::max<std::int64_t>(internal ? first_metadata_sector : described, 0));
    return bitmap_bytes({std::min(sb.la_size_sectors, usable)});
}

std::string dump_head(const Superblock& sb, std::uint64_t superblock_byte) {
    const auto place = [&](std::int32_t offset) {
        return static_cast<long long>(superblock_byte) + offset * 512ll;
    };
    std::string text = "version \"v08\";\n\n";
    if (!sb.is_clean()) {
        text +=
            "This_is_an_unclean_meta_data_dump._Don't_trust_the_bitmap.\n"
            "# You should \"apply-al\" first, if you plan to restore this.\n\n";
    }
    text +=
        base::format("# md_size_sect %u\n# md_offset %llu\n# al_offset %lld\n# bm_offset %lld\n\n",
                     sb.md_size_sectors,
                     shown(superblock_byte),
                     place(sb.al_offset),
                     place(sb.bm_offset));
    text += base::format(
        "uuid {\n    0x%016llX; 0x%016llX; 0x%016llX; 0x%016llX;\n    flags 0x%08X;\n}\n",
        shown(sb.current_uuid),
        shown(sb.bitmap_uuid),
        shown(sb.history_uuids[0]),
        shown(sb.history_uuids[1]),
        sb.flags);
    text += base::format(
        "# al-extents %u;\nla-size-sect %llu;\nbm-byte-per-bit %u;\ndevice-uuid 0x%016llX;\n"
        "la-peer-max-bio-size %u;\nal-stripes %u;\nal-stripe-size-4k %u;\n# bm-bytes %llu;\nbm {",
        sb.al_nr_extents,
        shown(sb.la_size_sectors),
        sb.bm_bytes_per_bit,
        shown(sb.device_uuid),
        sb.la_peer_max_bio_size,
        sb.al_stripes,
        sb.al_stripe_size_4k,
        shown(dumped_bitmap_bytes(sb, superblock_byte)));
    return text;
}

BitmapText::BitmapText(TextSink sink) : sink_(std::move(sink)) {
}

void BitmapText::append(base::ConstBytes bitmap) {
    REQUIRE(bitmap.size() % kLineBytes == 0);
    for (std::size_t at = 0; at < bitmap.size(); at += kLineBytes) {
        const base::ConstBytes line = bitmap.subspan(at, kLineBytes);
        const bool continues = pending_count_ > 0 && is_uniform(line) &&
                               std::equal(line.begin(), line.end(), pending_.begin());
        if (!continues) {
            flush();
            pending_.assign(line.begin(), line.end());
            pending_position_ = position_;
        }
        ++pending_count_;
        ++position_;
    }
}

void BitmapText::flush() {
    if (pending_count_ == 0) {
        return;
    }
    std::string text = "\n";
    if (pending_position_ % kLinesPerMark == 0) {
        text += base::format("   # at %llukB\n", shown(pending_position_ * kKibPerLine));
    }
    text += "   ";
    std::uint64_t bits = 0;
    for (std::size_t at = 0; at < kLineBytes; at += 8) {
        const std::uint64_t word = base::get_le64(pending_, at);
        bits += static_cast<std::uint64_t>(std::popcount(word));
        if (pending_count_ == 1) {
            text += base::format(" 0x%016llX;", shown(word));
        }
    }
    if (pending_count_ > 1) {
        text += base::format(" %llu times 0x%016llX;",
                             shown(pending_count_ * kLineBytes / 8),
                             shown(base::get_le64(pending_, 0)));
    }
    bits_set_ += bits * pending_count_;
    pending_count_ = 0;
    sink_(text);
}

void BitmapText::finish() {
    flush();
    sink_(base::format("\n}\n# bits-set %llu;\n", shown(bits_set_)));
}

}  // namespace meta
