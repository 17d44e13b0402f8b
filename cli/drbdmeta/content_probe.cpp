#include "cli/drbdmeta/content_probe.h"

#include "base/require.h"

#include <algorithm>
#include <string_view>

namespace drbdmeta {

using base::ConstBytes;

namespace {

std::uint64_t le(ConstBytes in, std::size_t offset, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) {
        value = value << 8 | in[offset + i];
    }
    return value;
}

bool has_text(ConstBytes in, std::size_t offset, std::string_view text) {
    return std::equal(text.begin(), text.end(), in.begin() + static_cast<std::ptrdiff_t>(offset));
}

// Blocks may be any number on a damaged or hostile disk: a product that does not fit is "huge".
std::uint64_t kib_of(std::uint64_t blocks, std::uint64_t block_bytes) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(blocks, block_bytes, &bytes)) {
        return ~std::uint64_t{0} / 1024;
    }
    return bytes / 1024;
}

std::optional<Content> probe_ext(ConstBytes in) {
    constexpr std::size_t kAt = 1024;
    constexpr std::uint64_t kIncompat64Bit = 0x80;
    if (le(in, kAt + 0x38, 2) != 0xEF53) {
        return std::nullopt;
    }
    const std::uint64_t log_size = std::min<std::uint64_t>(le(in, kAt + 0x18, 4), 20);
    std::uint64_t blocks = le(in, kAt + 0x04, 4);
    if ((le(in, kAt + 0x60, 4) & kIncompat64Bit) != 0) {
        blocks |= le(in, kAt + 0x150, 4) << 32;
    }
    return Content{"ext3 filesystem", kib_of(blocks, std::uint64_t{1024} << log_size)};
}

std::optional<Content> probe_xfs(ConstBytes in) {
    if (!has_text(in, 0, "XFSB")) {
        return std::nullopt;
    }
    return Content{"xfs filesystem", kib_of(base::get_be64(in, 8), base::get_be32(in, 4))};
}

std::optional<Content> probe_jfs(ConstBytes in) {
    constexpr std::size_t kAt = 32768;
    if (!has_text(in, kAt, "JFS1")) {
        return std::nullopt;
    }
    // s_size counts blocks of the physical size, s_pbsize.
    return Content{"jfs filesystem", kib_of(le(in, kAt + 8, 8), le(in, kAt + 24, 4))};
}

std::optional<Content> probe_reiserfs(ConstBytes in) {
    constexpr std::size_t kAt = 65536;
    if (!has_text(in, kAt + 52, "ReIsErFs") && !has_text(in, kAt + 52, "ReIsEr2Fs") &&
        !has_text(in, kAt + 52, "ReIsEr3Fs")) {
        return std::nullopt;
    }
    return Content{"reiserfs filesystem", kib_of(le(in, kAt, 4), le(in, kAt + 44, 2))};
}

std::optional<Content> probe_btrfs(ConstBytes in) {
    constexpr std::size_t kAt = 65536;
    if (!has_text(in, kAt + 64, "_BHRfS_M")) {
        return std::nullopt;
    }
    return Content{"btrfs filesystem", le(in, kAt + 112, 8) / 1024};
}

std::optional<Content> probe_swap(ConstBytes in) {
    constexpr std::size_t kSignatureAt = 4096 - 10;
    if (!has_text(in, kSignatureAt, "SWAPSPACE2") && !has_text(in, kSignatureAt, "SWAP-SPACE")) {
        return std::nullopt;
    }
    return Content{"swap space signature", std::nullopt};
}

std::optional<Content> probe_lvm(ConstBytes in) {
    for (std::size_t sector = 0; sector < 4; ++sector) {
        if (has_text(in, sector * 512, "LABELONE") && has_text(in, sector * 512 + 24, "LVM2 001")) {
            return Content{"LVM2 physical volume signature", std::nullopt};
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<Content> probe_content(ConstBytes start) {
    REQUIRE(start.size() == kProbeBytes);
    for (const auto probe :
         {probe_ext, probe_xfs, probe_jfs, probe_reiserfs, probe_btrfs, probe_swap, probe_lvm}) {
        if (std::optional<Content> found = probe(start)) {
            return found;
        }
    }
    if (std::all_of(start.begin(), start.end(), [](std::uint8_t byte) { return byte == 0; })) {
        return std::nullopt;
    }
    return Content{"some data", std::nullopt, false};
}

}  // namespace drbdmeta
