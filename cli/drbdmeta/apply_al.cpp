#include "base/log.h"
#include "cli/drbdmeta/commands.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/bitmap_area.h"
#include "meta/gi.h"
#include "meta/recovery.h"

#include <cstdio>

namespace drbdmeta {

using base::Result;

namespace {

// Marks the extents page by page and flushes; the number of bits that were clear before.
Result<std::uint64_t> mark_bitmap(MetaDevice& device,
                                  const FoundMetadata& found,
                                  const std::vector<base::AlExtent>& extents) {
    const base::Sector size{found.superblock.la_size_sectors};
    std::uint64_t newly_set = 0;
    std::size_t beyond = 0;
    for (std::size_t i = 0; i < extents.size();) {
        const meta::ByteRange range = meta::bitmap_range(extents[i], size);
        if (range.length == 0) {
            beyond = extents.size() - i;
            break;
        }
        const std::uint64_t page = range.offset / meta::kBlockBytes * meta::kBlockBytes;
        const std::uint64_t at = to_bytes(found.layout.bitmap_sector) + page;
        auto bits = device.read(at, meta::kBlockBytes);
        if (!bits) {
            return bits.error();
        }
        // An extent never crosses a page, so all that start in this page are done with it.
        for (; i < extents.size() &&
               meta::bitmap_range(extents[i], size).offset < page + meta::kBlockBytes;
             ++i) {
            newly_set += meta::mark_extent(extents[i], size, page, *bits);
        }
        if (Result<void> written = device.write(at, *bits); !written) {
            return written.error();
        }
    }
    if (beyond > 0) {
        std::fprintf(stderr, "%zu extents beyond the end of the device ignored\n", beyond);
    }
    if (Result<void> flushed = device.flush(); !flushed) {
        return flushed.error();
    }
    return newly_set;
}

// The order, and a flush after each step, make a crash at any point harmless: see meta/recovery.h.
Result<void> carry_out(MetaDevice& device, const FoundMetadata& found, const meta::Recovery& plan) {
    if (!plan.mark.empty()) {
        const Result<std::uint64_t> newly_set = mark_bitmap(device, found, plan.mark);
        if (!newly_set) {
            return newly_set.error();
        }
        std::fprintf(stderr,
                     "Marked additional %s as out-of-sync based on AL.\n",
                     meta::pretty_size(*newly_set * 4).c_str());
    }
    if (plan.initialize_al) {
        const meta::Superblock interim = meta::without_log(found.superblock);
        if (Result<void> done = write_superblock(device, found.layout, interim); !done) {
            return done;
        }
        if (Result<void> done = initialize_activity_log(device, found.layout); !done) {
            return done;
        }
    }
    if (plan.initialize_al || plan.write_superblock) {
        return write_superblock(device, found.layout, meta::recovered(found.superblock));
    }
    return {};
}

}  // namespace

int apply_to(MetaDevice& device, const FoundMetadata& found) {
    const auto log =
        device.read(to_bytes(found.layout.al_sector), found.layout.al_sectors * base::kSectorBytes);
    if (!log) {
        return report(log.error());
    }
    const Result<meta::Recovery> plan = meta::plan_recovery(found.superblock, *log);
    if (!plan) {
        std::fprintf(stderr,
                     "%s\nNo usable activity log found. Do you need to create-md?\n",
                     plan.error().text.c_str());
        return kFailed;
    }
    if (plan->corrupt_transactions > 0) {
        std::fprintf(stderr, "%u corrupt AL transactions found\n", plan->corrupt_transactions);
    }
    const Result<void> done = carry_out(device, found, *plan);
    return done ? kOk : report(done.error());
}

int apply_al(const CommandLine& line) {
    return with_metadata(line, Access::Write, apply_to);
}

}  // namespace drbdmeta
