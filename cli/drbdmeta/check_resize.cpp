// Moves internal metadata to the end of a disk that has grown while it was not attached. Metadata
// specification, section 13.
//
// A crash at any point leaves good metadata at the old end or at the new one: the old superblock
// goes last. Where the new place overlaps the old one, the new superblock comes first and has the
// bitmap, which is about to be overwritten, count as "all bits set" until it is whole again.
#include "base/log.h"
#include "cli/drbdmeta/commands.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/bitmap_area.h"
#include "meta/old_ends.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

unsigned long long printed(std::uint64_t value) {
    return value;
}

// Nothing but the superblock itself tells how large the bitmap before it is.
meta::Layout layout_at(const meta::Superblock& superblock, std::uint64_t place) {
    const base::Sector at = base::sectors_rounding_down(place);
    const auto before = [&](std::int32_t offset) {
        return at - base::Sector{static_cast<std::uint64_t>(-std::int64_t{offset})};
    };
    meta::Layout layout;
    layout.superblock_sector = at;
    layout.al_sector = before(superblock.al_offset);
    layout.al_sectors = (at - layout.al_sector).value;
    layout.bitmap_sector = before(superblock.bm_offset);
    layout.bitmap_sectors = (layout.al_sector - layout.bitmap_sector).value;
    layout.usable_sectors = layout.bitmap_sector.value;
    layout.md_size_sectors = superblock.md_size_sectors;
    layout.al_offset = superblock.al_offset;
    layout.bm_offset = superblock.bm_offset;
    return layout;
}

// As if the device still had its old size.
Result<std::optional<FoundMetadata>> find_at_old_end(const MetaDevice& device) {
    for (const std::uint64_t place : meta::old_superblock_bytes(device.size_bytes())) {
        const auto block = device.read(place, meta::kBlockBytes);
        if (!block) {
            return block.error();
        }
        if (meta::size_that_ended_here(*block, place)) {
            const meta::Superblock superblock = *meta::decode_superblock(*block);
            return std::optional(FoundMetadata{superblock, layout_at(superblock, place)});
        }
    }
    return std::optional<FoundMetadata>();
}

meta::Superblock relocated(meta::Superblock superblock, const meta::Layout& layout) {
    superblock.md_size_sectors = static_cast<std::uint32_t>(layout.md_size_sectors);
    superblock.al_offset = layout.al_offset;
    superblock.bm_offset = layout.bm_offset;
    return superblock;
}

Result<void> move(MetaDevice& device, const FoundMetadata& old, const meta::Layout& to) {
    const base::Sector size{old.superblock.la_size_sectors};
    const auto bitmap = device.read(to_bytes(old.layout.bitmap_sector), meta::bitmap_bytes(size));
    if (!bitmap) {
        return bitmap.error();
    }
    const base::Sector old_end =
        old.layout.superblock_sector + base::Sector{meta::kSectorsPerBlock};
    const meta::Superblock moved = relocated(old.superblock, to);
    if (to.bitmap_sector < old_end) {
        meta::Superblock interim = moved;
        interim.flags |= meta::kMdFullSync;
        if (Result<void> done = write_superblock(device, to, interim); !done) {
            return done;
        }
    }
    if (Result<void> done = device.write(to_bytes(to.bitmap_sector), *bitmap); !done) {
        return done;
    }
    const std::uint64_t used = bitmap->size() / base::kSectorBytes;
    if (Result<void> done = clear(device, to.bitmap_sector + base::Sector{used}, to.al_sector);
        !done) {
        return done;
    }
    if (Result<void> done = initialize_activity_log(device, to); !done) {
        return done;
    }
    if (Result<void> done = write_superblock(device, to, moved); !done) {
        return done;
    }
    // Where it lies in the new area, it has been overwritten already.
    return old.layout.superblock_sector < to.bitmap_sector
               ? clear(device, old.layout.superblock_sector, old_end)
               : Result<void>{};
}

int move_from(MetaDevice& device, FoundMetadata old) {
    const auto to = meta::internal_layout(
        device.size_bytes(), old.superblock.al_stripes, old.superblock.al_stripe_size_4k);
    if (!to) {
        return report(to.error());
    }
    if (to->usable_sectors < old.superblock.la_size_sectors) {
        return report({ErrorCode::TooSmall,
                       base::format("the device has grown by so little that its data and the "
                                    "metadata do not fit any more: %llu sectors are in use, %llu "
                                    "would be left",
                                    printed(old.superblock.la_size_sectors),
                                    printed(to->usable_sectors))});
    }
    // What the log says is told to the bitmap first: the log starts anew at the new place.
    if (const int code = apply_to(device, old); code != kOk) {
        return code;
    }
    old.superblock = meta::recovered(old.superblock);
    std::printf("Moving the internal meta-data to its proper location\n");
    std::fflush(stdout);
    if (const Result<void> done = move(device, old, *to); !done) {
        return report(done.error());
    }
    std::printf("Internal drbd meta-data successfully moved.\n");
    return kOk;
}

int check_on(const CommandLine& line, MetaDevice& device) {
    const Result<FoundMetadata> found = find_metadata(line, device);
    if (found) {
        return kOk;
    }
    const ErrorCode code = found.error().code;
    if (code != ErrorCode::NotFound && code != ErrorCode::Invalid) {
        return report(found.error());
    }
    const auto old = find_at_old_end(device);
    if (!old) {
        return report(old.error());
    }
    if (!*old) {
        std::fprintf(stderr, "no suitable meta data found :(\n");
        return kFailed;
    }
    return move_from(device, **old);
}

}  // namespace

int check_resize(const CommandLine& line) {
    // External metadata does not move.
    return line.placement.is_external()
               ? with_metadata(
                     line, Access::Read, [](MetaDevice&, const FoundMetadata&) { return kOk; })
               : with_device(line, Access::Write, [&line](MetaDevice& device) {
                     return check_on(line, device);
                 });
}

}  // namespace drbdmeta
