#include "meta/old_ends.h"

#include "meta/geometry.h"
#include "meta/superblock.h"

#include <algorithm>

namespace meta {

namespace {

// Volumes grow by extents, partitions and virtual disks by whole numbers of something.
struct Step {
    std::uint64_t bytes;
    unsigned count;
};

constexpr Step kSteps[] = {
    {4ull << 20, 256},  // an extent of LVM
    {1ull << 30, 512},
    {1ull << 20, 64},
    {64ull << 30, 128},
    {1'000'000'000ull, 64},
};

}  // namespace

std::vector<std::uint64_t> old_superblock_bytes(std::uint64_t device_bytes) {
    std::vector<std::uint64_t> places;
    if (device_bytes < kMinDeviceBytes) {
        return places;
    }
    const std::uint64_t now = internal_superblock_byte(device_bytes);
    for (const Step& step : kSteps) {
        std::uint64_t size = (device_bytes - 1) / step.bytes * step.bytes;
        for (unsigned i = 0; i < step.count && size >= kMinDeviceBytes; ++i, size -= step.bytes) {
            const std::uint64_t place = internal_superblock_byte(size);
            if (place != now && std::find(places.begin(), places.end(), place) == places.end()) {
                places.push_back(place);
            }
        }
    }
    return places;
}

std::optional<std::uint64_t> size_that_ended_here(base::ConstBytes block,
                                                  std::uint64_t superblock_byte) {
    const base::Result<Superblock> superblock = decode_superblock(block);
    if (!superblock) {
        return std::nullopt;
    }
    // Up to a block of slack follows it; the size of the bitmap may depend on that.
    for (const std::uint64_t slack : {kBlockBytes, 2 * kBlockBytes - 1}) {
        const base::Result<Layout> layout = internal_layout(
            superblock_byte + slack, superblock->al_stripes, superblock->al_stripe_size_4k);
        if (layout && check_against(*superblock, *layout)) {
            return superblock_byte + kBlockBytes;
        }
    }
    return std::nullopt;
}

}  // namespace meta
